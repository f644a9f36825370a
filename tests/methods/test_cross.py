"""Cross-modal contrast: what it compares, and what it refuses."""

import jax
import numpy as np
import pytest

from mmalign import losses
from mmalign.methods import JOINT
from mmalign.methods.cross import START

KEY = jax.random.key(2)


@pytest.mark.parametrize("count", [2, 3])
def test_cross_is_clip_s_loss_of_the_projections_that_it_embeds(small, count):
    still = small.options("cross")["encoder"] | {"dropout": 0.0}
    method, batch = small.create("cross", count, encoder=still, augment=None), small.batch(count)
    shapes = jax.eval_shape(method.init, KEY, batch)
    variables = small.all_random(shapes) | {
        "means": jax.tree.map(np.zeros_like, small.all_random(shapes["means"]))
    }
    parts, present = method.embed(variables, batch), batch["present"]
    names = list(small.modalities(count))
    np.testing.assert_array_equal(parts[JOINT], np.concatenate([parts[m] for m in names], axis=1))
    scale = variables["params"]["log_scale"]
    each = [
        losses.clip(parts[a], parts[b], scale, where=present[a] & present[b]).mean()
        for i, a in enumerate(names) for b in names[i + 1 :]
    ]  # fmt: skip
    value, _ = method.loss(variables, batch, KEY)
    np.testing.assert_allclose(value, np.mean(each), rtol=1e-4)
    assert float(method.init(KEY, batch)["params"]["log_scale"]) == pytest.approx(START)


def test_what_does_not_fit_is_named(small):
    with pytest.raises(ValueError, match=r"augment\.pool has to name"):
        small.create("cross_self", augment=None)
    with pytest.raises(ValueError, match="cross needs two modalities or more, got acc"):
        small.create("cross", 1)

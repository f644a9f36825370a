"""Supervised contrast, from scratch and of a network that is there."""

import jax
import numpy as np
import pytest

from mmalign import losses

KEY = jax.random.key(3)
PLAIN = {"pool": ("scaling",), "probability": 0.0}  # views that are the windows as they are


@pytest.mark.parametrize("name", ["supcon", "supcon_tuned"])
def test_windows_of_one_label_attract(small, name):
    made = small.compiled(name)
    loss = lambda label: made.loss(
        made.params, made.batch | {"targets": {"label": label}}, KEY
    )[0][0]  # fmt: skip
    label = made.batch["targets"]["label"]
    assert loss(np.full_like(label, -1)) == 0  # nothing is known of any
    assert loss(label) != loss(np.roll(label, 1))


def test_tuning_compares_what_the_base_fuses_of_two_views(small):
    made, method = small.compiled("supcon_tuned"), small.create("supcon_tuned", augment=PLAIN)
    joint = made.embed(made.params, made.batch)["joint"]  # zeros where a modality is absent
    want = losses.supcon([joint, joint], made.batch["targets"]["label"], temperature=0.07).mean()
    loss = lambda params: method.loss({"params": params}, made.batch, KEY)[0]
    value, grads = small.jit(jax.value_and_grad(loss))(made.params)
    np.testing.assert_allclose(value, want, rtol=1e-4)
    assert set(grads) == {"base"}
    moved = jax.tree.leaves(grads["base"]["sensors"]["acc"]["encoder"])
    assert max(np.abs(g).max() for g in moved) > 0


def test_what_does_not_fit_is_named(small):
    with pytest.raises(ValueError, match="'supervised', which learns from labels itself"):
        small.create("supcon_tuned", base={"name": "supervised"})
    with pytest.raises(ValueError, match=r"augment\.pool has to name"):
        small.create("supcon_tuned", augment=None)

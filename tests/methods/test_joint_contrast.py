"""Contrasts of all modalities at once."""

import jax
import numpy as np
import pytest

from mmalign import losses

KEY = jax.random.key(3)


def test_symile_of_two_is_clip(small):
    one, two = small.compiled("symile"), small.compiled("cross")
    np.testing.assert_allclose(
        one.loss(two.params, two.batch, KEY)[0][0], two.loss(two.params, two.batch, KEY)[0][0],
        rtol=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["symile", "gram"])
def test_of_three_it_is_the_loss_of_their_projections(small, name):
    changes = {} if name == "symile" else {"anchor": "emg", "smoothing": 0.2}
    made = small.compiled(name, 3, augment=None, **changes)
    still = made.batch | {"present": {m: np.ones(32, bool) for m in made.batch["present"]}}
    z = made.method.common({"params": made.params}, still)
    knobs = {"temperature": np.exp(-max(float(made.params["log_scale"]), 0.0))}

    @jax.jit
    def spread(key):
        method = made.method.loss({"params": made.params}, still, key)[0]
        return method

    values = {round(float(spread(jax.random.key(seed))), 3) for seed in range(12)}
    if name == "gram":
        want = losses.gram(z["emg"], [z["acc"], z["ecg"]], smoothing=0.2, **knobs).mean()
        assert np.ptp([*values]) < 0.1 and abs(np.mean([*values]) - want) < 0.1  # but for dropout
    else:
        shifts = np.arange(1, 32)
        each = [float(losses.symile([*z.values()], np.array([s]), **knobs).mean()) for s in shifts]
        assert min(each) - 0.1 < min(values) and max(values) < max(each) + 0.1
        assert len(values) > 6  # each step draws its own tuples


def test_an_anchor_has_to_be_there(small):
    with pytest.raises(ValueError, match=r"modality of method\.anchor is called 'eeg'.*acc, emg"):
        small.create("gram", anchor="eeg")

"""Contrasts of all modalities at once."""

import jax
import numpy as np
import pytest

KEY = jax.random.key(3)


def test_symile_of_two_is_clip(small):
    one, two = small.compiled("symile"), small.compiled("cross")
    np.testing.assert_allclose(
        one.loss(two.params, two.batch, KEY)[0][0], two.loss(two.params, two.batch, KEY)[0][0],
        rtol=1e-4,
    )  # fmt: skip


def test_an_anchor_has_to_be_there(small):
    with pytest.raises(ValueError, match=r"modality of method\.anchor is called 'eeg'.*acc, emg"):
        small.create("gram", anchor="eeg")

"""Windows that a user gives to a trained model."""

import numpy as np
import pytest

from mmalign.embed_inputs import checked
from mmalign.methods import Modality

MODALITIES = {"acc": Modality("series", (64, 3), 50.0), "gyro": Modality("series", (64, 3), 50.0)}


@pytest.fixture
def windows():
    """4 windows at twice the model's rate, of a slow wave about 9."""
    wave = 9 + np.sin(2 * np.pi * 2 * np.arange(128) / 100)
    return np.repeat(np.tile(wave, (4, 1))[..., None], 3, axis=2).astype(np.float32)


def test_lost_samples_are_gaps_at_another_rate_too(windows):
    x = windows.copy()
    x[0, 5, 0], x[1, 40:60], x[2] = np.nan, np.nan, np.nan
    filled, present, valid = checked({"acc": x}, MODALITIES, {"acc": 100.0})
    np.testing.assert_array_equal(present["acc"], [True, True, False, True])
    np.testing.assert_array_equal(np.flatnonzero(~valid["acc"][0]), [3])
    np.testing.assert_array_equal(np.flatnonzero(~valid["acc"][1]), np.arange(20, 31))
    assert valid["acc"][3].all() and not filled["acc"][~valid["acc"]].any()
    whole = checked({"acc": windows}, MODALITIES, {"acc": 100.0})
    assert "acc" not in whole[2]
    real = valid["acc"].copy()
    real[1, 16:35] = False  # a line over 0.2 s is no wave, and reaches a little further
    np.testing.assert_allclose(filled["acc"][real], whole[0]["acc"][real], atol=0.02)


@pytest.mark.parametrize("rates", [None, {"acc": 100.0}])
def test_infinite_samples_are_refused_at_any_rate(windows, rates):
    windows[2, 9, 1] = np.inf
    with pytest.raises(ValueError, match=r"inputs\['acc'\] is not finite in window 2: repair it"):
        checked({"acc": windows if rates else windows[:, :64]}, MODALITIES, rates)

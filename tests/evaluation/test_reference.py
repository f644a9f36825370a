"""Raw windows and the largest class."""

import dataclasses

import numpy as np
import pytest

from mmalign.data.dataset import TEST, TRAIN, Dataset, Description
from mmalign.evaluation import majority, raw_features


def make(rng, present=None):
    n = 40
    x = {"a": 5 + 3 * rng.standard_normal((n, 7, 2)), "b": rng.standard_normal((n, 4, 3))}
    here = {m: np.ones(n, bool) for m in x} | (present or {})
    x = {m: np.where(here[m][:, None, None], v, 0).astype(np.float32) for m, v in x.items()}
    number = np.arange(n, dtype=np.int32)
    split = np.where(number < 30, TRAIN, TEST).astype(np.int8)
    return Dataset(x, here, number % 3, number // 5, split, number, number,
                   Description("toy", {}, {}, {}))  # fmt: skip


def test_raw_features_are_standardised_by_present_training_windows(rng):
    dataset = make(rng, {"a": np.arange(40) % 4 > 0})
    raw = raw_features(dataset)
    assert {k: v.shape for k, v in raw.items()} == {"a": (40, 14), "b": (40, 12), "joint": (40, 26)}
    here = dataset.present["a"] & (dataset.split == TRAIN)
    windows = raw["a"][here].reshape(-1, 2)
    np.testing.assert_allclose(windows.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(windows.std(axis=0), 1, rtol=1e-5)
    assert raw["joint"].dtype == np.float32


def test_an_absent_window_is_zeros_and_never_read(rng):
    dataset = make(rng, {"a": np.arange(40) != 3})
    want = raw_features(dataset)
    assert not want["a"][3].any()
    dataset.inputs["a"][3] = np.nan
    np.testing.assert_array_equal(raw_features(dataset)["joint"], want["joint"])


def test_a_sample_that_is_not_valid_is_the_mean_and_never_read(rng):
    valid = np.arange(40 * 7).reshape(40, 7) % 5 > 0
    dataset = dataclasses.replace(make(rng), valid={"a": valid})
    want = raw_features(dataset)
    found = want["a"].reshape(40, 7, 2)
    assert not found[~valid].any()
    known = found[valid & (dataset.split == TRAIN)[:, None]]
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(known.std(axis=0), 1, rtol=1e-5)
    dataset.inputs["a"][~valid] = np.nan
    np.testing.assert_array_equal(raw_features(dataset)["joint"], want["joint"])


def test_a_modality_that_no_training_window_has_is_refused(rng):
    with pytest.raises(ValueError, match="'a' is present in no training window"):
        raw_features(make(rng, {"a": np.arange(40) >= 30}))


def test_chance_is_the_most_frequent_training_class():
    np.testing.assert_array_equal(majority(np.array([2, 1, 1, 2, 2, 0]), 3), [2, 2, 2])
    with pytest.raises(ValueError, match="no labelled training windows"):
        majority(np.array([], int), 3)

"""Window statistics of signals whose statistics are known."""

import dataclasses

import numpy as np
import pytest

from mmalign.data.dataset import TEST, TRAIN, Dataset, Description
from mmalign.evaluation import features, filled, window_statistics

RATE = 50.0


def waves(hertz, amplitude=1.0, level=0.0, time=128, channels=1):
    t = np.arange(time) / RATE
    x = level + amplitude * np.sin(2 * np.pi * np.multiply.outer(np.atleast_1d(hertz), t))
    return np.repeat(x[..., None], channels, axis=2)


def dataset(inputs, present=None, rates=None, kind=None, valid=None):
    n = len(next(iter(inputs.values())))
    number = np.arange(n, dtype=np.int32)
    present = {m: np.ones(n, bool) for m in inputs} | (present or {})
    rates = dict.fromkeys(inputs, RATE) if rates is None else rates
    split = np.where(number < n * 2 // 3, TRAIN, TEST).astype(np.int8)
    description = Description("toy", rates, {}, {}, kind=kind or {})
    return Dataset(inputs, present, {"label": number % 2}, number, split, number, number,
                   description, valid or {})  # fmt: skip


def test_moments_and_spectra_are_those_of_the_signal():
    x = waves([5.0, 10.0], amplitude=2.0, level=3.0)
    found = features.statistics_of("series", x, RATE)
    again = features.statistics_of("series", x, 2 * RATE)
    np.testing.assert_allclose(found[:, 0], 3.0, atol=0.1)  # mean
    np.testing.assert_allclose(found[:, 1], 2 / np.sqrt(2), atol=0.05)  # deviation
    np.testing.assert_allclose(found[:, -1], [5.0, 10.0], atol=0.4)  # peak, in hertz
    np.testing.assert_allclose(again[:, -1], [10.0, 20.0], atol=0.8)


def test_a_window_s_features_do_not_depend_on_the_others(rng):
    x = rng.standard_normal((7, 40, 3))
    alone = np.concatenate([features.statistics_of("series", x[i : i + 1], RATE) for i in range(7)])
    np.testing.assert_allclose(features.statistics_of("series", x, RATE), alone, rtol=1e-9)
    assert np.isfinite(features.statistics_of("series", 0 * x, RATE)).all()


def test_correlated_channels_are_told_from_independent_ones(rng):
    x = rng.standard_normal((50, 100, 2))
    together = np.stack([x[..., 0], x[..., 0] + 0.1 * x[..., 1]], axis=2)
    first = [features.statistics_of("series", y, RATE)[:, -3] for y in (x, together)]
    assert np.abs(first[0]).mean() < 0.2 and first[1].min() > 0.9


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("series", (1, 1)), ("series", (2, 3)), ("sequence", (4, 5)), ("vector", (3,)),
     ("image", (8, 9, 3)), ("image", (2, 1, 1))],
)  # fmt: skip
def test_every_kind_and_size_has_finite_features(rng, kind, shape):
    found = features.statistics_of(kind, rng.standard_normal((5, *shape)), RATE)
    assert found.shape[0] == 5 and found.ndim == 2 and found.shape[1] > 0
    assert np.isfinite(found).all()


def test_absent_windows_are_nan_until_they_are_filled_with_the_training_mean(rng):
    present = np.array([True, True, False, True, True, False])
    data = dataset({"acc": rng.standard_normal((6, 64, 3)), "ppg": rng.standard_normal((6, 64, 1))},
                   {"ppg": present})  # fmt: skip
    parts = window_statistics(data)
    assert np.isnan(parts["ppg"][~present]).all() and np.isfinite(parts["ppg"][present]).all()
    assert parts["joint"].shape[1] == parts["acc"].shape[1] + parts["ppg"].shape[1]
    whole = filled(parts, data, data.present)
    mean = parts["ppg"][[0, 1, 3]].mean(axis=0)
    np.testing.assert_allclose(whole["ppg"][[2, 5]], np.stack([mean, mean]), rtol=1e-6)
    np.testing.assert_array_equal(whole["acc"], parts["acc"])
    without = filled(parts, data, {"acc": np.zeros(6, bool), "ppg": np.ones(6, bool)})
    assert np.ptp(without["acc"], axis=0).max() == 0
    np.testing.assert_array_equal(without["ppg"], whole["ppg"])


def test_lost_samples_are_bridged_and_never_read():
    x = waves([5.0, 5.0], level=1.0)
    valid = np.ones((2, 128), bool)
    valid[1, 40:43] = False
    broken = np.where(valid[..., None], x, 1e6)
    found = window_statistics(dataset({"acc": broken}, valid={"acc": valid}))["acc"]
    np.testing.assert_allclose(found[1, :2], found[0, :2], atol=0.1)
    np.testing.assert_allclose(found[1, -1], found[0, -1])
    other = dataset({"acc": np.where(valid[..., None], x, -7.0)}, valid={"acc": valid})
    np.testing.assert_array_equal(found, window_statistics(other)["acc"])


def test_many_windows_are_those_of_few(rng, monkeypatch):
    data = dataset({"acc": rng.standard_normal((11, 32, 2))})
    whole = window_statistics(data)["joint"]
    monkeypatch.setattr(features, "_ROWS", 3)
    np.testing.assert_array_equal(window_statistics(data)["joint"], whole)
    assert len(window_statistics(dataclasses.replace(data))["acc"]) == 11

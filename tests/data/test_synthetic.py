"""The embedded data: what can be read from which sensor, on people not fitted on."""

import numpy as np
import pytest

from mmalign.data import synthetic
from mmalign.data.dataset import TEST, TRAIN


@pytest.fixture(scope="module")
def datasets():
    """Three draws: how well a factor is read depends on the draw of people and directions."""
    return [synthetic.make(subjects=14, windows=80, test_subjects=4, seed=s) for s in range(3)]


@pytest.fixture(scope="module")
def dataset(datasets):
    return datasets[0]


def log_band_power(x, bands=24):
    """[n, time, channels] -> [n, features], on bands that widen with the frequency."""
    power = np.abs(np.fft.rfft(x, axis=1)) ** 2
    edges = np.unique(np.geomspace(2, power.shape[1], bands).round().astype(int))
    return np.log(np.add.reduceat(power, edges[:-1], axis=1)).reshape(len(x), -1)


def samples(x):
    return x.reshape(len(x), -1)


def readable(datasets, sensor, features, factor):
    """R^2 of a readout of `factor` from features of a sensor, mean over the data sets."""
    return np.mean([_r2(d, features(d.inputs[sensor]), factor) for d in datasets])


def _r2(dataset, features, factor, penalty=0.1):
    """Ridge regression fitted on training people, R^2 on the test people."""
    train, test = dataset.split == TRAIN, dataset.split == TEST
    x = (features - features[train].mean(axis=0)) / (features[train].std(axis=0) + 1e-9)
    y = dataset.factors[factor] - dataset.factors[factor][train].mean(axis=0)
    gram = x[train].T @ x[train] + penalty * train.sum() * np.eye(x.shape[1])
    error = y[test] - x[test] @ np.linalg.solve(gram, x[train].T @ y[train])
    total = y[test] - y[test].mean(axis=0)
    return np.mean(1 - (error**2).sum(axis=0) / (total**2).sum(axis=0))


@pytest.mark.parametrize(("sensor", "other"), [("acc", "emg"), ("emg", "acc")])
def test_band_power_of_a_sensor_tells_its_factors_and_nothing_else(datasets, sensor, other):
    told = lambda factor: readable(datasets, sensor, log_band_power, factor)
    assert min(told("shared"), told(f"private_{sensor}")) > 0.5
    assert max(told(f"private_{other}"), told("synergy")) < 0.1


@pytest.mark.parametrize("sensor", ["acc", "emg"])
def test_no_linear_function_of_the_samples_tells_a_factor(datasets, sensor):
    for factor in datasets[0].factors:
        assert readable(datasets[:1], sensor, samples, factor) < 0.1


def test_factors_are_standard_and_apart_from_each_other():
    factors = synthetic.make(subjects=30, windows=80, test_subjects=1, drift=1.0).factors
    columns = np.concatenate(list(factors.values()), axis=1)
    np.testing.assert_allclose(np.cov(columns.T), np.eye(columns.shape[1]), atol=0.12)
    assert set(np.unique(factors["synergy"])) == {-1.0, 1.0}


def test_classes_are_sectors_of_the_shared_plane(dataset):
    one, two = dataset.factors["shared"][:, :2].T
    around = dataset.label[np.argsort(np.arctan2(two, one))]
    assert np.count_nonzero(around != np.roll(around, 1)) == dataset.num_classes
    assert np.bincount(dataset.label).min() > 0.5 * len(dataset) / dataset.num_classes


def test_neighbours_are_alike_as_drift_says():
    for drift, want in ((0.0, 1.0), (0.3, 0.7), (1.0, 0.0)):
        data = synthetic.make(subjects=10, windows=160, test_subjects=1, drift=drift)
        assert data.split[0] == TRAIN
        z = data.factors["shared"]
        inside = data.recording[1:] == data.recording[:-1]
        alike = np.mean((z[1:] * z[:-1])[inside]) / np.mean(z**2)
        assert abs(alike - want) < 0.1
        if drift:
            assert abs(np.mean((z[1:] * z[:-1])[~inside])) < 0.5  # recordings start afresh


def test_the_same_arguments_give_the_same_arrays(datasets):
    dataset, other, _ = datasets
    again = synthetic.make(subjects=14, windows=80, test_subjects=4)
    for name in ("inputs", "factors", "present"):
        for key, value in getattr(dataset, name).items():
            np.testing.assert_array_equal(getattr(again, name)[key], value)
    np.testing.assert_array_equal(again.label, dataset.label)
    assert (other.inputs["acc"] != dataset.inputs["acc"]).mean() > 0.99


def test_arrays_are_what_a_data_set_promises(dataset):
    n = 14 * 80
    assert len(dataset) == n and all(p.all() for p in dataset.present.values())
    times = set()
    for m, x in dataset.inputs.items():
        assert x.dtype == np.float32 and np.isfinite(x).all()
        d = dataset.description
        assert x.shape == (n, round(synthetic.WINDOW_S * d.rate_hz[m]), len(d.channels[m]))
        assert m in d.unit
        times.add(x.shape[1])
    assert len(times) > 1  # nothing may assume one common clock
    for array in (dataset.label, dataset.group, dataset.recording, dataset.position):
        assert array.dtype == np.int32 and array.shape == (n,)
    assert all(f.shape[0] == n and f.dtype == np.float32 for f in dataset.factors.values())
    assert dataset.num_classes == len(dataset.description.class_names) == 6


def test_splits_are_by_subject_and_recordings_never_cut_through_one(dataset):
    train, test = (set(dataset.group[dataset.split == s]) for s in (TRAIN, TEST))
    assert not train & test and (len(train), len(test)) == (10, 4)
    for r in np.unique(dataset.recording):
        rows = np.flatnonzero(dataset.recording == r)
        assert len(set(dataset.group[rows])) == len(set(dataset.split[rows])) == 1
        np.testing.assert_array_equal(np.sort(dataset.position[rows]), np.arange(len(rows)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"test_subjects": 0}, r"test_subjects must be in 1\.\.29, got 0"),
        ({"subjects": 4, "test_subjects": 4}, r"test_subjects must be in 1\.\.3, got 4"),
        ({"windows": 10}, "windows must be a multiple of 4 .*, got 10"),
        ({"windows": 0}, "windows must be a multiple of 4 .*, got 0"),
        ({"classes": 1}, "classes must be 2 or more, got 1"),
        ({"drift": 1.5}, r"drift must be in \[0, 1\], got 1.5"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        synthetic.make(**options)

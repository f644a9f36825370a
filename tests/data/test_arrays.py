"""Windows in .npy files: what is read, what has to be said, what is refused."""

import numpy as np
import pytest

from mmalign.data import catalogue
from mmalign.data.dataset import TEST, TRAIN, VALIDATION, check

N = 12
SENSORS = {"acc": (0, 3), "gyro": (3, 6)}


@pytest.fixture
def arrays(rng):
    """Six channels of two sensors, six people, three classes."""
    return {
        "X": rng.normal(size=(N, 8, 6)),
        "y": np.arange(N) % 3,
        "pid": np.repeat(np.arange(6), 2),
    }


@pytest.fixture
def load(tmp_path):
    """Saves arrays and reads them as a config does: ({name: array}, **options) -> Dataset."""

    def call(arrays, **options):
        for name, x in arrays.items():
            np.save(tmp_path / f"{name}.npy", x)
        given = {"rate_hz": 50, "sensors": SENSORS} | options
        given = {key: value for key, value in given.items() if value is not None}
        return check(catalogue.load({"name": "arrays", "path": str(tmp_path), "options": given}))

    return call


def test_the_channels_of_one_array_are_told_apart_by_sensor(load, arrays):
    data = load(arrays)
    assert data.modalities == ("acc", "gyro")
    np.testing.assert_array_equal(data.inputs["gyro"], arrays["X"][..., 3:].astype(np.float32))
    assert data.description.rate_hz == {"acc": 50.0, "gyro": 50.0}
    np.testing.assert_array_equal(data.label, arrays["y"])
    np.testing.assert_array_equal(data.group, arrays["pid"])
    assert not set(data.group[data.split == TEST]) & set(data.group[data.split == TRAIN])


def test_a_file_for_each_sensor_has_its_own_length_and_rate(load, rng):
    data = load(
        {"acc": rng.normal(size=(N, 8, 3)), "ecg": rng.normal(size=(N, 20, 1)),
         "age": rng.normal(size=(N, 4))},
        sensors=None, rate_hz={"acc": 50, "ecg": 125}, stride_s=0.08,
    )  # fmt: skip
    assert data.description.rate_hz == {"acc": 50.0, "ecg": 125.0}
    assert data.description.stride_s == 0.08
    assert data.kinds == {"acc": "series", "age": "vector", "ecg": "series"}


def test_words_name_people_and_classes_and_nan_is_missing(load, arrays):
    arrays["X"][3, :, :3] = np.nan
    data = load({"X": arrays["X"], "Y": np.array(["walk", "sit", ""] * 4),
                 "pid": np.array(list("aabbccddeeff"))})  # fmt: skip
    assert data.description.class_names == ("sit", "walk") and data.label[:3].tolist() == [1, 0, -1]
    assert np.flatnonzero(~data.present["acc"]).tolist() == [3] and data.present["gyro"].all()
    numbered = load({"Y": np.zeros(N, int)}, class_names=("a", "b", "c"))
    assert numbered.num_classes == 3 and numbered.description.class_names[0] == "a"


def test_names_that_end_in_their_part_are_the_split(load, arrays):
    parts = {
        f"{name}{end}": x[rows]
        for name, x in arrays.items()
        for end, rows in (("_train", np.s_[:6]), ("_val", np.s_[6:8]), ("_test", np.s_[8:]))
    }
    data = load(parts)
    counts = {part: int((data.split == part).sum()) for part in (TRAIN, VALIDATION, TEST)}
    assert counts == {TRAIN: 6, VALIDATION: 2, TEST: 4}
    assert set(data.group[data.split == TEST]) == {4, 5}
    parts["pid_train"] = parts["pid_train"] + 4
    with pytest.raises(ValueError, match="'split' cuts through group"):
        load(parts)


def test_one_part_alone_is_split(load, arrays):
    data = load({f"{name}_train": x for name, x in arrays.items()})
    assert set(data.split) == {TRAIN, TEST}


@pytest.mark.parametrize("dtype", [float, "datetime64[s]"])
def test_time_orders_the_windows_of_a_recording_and_tells_of_gaps(load, arrays, dtype):
    times = np.array([5, 0, 10, 40, 45, 50] * 2)
    data = load(arrays | {"pid": np.repeat([0, 1], 6), "time": times.astype(dtype)})
    assert data.position.tolist() == [1, 0, 2, 4, 5, 6] * 2


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        ({}, {"rate_hz": None}, "no .npy file tells its rate, and that of 'acc' is not given"),
        ({}, {"rate_hz": {"acc": 50}}, "that of 'gyro' is not given.*rate_hz.gyro=50"),
        ({}, {"rate_hz": {"ecg": 50}}, "no sensor of options.rate_hz is called 'ecg'; there"),
        ({}, {"rate_hz": 0}, "X.npy: 'rate_hz_acc' must be one positive number, got 0"),
        ({}, {"sensors": None}, r"X.npy is \[12, 8, 6\]: say which .*options.sensors.acc="),
        ({}, {"sensors": {"acc": (0, 3)}}, "needs two sensors or more, got acc"),
        ({}, {"sensors": {"acc": (0, 3), "gyro": (3, 7)}}, r"of the 6 of .*X.npy, got \(3, 7\)"),
        ({}, {"sensors": {"acc": 3}}, "sensors.acc must be two whole numbers.*, got 3"),
        ({}, {"sensors": 3}, "options.sensors is said for each sensor.*, got 3"),
        ({"y": np.zeros(9, int)}, {}, r"y.npy: 'label' must be \[12\].*got \(9,\)"),
        ({"y": np.full(N, 5)}, {"class_names": ("a", "b")}, "y.npy: 'label' 5 in window 0 is out"),
        ({"pid": np.zeros(N)}, {}, r"pid.npy: 'group' must be integers, got float64"),
        ({"ecg": np.ones((9, 8, 1))}, {}, "unequal numbers of windows, {.*'ecg': 9"),
        ({"subject": np.zeros(N, int)}, {}, r"subject.npy must be .* \(did you mean 'pid'\?\)"),
        ({"time": np.zeros(9)}, {}, r"time.npy must be \[12\] numbers or dates"),
        ({"time": np.full(N, np.nan)}, {}, "time.npy: the time of window 0 is not known"),
        ({"X_train": np.ones((N, 8, 6))}, {}, "files that end in _train, and X.npy, .* without"),
        ({"X": np.array([object()] * N)}, {}, "X.npy .* cannot be read as an array"),
    ],
)  # fmt: skip
def test_what_does_not_fit_names_the_file_and_what_would_do(load, arrays, change, options, match):
    with pytest.raises(ValueError, match=match):
        load(arrays | change, **options)


def test_sensors_of_an_array_that_is_not_there_are_refused(load, rng):
    with pytest.raises(ValueError, match=r"options.sensors is of .*X\.npy, which is not there"):
        load({"acc": rng.normal(size=(N, 8, 3)), "gyro": rng.normal(size=(N, 8, 3))})


def test_a_folder_without_arrays_and_a_file_cut_off_are_named(load, arrays, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no \.npy file"):
        load({})
    np.save(tmp_path / "X.npy", arrays["X"])
    (tmp_path / "X.npy").write_bytes((tmp_path / "X.npy").read_bytes()[:-64])
    with pytest.raises(ValueError, match=r"X\.npy \(4,672 bytes\) cannot be read"):
        load({})

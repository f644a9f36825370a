"""EMG and IMU of Italian Sign Language, from a small zip in its layout and from the published."""

import json
import pathlib
import zipfile

import numpy as np
import pytest

from mmalign.data import catalogue, emg_imu_lis
from mmalign.data.dataset import TEST, TRAIN

REAL = pathlib.Path(__file__).parents[3] / "shared" / "data" / "emg_imu_lis"
MARKER = emg_imu_lis.ORIGIN.marker
JUNE, JULY = "26/06/20/22:28:12", "09/07/20/10:03:19"


def gesture(timestamp, first):
    """EMG counts on from `first`; gyro, acceleration and orientation are 1000, 2000, 3000 more."""
    emg = first + np.arange(400 * 8).reshape(400, 8)
    keys = {"gyroscope": 3, "acceleration": 3, "orientation": 4}
    imu = [
        {key: [1000.0 * (k + 1) + first + i] * n for k, (key, n) in enumerate(keys.items())}
        for i in range(400)
    ]
    return {
        "timestamp": timestamp,
        "duration": 2000,
        "emg": {"frequency": 200, "data": emg.tolist()},
        "imu": {"frequency": 200, "data": imu},
    }


@pytest.fixture
def files():
    """{path: gesture} of two letters, two in June and one in July of each."""
    days = {"A": [(MARKER, JUNE), ("x", JULY), ("y", JUNE)]} | {
        "C": [("1", JULY), ("2", "27/06/20/09:00:00"), ("3", JUNE)]
    }
    return {
        name if name == MARKER else f"Dataset/{letter}/{name}.json": gesture(day, 7 * i)
        for letter, gestures in days.items()
        for i, (name, day) in enumerate(gestures)
    }


@pytest.fixture
def load(tmp_path):
    def call(files, **options):
        with zipfile.ZipFile(tmp_path / "emg-imu-lis-dataset.zip", "w") as zipped:
            for path, content in files.items():
                text = content if isinstance(content, str) else json.dumps(content)
                zipped.writestr(path, text)
            zipped.writestr("readme.md", "about")
        config = {"name": "emg_imu_lis", "dir": tmp_path, "cache_dir": tmp_path / "cache"}
        return catalogue.load({**config, "options": options})

    return call


def test_small_zip_reads_as_written(load, files):
    data = load(files)
    shapes = {m: x.shape for m, x in data.inputs.items()}
    assert shapes == {m: (6, 400, n) for m, n in zip(emg_imu_lis.STREAMS, (8, 3, 3, 4))}
    # training first, by letter and name: the marker, A/y, C/2, C/3; then A/x, C/1
    np.testing.assert_array_equal(data.label, [0, 0, 2, 2, 0, 2])
    np.testing.assert_array_equal(data.split, [TRAIN] * 4 + [TEST] * 2)
    np.testing.assert_array_equal(data.group, [-1] * 6)
    assert len(set(data.recording.tolist())) == 6 and not data.position.any()
    stored = files["Dataset/C/1.json"]
    np.testing.assert_array_equal(data.inputs["emg"][5], stored["emg"]["data"])
    first = stored["emg"]["data"][0][0]
    for m, base in (("gyro", 1000), ("acc", 2000), ("orientation", 3000)):
        np.testing.assert_array_equal(data.inputs[m][5, :, 0], base + first + np.arange(400))
    assert data.description.class_names[2] == "C" and data.num_classes == 26
    assert set(data.description.rate_hz.values()) == {200.0}


def test_missing_numbers_make_the_stream_absent(load, files):
    files["Dataset/C/3.json"]["imu"]["data"][7]["gyroscope"] = [1.0, float("nan"), 2.0]
    data = load(files)
    np.testing.assert_array_equal(data.present["gyro"], [True, True, True, False, True, True])
    assert not data.inputs["gyro"][3].any() and data.present["acc"].all()
    assert data.valid == {}


def test_missing_numbers_can_leave_the_rest_of_a_gesture(load, files):
    files["Dataset/C/3.json"]["imu"]["data"][7]["gyroscope"] = [1.0, float("nan"), 2.0]
    data = load(files, most_lost=0.01)
    assert data.present["gyro"].all() and [*data.valid] == ["gyro"]
    np.testing.assert_array_equal(np.argwhere(~data.valid["gyro"]), [[3, 7]])
    want = np.delete(data.inputs["gyro"][3], 7, axis=0)[:, 0]
    np.testing.assert_array_equal(want, np.delete(np.arange(400) + 1014.0, 7))


def test_second_load_reads_the_cache_and_other_files_do_not(load, files, monkeypatch):
    first = load(files)
    with monkeypatch.context() as patch:
        patch.setattr(emg_imu_lis, "read", lambda archive, most_lost: pytest.fail("read again"))
        second = load(files)
    for m in first.modalities:
        np.testing.assert_array_equal(first.inputs[m], second.inputs[m])
    del files["Dataset/A/y.json"]
    assert len(load(files)) == 5


def change(path, value):
    """Sets the item at a path of keys, or takes it away."""

    def apply(stored):
        *keys, last = path
        for key in keys:
            stored = stored[key]
        if value is None:
            del stored[last]
        else:
            stored[last] = value

    return apply


REFUSED = {
    "no emg": (change(["emg"], None), "C/3.json is not a gesture.*KeyError"),
    "no axis": (change(["imu", "data", 3, "gyroscope"], None), "C/3.json is not a gesture"),
    "ragged": (change(["emg", "data", 3], [1, 2]), "C/3.json is not a gesture"),
    "words": (change(["emg", "data", 3, 0], "one"), "C/3.json is not a gesture"),
    "date": (change(["timestamp"], "today"), "C/3.json is not a gesture.*today"),
    "short": (change(["emg", "data", 399], None), r"C/3.json must hold.*'emg': \(399, 8\)"),
    "rate": (change(["imu", "frequency"], 50), r"at 200 Hz, got .* at \(200, 50\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused_by_name(load, files, case):
    apply, message = REFUSED[case]
    apply(files["Dataset/C/3.json"])
    with pytest.raises(ValueError, match=message) as error:
        load(files)
    assert "emg-imu-lis-dataset.zip" in str(error.value)


def test_half_a_file_is_refused_by_name(load, files):
    files["Dataset/C/3.json"] = json.dumps(files["Dataset/C/3.json"])[:-9]
    with pytest.raises(ValueError, match=r"C/3.json is not a gesture.*JSONDecodeError"):
        load(files)


def test_sessions_are_needed_for_a_split(load, files):
    with pytest.raises(ValueError, match="gestures of one day only, 2020-06-26"):
        load({name: stored | {"timestamp": JUNE} for name, stored in files.items()})


def test_other_and_truncated_zips_are_refused(tmp_path, load, files):
    load(files)
    zipped = tmp_path / "emg-imu-lis-dataset.zip"
    zipped.write_bytes(zipped.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"not a whole zip.*airtlab/An-EMG-and-IMU-Dataset"):
        emg_imu_lis.load(dir=tmp_path, cache_dir=tmp_path / "cache")
    del files[MARKER]
    with pytest.raises(ValueError, match=r"something else: no Dataset/A/015c05a7"):
        load(files)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the public zip is not in {REAL}")
def test_published_set_is_whole(tmp_path):
    data = emg_imu_lis.load(dir=REAL, cache_dir=tmp_path)
    np.testing.assert_array_equal(np.bincount(data.label[data.split == TRAIN]), [27] * 26)
    np.testing.assert_array_equal(np.bincount(data.label[data.split == TEST]), [3] * 26)
    for m, x in data.inputs.items():
        assert x.shape[:2] == (780, 400) and np.isfinite(x).all() and data.present[m].all()
    assert data.inputs["emg"].min() == -128 and data.inputs["emg"].max() == 127
    gravity = np.linalg.norm(data.inputs["acc"], axis=-1)
    assert abs(np.median(gravity) - 1) < 0.05
    length = np.linalg.norm(data.inputs["orientation"], axis=-1)
    np.testing.assert_allclose(length, 1, atol=0.01)

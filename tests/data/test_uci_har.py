"""UCI HAR, from a small zip in its layout and from the published one."""

import pathlib
import socket
import zipfile

import numpy as np
import pytest

from mmalign.data import uci_har
from mmalign.data.dataset import TEST, TRAIN

REAL = pathlib.Path(__file__).parents[3] / "shared" / "data" / "uci_har"
LABELS = "1 WALKING\n2 SITTING\n3 LAYING\n"
# (subject, label, windows) of each recording, in file order
RUNS = {"train": [(1, 1, 4), (1, 2, 3), (1, 2, 2), (3, 2, 3)], "test": [(2, 3, 5), (2, 1, 2)]}


@pytest.fixture
def files(rng):
    """{path: text} of a small data set; windows of a run overlap by half."""
    files = {"activity_labels.txt": LABELS}
    for split, recordings in RUNS.items():
        counts = [n for _, _, n in recordings]
        for column, name in enumerate(("subject", "y")):
            values = np.repeat([recording[column] for recording in recordings], counts)
            files[f"{split}/{name}_{split}.txt"] = "\n".join(map(str, values)) + "\n"
        for signal in ("total_acc", "body_gyro", "body_acc"):
            for axis in "xyz":
                series = [rng.normal(size=64 * (n + 1)) for n in counts]
                rows = [s[64 * i : 64 * i + 128] for s, n in zip(series, counts) for i in range(n)]
                text = "\n".join(" ".join(f"{v: .7e}" for v in row) for row in rows)
                files[f"{split}/Inertial Signals/{signal}_{axis}_{split}.txt"] = text + "\n"
    return files


@pytest.fixture
def load(tmp_path):
    def call(files, name="UCI HAR Dataset.zip", **options):
        with zipfile.ZipFile(tmp_path / name, "w") as zipped:
            for path, text in files.items():
                zipped.writestr(f"UCI HAR Dataset/{path}", text)
        return uci_har.load(dir=tmp_path, cache_dir=tmp_path / "cache", **options)

    return call


def test_small_zip_reads_as_written(load, files):
    data = load(files)
    assert data.modalities == ("acc", "gyro")
    assert data.inputs["acc"].shape == data.inputs["gyro"].shape == (19, 128, 3)
    for m, name in uci_har.SIGNALS.items():
        text = files[f"test/Inertial Signals/{name}_y_test.txt"]
        want = np.array([line.split() for line in text.splitlines()], np.float32)
        np.testing.assert_array_equal(data.inputs[m][12:, :, 1], want)
    np.testing.assert_array_equal(data.split, np.repeat([TRAIN, TEST], [12, 7]))
    np.testing.assert_array_equal(data.label, np.repeat([0, 1, 2, 0], [4, 8, 5, 2]))
    np.testing.assert_array_equal(data.group, np.repeat([1, 3, 2], [9, 3, 7]))
    # the third run has the person and the label of the second: only the samples tell
    np.testing.assert_array_equal(data.recording, np.repeat(np.arange(6), [4, 3, 2, 3, 5, 2]))
    np.testing.assert_array_equal(
        data.position, np.concatenate([np.arange(n) for n in (4, 3, 2, 3, 5, 2)])
    )
    assert data.description.class_names == ("WALKING", "SITTING", "LAYING")
    assert data.description.stride_s == 1.28


def test_acceleration_comes_in_two_parts_if_wanted(load, files):
    total, parts = load(files), load(files, gravity=True)
    assert set(parts.modalities) == {"gravity", "gyro", "movement"}
    np.testing.assert_allclose(
        parts.inputs["movement"] + parts.inputs["gravity"], total.inputs["acc"], atol=1e-6
    )
    text = files["train/Inertial Signals/body_acc_x_train.txt"].splitlines()[0].split()
    np.testing.assert_array_equal(parts.inputs["movement"][0, :, 0], np.array(text, np.float32))
    for column in ("recording", "position", "label", "group"):
        np.testing.assert_array_equal(getattr(parts, column), getattr(total, column))
    assert parts.description.unit == {"movement": "g", "gravity": "g", "gyro": "rad/s"}


def test_second_load_reads_the_cache_and_other_files_do_not(load, files, monkeypatch):
    first = load(files)
    with monkeypatch.context() as patch:
        patch.setattr(uci_har, "read", lambda *args, **more: pytest.fail("read again"))
        second = load(files)
    for m in first.modalities:
        np.testing.assert_array_equal(first.inputs[m], second.inputs[m])
    np.testing.assert_array_equal(first.recording, second.recording)
    files["train/y_train.txt"] = files["train/y_train.txt"].replace("2", "3")
    assert set(load(files).label[:12]) == {0, 2}


def test_no_network_is_asked_where_a_folder_is_given(load, files, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("network")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load(files)


TRAIN_X = "train/Inertial Signals/total_acc_x_train.txt"
REFUSED = {
    "missing file": (TRAIN_X, lambda text: None, "holds no train/Inertial Signals/total_acc_x"),
    "words": (TRAIN_X, lambda text: text.replace("e", "?", 1), "total_acc_x_train.txt is not a ta"),
    "not finite": (TRAIN_X, lambda text: "nan" + text[text.index("e") + 4 :], "1 of them not fini"),
    "rows": (TRAIN_X, lambda text: text[text.index("\n") + 1 :], "12 rows of 128.*got 11 rows"),
    "columns": (
        TRAIN_X,
        lambda text: "\n".join(line.rsplit(" ", 1)[0] for line in text.splitlines()),
        "12 rows of 128.*got 12 rows of 127",
    ),
    "label": ("test/y_test.txt", lambda text: text.replace("1", "4"), "label 4 in test/y_te.*1..3"),
    "subjects": ("test/subject_test.txt", lambda text: text[2:], "7 rows of 1.*got 6 rows"),
    "classes": ("activity_labels.txt", lambda text: text[12:], "must number its classes 1, 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused_by_name(load, files, refuses_by_name, case):
    refuses_by_name(load, files, REFUSED[case], "UCI HAR Dataset.zip")


def test_truncated_zip_is_refused(load, files, refuses_a_truncated_zip):
    load(files)
    refuses_a_truncated_zip(uci_har, "UCI HAR Dataset.zip", "archive.ics.uci.edu/dataset/240")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the public zip is not in {REAL}")
def test_published_set_has_its_published_counts(tmp_path):
    data = uci_har.load(dir=REAL, cache_dir=tmp_path)
    train, test = data.split == TRAIN, data.split == TEST
    assert (train.sum(), test.sum()) == (7352, 2947)
    np.testing.assert_array_equal(
        np.bincount(data.label[train]), [1226, 1073, 986, 1286, 1374, 1407]
    )
    np.testing.assert_array_equal(np.bincount(data.label[test]), [496, 471, 420, 491, 532, 537])
    people = [set(data.group[side].tolist()) for side in (train, test)]
    assert [len(side) for side in people] == [21, 9]
    assert people[0] | people[1] == set(range(1, 31))
    assert data.description.class_names[0] == "WALKING"
    for x in data.inputs.values():
        assert x.shape == (10299, 128, 3) and np.isfinite(x).all()
    # gravity is 1 g
    assert abs(np.linalg.norm(data.inputs["acc"].mean(axis=1), axis=-1).mean() - 1) < 0.05
    # neighbours share half of their samples, in both modalities
    follows = np.flatnonzero(np.diff(data.recording) == 0)
    assert len(follows) > 9000
    for x in data.inputs.values():
        np.testing.assert_array_equal(x[follows, 64:], x[follows + 1, :64])

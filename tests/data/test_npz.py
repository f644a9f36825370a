"""The user's own windows: what is read, what is filled in, what is refused."""

import numpy as np
import pytest

from mmalign.data import npz
from mmalign.data.dataset import TEST, TRAIN, VALIDATION, check

N = 12


@pytest.fixture
def windows(rng):
    """Two modalities of different rate and length, six people, three classes."""
    return {
        "acc": rng.normal(size=(N, 8, 3)).astype(np.float32),
        "ecg": rng.normal(size=(N, 20, 1)),
        "rate_hz_acc": 50.0,
        "rate_hz_ecg": 1.0,
        "label": np.arange(N) % 3,
        "group": np.repeat(np.arange(6), 2),
    }


def rows(windows, some):
    """Some of the windows; rates are of all."""
    return {key: x if key.startswith("rate_hz") else x[some] for key, x in windows.items()}


def without_rate(windows, change):
    """The arrays with those that change; an array of another kind than a series has no rate."""
    series = lambda x: np.ndim(x) == 3 and "kind_acc" not in change
    return {
        key: x for key, x in (windows | change).items()
        if key != "rate_hz_acc" or key in change or series(change.get("acc", windows["acc"]))
    }  # fmt: skip


def test_what_a_system_leaves_in_a_folder_is_no_data(tmp_path, windows):
    np.savez(tmp_path / "b.npz", **windows)
    (tmp_path / "._b.npz").write_bytes(b"resource fork of a Mac")
    (tmp_path / ".x.npz").touch()
    (tmp_path / "a.npz").mkdir()
    assert len(npz.load(tmp_path)) == N
    with pytest.raises(FileNotFoundError, match=r"holds no \.npz file"):
        npz.load(tmp_path / "a.npz")


def test_a_label_out_of_range_names_its_file(tmp_path, windows):
    for name, label in (("a", 0), ("b", 24), ("c", 1)):
        np.savez(tmp_path / f"{name}.npz", **windows | {"label": np.full(N, label)})
    assert npz.load(tmp_path).num_classes == 25
    np.savez(tmp_path / "b.npz", **windows | {"label": np.full(N, 36)})
    with pytest.raises(ValueError, match=r"b.npz: 'label' 36 is out of range.*36 windows"):
        npz.load(tmp_path)


@pytest.fixture
def load(tmp_path):
    """Saves the arrays and loads them as a user would."""

    def call(arrays, **options):
        np.savez(tmp_path / "mine.npz", **arrays)
        return npz.load(tmp_path / "mine.npz", **options)

    return call


def test_arrays_come_back_as_saved(load, windows):
    extra = {"split": np.repeat([0, 1], 6), "rate_hz_acc": 50, "class_names": ["a", "b", "c"]}
    data = load(windows | extra)
    assert data.modalities == ("acc", "ecg")
    np.testing.assert_array_equal(data.inputs["acc"], windows["acc"])
    np.testing.assert_array_equal(data.inputs["ecg"], windows["ecg"].astype(np.float32))
    np.testing.assert_array_equal(data.label, windows["label"])
    np.testing.assert_array_equal(data.group, windows["group"])
    np.testing.assert_array_equal(data.split, extra["split"])
    assert all(data.present[m].all() for m in data.modalities)
    assert data.description.rate_hz == {"acc": 50.0, "ecg": 1.0}
    assert data.description.class_names == ("a", "b", "c") and data.description.stride_s is None
    assert load(windows | extra, stride_s=0.5).description.stride_s == 0.5
    with pytest.raises(ValueError, match=r"options.stride_s must be positive, in seconds, got 0"):
        load(windows | extra, stride_s=0)
    assert (data.label.dtype, data.split.dtype, data.group.dtype) == (np.int32, np.int8, np.int32)


def test_labels_in_words_are_numbered_as_they_are_named_or_as_sorted(load, windows):
    words = np.array(["sit", "run", "", "lie"])[np.arange(N) % 4]
    data = load(windows | {"label": words})
    assert data.description.class_names == ("lie", "run", "sit") and data.num_classes == 3
    np.testing.assert_array_equal(data.label[:4], [2, 1, -1, 0])
    data = load(windows | {"label": words, "class_names": ["sit", "lie", "run", "fly"]})
    np.testing.assert_array_equal(data.label[:4], [0, 2, -1, 1])
    assert data.description.class_names == ("sit", "lie", "run", "fly")


def test_windows_of_nan_are_absent_and_zero(load, windows):
    windows["ecg"][[2, 7]] = np.nan
    data = load(windows)
    np.testing.assert_array_equal(np.flatnonzero(~data.present["ecg"]), [2, 7])
    assert data.present["acc"].all()
    np.testing.assert_array_equal(data.inputs["ecg"][[2, 7]], 0)


def test_series_with_nan_inside_are_used_where_they_are_valid(load, windows):
    windows["acc"][3, 2:4] = np.nan
    windows["acc"][5, 7, 1] = np.nan  # one channel loses the sample
    windows["acc"][8] = np.nan
    data = load(windows)
    assert [*data.valid] == ["acc"]  # the ecg has no gap
    want = np.ones((N, 8), bool)
    want[3, 2:4] = want[5, 7] = want[8] = False
    np.testing.assert_array_equal(data.valid["acc"], want)
    np.testing.assert_array_equal(np.flatnonzero(~data.present["acc"]), [8])
    np.testing.assert_array_equal(data.inputs["acc"], np.where(want[:, :, None], windows["acc"], 0))


def test_an_array_is_of_the_kind_that_its_rank_or_its_file_says(load, windows, rng):
    windows["face"] = rng.integers(0, 256, (N, 4, 5, 3), np.uint8)
    windows["age"] = rng.normal(size=(N, 6))
    windows["words"] = rng.normal(size=(N, 7, 2))
    windows["age"][4] = windows["words"][6] = np.nan
    data = load(windows | {"kind_words": "sequence", "kind_ecg": "series", "rate_hz_acc": 50})
    assert data.kinds == {
        "acc": "series", "ecg": "series", "face": "image", "age": "vector", "words": "sequence"
    }  # fmt: skip
    assert data.description.rate_hz == {"acc": 50.0, "ecg": 1.0}  # of series alone
    for m, kept in (("face", slice(None)), ("age", [0, 5]), ("words", [0, 5])):
        assert data.inputs[m].dtype == np.float32
        np.testing.assert_array_equal(data.inputs[m][kept], windows[m][kept].astype(np.float32))
    assert not data.present["age"][4] and not data.present["words"][6]
    assert not data.inputs["age"][4].any() and data.valid == {}
    assert (
        len(data.description.channels["face"]) == 3 and len(data.description.channels["age"]) == 6
    )
    check(data)


def test_targets_are_of_the_kind_that_their_type_says(load, windows, rng):
    extra = {
        "target_mood": rng.integers(-1, 4, N),
        "target_age": rng.normal(size=N),
        "target_place": np.where(rng.random((N, 2)) < 0.3, np.nan, 1.5).astype(np.float32),
        "target_tags": rng.random((N, 5)) < 0.5,
        "target_marks": rng.integers(-1, 2, (N, 2)).astype(np.int8),
    }
    data = load(windows | extra)
    assert [*data.targets] == ["label", "mood", "age", "place", "tags", "marks"]
    kinds = {task: (t.kind, t.size) for task, t in data.tasks.items()}
    assert kinds == {
        "label": ("classes", 3), "mood": ("classes", extra["target_mood"].max() + 1),
        "age": ("real", 1), "place": ("real", 2), "tags": ("multi_hot", 5),
        "marks": ("multi_hot", 2),
    }  # fmt: skip
    types = {"classes": np.int32, "real": np.float32, "multi_hot": np.int8}
    for task, (kind, _) in kinds.items():
        assert data.targets[task].dtype == types[kind]
        if task != "label":
            want = extra[f"target_{task}"].astype(types[kind])
            np.testing.assert_array_equal(data.targets[task], want)
    check(data)


def test_without_a_label_nothing_is_labelled(load, windows):
    del windows["label"]
    data = load(windows)
    assert data.targets == {} and data.num_classes == 0 and (data.label == -1).all()


def test_windows_can_be_kept_for_validation(load, windows):
    for split in (np.repeat([0, 2, 1], 4), np.repeat(["train", "validation", "test"], 4)):
        data = load(windows | {"split": split})
        np.testing.assert_array_equal(data.split, np.repeat([TRAIN, VALIDATION, TEST], 4))


def test_absent_windows_may_hold_anything(load, windows):
    windows["acc"][3, 2:] = np.nan
    windows["acc"][4] = np.inf
    data = load(windows | {"present_acc": ~np.isin(np.arange(N), (3, 4))})
    np.testing.assert_array_equal(np.flatnonzero(~data.present["acc"]), [3, 4])
    np.testing.assert_array_equal(data.inputs["acc"][3:5], 0)


def test_people_given_as_strings_and_splits_given_as_words(load, windows):
    windows["group"] = np.repeat(["bo", "al", "cy"], 4)
    windows["split"] = np.repeat(["train", "test", "train"], 4)
    data = load(windows)
    np.testing.assert_array_equal(data.group, np.repeat([1, 0, 2], 4))
    np.testing.assert_array_equal(data.split, np.repeat([TRAIN, TEST, TRAIN], 4))


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.99])
def test_default_split_holds_people_out(load, windows, fraction):
    data = load(windows, test_fraction=fraction)
    test = set(data.group[data.split == TEST])
    assert test and not test & set(data.group[data.split == TRAIN])
    assert len(test) == min(5, max(1, round(6 * fraction)))
    again = load(windows, test_fraction=fraction)
    np.testing.assert_array_equal(data.split, again.split)


def test_people_nobody_knows_stay_in_training(load, windows):
    windows["group"][:4] = -1
    assert (load(windows, test_fraction=0.9).split[:4] == TRAIN).all()


def test_without_people_recordings_are_held_out(load, windows):
    del windows["group"]
    data = load(windows | {"recording": np.repeat([5, 7, 9], 4)})
    np.testing.assert_array_equal(data.recording, np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(data.position, np.tile(np.arange(4), 3))
    assert all(len(set(data.split[data.recording == r])) == 1 for r in range(3))


def test_with_neither_windows_are_held_out(load, windows):
    del windows["group"]
    data = load(windows)
    assert (data.split == TEST).sum() == 3
    assert (data.group == -1).all()
    np.testing.assert_array_equal(data.position, np.arange(N))


def test_recordings_are_the_windows_of_one_person_in_one_file(load, windows):
    windows["group"] = np.array([1, 0] * 6)
    data = load(windows)
    np.testing.assert_array_equal(data.recording, windows["group"])
    np.testing.assert_array_equal(data.position, np.arange(N) // 2)


def test_folder_has_gaps_and_targets_where_its_files_have_them(tmp_path, windows):
    windows["target_place"] = np.arange(2.0 * N).reshape(N, 2)
    np.savez(tmp_path / "a.npz", **rows(windows, slice(8)))
    windows["ecg"][9, 3] = np.nan
    np.savez(tmp_path / "b.npz", **rows(windows, slice(8, None)))
    data = npz.load(tmp_path)
    np.testing.assert_array_equal(np.argwhere(~data.valid["ecg"]), [[9, 3]])
    np.testing.assert_array_equal(data.targets["place"], windows["target_place"])


def test_folder_is_its_files_in_order(tmp_path, windows):
    np.savez(tmp_path / "b.npz", **rows(windows, slice(8, None)))
    np.savez(tmp_path / "a.npz", **rows(windows, slice(8)))
    data = npz.load(tmp_path)
    np.testing.assert_array_equal(data.inputs["acc"], windows["acc"])
    np.testing.assert_array_equal(data.group, windows["group"])
    np.testing.assert_array_equal(data.recording, windows["group"])
    del windows["group"]
    np.savez(tmp_path / "b.npz", **rows(windows, slice(8, None)))
    np.savez(tmp_path / "a.npz", **rows(windows, slice(8)))
    np.testing.assert_array_equal(npz.load(tmp_path).recording, np.repeat([0, 1], [8, 4]))


NOT_FINITE = np.where(np.arange(N * 24).reshape(N, 8, 3) == 5 * 24 + 7, np.nan, 1.0)
REFUSED = {
    "part of an image": (
        {"acc": NOT_FINITE.reshape(N, 4, 2, 3)},
        "'acc' has NaN in window 5.*present_acc",
    ),
    "part of a vector": (
        {"acc": NOT_FINITE.reshape(N, 24)},
        "'acc' has NaN in window 5.*present_acc",
    ),
    "part of a sequence": (
        {"acc": NOT_FINITE, "kind_acc": "sequence"},
        "'acc' has NaN in window 5.*present_acc",
    ),
    "no sample": (
        {"acc": np.where(np.arange(3) == 1, np.nan, np.ones((N, 8, 3)))},
        "'acc' has NaN in every sample of window 0 .12 such",
    ),
    "nan where present": (
        {"acc": np.full((N, 8, 3), np.nan), "present_acc": np.ones(N, bool)},
        "'acc' has NaN in every sample of window 0 .12 such",
    ),
    "infinite": ({"acc": np.where(np.isnan(NOT_FINITE), np.inf, 1)}, "infinite values in window 5"),
    "unequal": (
        {"acc": np.ones((N - 1, 8, 3))},
        "unequal numbers of windows.*'acc': 11.*'ecg': 12",
    ),
    "flat series": (
        {"ecg": np.ones((N, 20)), "rate_hz_ecg": 50},
        r"'rate_hz_ecg' belongs to a series, \[n, time, channels\].*vector.*ecg\[:, :, None\]",
    ),
    "flat by name": (
        {"ecg": np.ones((N, 20)), "kind_ecg": "series"},
        r"'ecg' must be \[n, time, channels\].*'kind_ecg'.*ecg\[:, :, None\]",
    ),
    "kind": ({"kind_ecg": "video"}, "'kind_ecg' must be one of series, image, .* got 'video'"),
    "rank": ({"kind_ecg": "image"}, r"'ecg' must be \[n, height, .*got \(12, 20, 1\)"),
    "nobody's kind": ({"kind_gyro": "series"}, "'kind_gyro' belongs to no modality"),
    "five axes": ({"ecg": np.ones((N, 2, 2, 2, 2))}, "'ecg' must be one of .n, features.*image"),
    "no channel": ({"ecg": np.ones((N, 20, 0))}, r"no axis 0, got \(12, 20, 0\)"),
    "other key": ({"subject": np.arange(N)}, "'subject' must be.*no modality: label, group"),
    "meant label": ({"labels": np.ones((N, 1), int)}, r"'labels' must be.*did you mean 'label'\?"),
    "meant group": ({"subjects": np.arange(N)}, r"'subjects' must be.*did you mean 'group'\?"),
    "meant answer": ({"y": np.arange(N)}, r"'y' must be.*got \(12,\) .did you mean 'label'\?"),
    "meant rate": ({"rate_ecg": 50.0}, r"'rate_ecg' must be.*did you mean 'rate_hz_ecg'\?"),
    "meant kind": ({"kind_of_ecg": "image"}, r"'kind_of_ecg' belongs to no modality"),
    "strings": ({"acc": np.full((N, 8, 3), "x")}, "'acc' must be real numbers, got <U1"),
    "complex": ({"acc": np.ones((N, 8, 3), complex)}, "real numbers, got complex128"),
    "presence": ({"present_acc": np.ones(N - 1, bool)}, "'present_acc' must be bool .12."),
    "presence values": ({"present_acc": np.full(N, 2)}, "'present_acc' must be bool"),
    "nobody's presence": ({"present_gyro": np.ones(N, bool)}, "'present_gyro' belongs to no modal"),
    "nobody's rate": ({"rate_hz_gyro": 5}, "'rate_hz_gyro' belongs to no modality"),
    "no rate": (
        {"mag": np.ones((N, 8, 3))},
        r"'mag' is a series \(12, 8, 3\) and has no rate: add 'rate_hz_mag'.*kind_mag='sequence'",
    ),
    "rate": ({"rate_hz_acc": -5.0}, "'rate_hz_acc' must be one positive number, got -5.0"),
    "fast rate": ({"rate_hz_acc": 1e300}, "one positive number, got 1e.300: .*1e-09 to 1e.09"),
    "no rate at all": (
        {"rate_hz_acc": np.nan},
        "'rate_hz_acc' must be one positive number, got na",
    ),
    "tiny": (
        {"acc": np.full((N, 8, 3), 1e-42)},
        "channel 0 of modality 'acc' has values up to 1e-42.*take another unit",
    ),
    "huge": ({"acc": np.full((N, 8, 3), -1e30)}, "'acc' has values up to 1e.30.*1e-18 to 1e.18"),
    "rates": ({"rate_hz_acc": [5, 5]}, "'rate_hz_acc' must be one positive number"),
    "label size": ({"label": np.zeros(N - 1, int)}, r"'label' must be \[12\].*got \(11,\)"),
    "label type": ({"label": np.zeros(N)}, "'label' must be integers, got float64"),
    "person in parts": ({"group": np.arange(N) / 2}, "'group' must be.* and 0.5 in window 1"),
    "person unknown": ({"group": np.full(N, np.nan)}, "'group' must be.* and nan in window 0"),
    "whole floats": (
        {"group": np.ones(N)},
        r"'group' must be integers.* save it as .astype\(int\)",
    ),
    "surrogate": (
        {"class_names": ["sit", "lie", "ru\ud800"]},
        "entry 2 of 'class_names' is no text that can be shown.*0xd800",
    ),
    "bytes": ({"label": np.full(N, b"\xe9")}, "entry 0 of 'label' is no text.*0xe9"),
    "control": ({"label": np.full(N, "a\nb")}, "entry 0 of 'label' is no text.*0xa"),
    "names of numbers": ({"class_names": np.arange(3)}, "'class_names' must be strings, got int64"),
    "name twice": ({"class_names": ["a", "b", "a"]}, "'class_names' has 'a' twice"),
    "label word": (
        {"label": np.full(N, "sit"), "class_names": ["run", "lie"]},
        "'label' 'sit' in window 0 is none of 'class_names': run, lie",
    ),
    "position text": ({"position": np.full(N, "a")}, "'position' must be integers.*return_inverse"),
    "label below": ({"label": np.arange(N) - 3}, "'label' must be in -1.*got -3 in window 0"),
    "label above": ({"class_names": ["a", "b"]}, "'label' 2 in window 2 .*names 2 classes, 0..1"),
    "label far above": ({"label": np.arange(N) * 99}, "'label' 1089 is out of range.*12 windows"),
    "split value": ({"split": np.full(N, 3)}, "'split' must be in 0..2, got 3"),
    "split word": ({"split": np.full(N, "val")}, "'train', 'test' or 'validation', got 'val'"),
    "no test": ({"split": np.arange(N) // 6 * 2}, "'split' puts no window into test"),
    "one side": ({"split": np.zeros(N, int)}, "'split' puts no window into test"),
    "cut person": ({"split": np.arange(N) % 2}, "'split' cuts through group 0 .6 groups"),
    "validated person": (
        {"split": np.repeat([0, 1, 2, 2], [6, 3, 1, 2])},
        "cuts through group 4 .1 groups are in test and validation",
    ),
    "target size": ({"target_age": np.zeros(N - 1)}, r"'target_age' must be \[12\] or .*\(11,\)"),
    "target rank": ({"target_age": np.zeros((N, 2, 2))}, r"'target_age' must be \[12\] or"),
    "target type": ({"target_tags": np.zeros((N, 2), int)}, "integers .n. .classes.* got int64"),
    "target bool": ({"target_tags": np.zeros(N, bool)}, "'target_tags' must be .* got bool"),
    "target text": ({"target_mood": np.full(N, "sad")}, "'target_mood' must be .* got <U3"),
    "target below": ({"target_mood": np.arange(N) - 5}, "'target_mood' must be in -1.* got -5"),
    "target above": ({"target_mood": np.arange(N) * 2}, "'target_mood' 22 is out of range.*12 win"),
    "target tags": (
        {"target_tags": np.full((N, 2), 2, np.int8)},
        "'target_tags' must be in -1..1 .* got 2 in window 0",
    ),
    "target overflow": ({"target_age": np.full(N, 1e300)}, "'target_age' holds infinite values in"),
    "target infinite": ({"target_age": np.full(N, np.inf)}, "'target_age' holds infinite values"),
    "target label": ({"target_label": np.zeros(N, int)}, "'target_label' must be called 'label'"),
    "one person": ({"group": np.zeros(N, int)}, "one group.*'split', or more groups"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arrays_are_refused_by_name(load, windows, case):
    change, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as error:
        load(without_rate(windows, change))
    assert "mine.npz" in str(error.value) or case in ("label far above", "target above")


def test_window_without_any_sensor_is_refused(load, windows):
    windows["acc"][4] = windows["ecg"][4] = np.nan
    with pytest.raises(ValueError, match="window 4 has no modality present"):
        load(windows)


def test_sensor_that_is_never_trained_on_is_refused(load, windows):
    windows["ecg"][:6] = np.nan
    with pytest.raises(ValueError, match="'ecg' is present in no training window"):
        load(windows | {"split": np.repeat([0, 1], 6)})


def test_one_modality_is_refused(load, windows):
    del windows["ecg"]
    with pytest.raises(ValueError, match=r"two modalities or more, got \['acc'\]"):
        load(windows)


class Unpickled:
    """Fails the test if it is ever unpickled."""

    def __reduce__(self):
        return pytest.fail, ("an object was unpickled",)


def test_objects_are_never_unpickled(load, windows, tmp_path):
    objects = np.empty(N, object)
    objects[:] = [Unpickled() for _ in range(N)]
    with pytest.raises(ValueError, match=r"mine.npz: 'acc' cannot be read.*never unpickled"):
        load(windows | {"acc": objects})
    np.save(tmp_path / "bare.npy", objects, allow_pickle=True)
    with pytest.raises(ValueError, match=r"bare.npy"):
        npz.load(tmp_path / "bare.npy")


def test_broken_files_are_refused_by_name(tmp_path, windows):
    file = tmp_path / "mine.npz"
    np.savez(file, **windows)
    whole = file.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"not a zip"):
        file.write_bytes(broken)
        with pytest.raises(ValueError, match=rf"mine.npz \({len(broken):,} bytes\) is not a whole"):
            npz.load(file)
    file.write_bytes(whole.replace(windows["acc"].tobytes()[:64], b"\0" * 64))
    with pytest.raises(ValueError, match=r"mine.npz: 'acc' cannot be read.*damaged"):
        npz.load(file)
    with open(file, "wb") as stream:
        np.save(stream, windows["acc"])
    with pytest.raises(ValueError, match="one bare array"):
        npz.load(file)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data.path=.*nowhere.npz does not exist"):
        npz.load(tmp_path / "nowhere.npz")
    with pytest.raises(FileNotFoundError, match=r"holds no .npz file"):
        npz.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acc": np.ones((N, 9, 3))}, "modalities.*b.npz differ.*a.npz"),
        ({"mag": np.ones((N, 8, 3)), "rate_hz_mag": 5}, "modalities.*b.npz"),
        ({"split": np.repeat([0, 1], 6)}, "columns of .*b.npz"),
        ({"group": np.repeat(list("abcdef"), 2)}, "columns of .*b.npz.*text"),
        ({"rate_hz_acc": 3}, "rates of .*b.npz"),
        ({"class_names": list("abc")}, "class names of .*b.npz"),
        ({"kind_acc": "sequence"}, "modalities.*b.npz"),
        ({"target_age": np.zeros(N)}, "targets of .*b.npz"),
    ],
)
def test_files_of_a_folder_must_agree(tmp_path, windows, change, message):
    np.savez(tmp_path / "a.npz", **windows)
    np.savez(tmp_path / "b.npz", **without_rate(windows, change))
    with pytest.raises(ValueError, match=message):
        npz.load(tmp_path)


@pytest.mark.parametrize("fraction", [0, 1, -0.5])
def test_fraction_outside_zero_and_one_is_refused(load, windows, fraction):
    with pytest.raises(ValueError, match="test_fraction must be between 0 and 1"):
        load(windows, test_fraction=fraction)

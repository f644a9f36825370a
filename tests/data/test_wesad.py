"""WESAD, from a small zip in its layout."""

import os
import pickle
import zipfile

import numpy as np
import pytest

from mmalign.data import catalogue, wesad
from mmalign.data.dataset import TEST, TRAIN

STEPS = 100
# (label, samples) of each stretch; 0 is transient, 5 to 7 mean nothing here
PROTOCOL = [(0, 50), (1, 250), (0, 10), (3, 130), (5, 150), (2, 99), (4, 200)]
ROWS = sum(rows for _, rows in PROTOCOL)
STARTS = np.cumsum([0, *(rows for _, rows in PROTOCOL)])
NATIVE = {"rate_hz": 700, "steps": STEPS}


def recording(person, repeat=1):
    """What the pickle of a person holds: ECG counts samples, EMG and EDA are 1000s higher."""
    n = ROWS * repeat
    count = np.arange(n, dtype=np.float64)[:, None] / repeat
    chest = {"ACC": np.ones((n, 3)), "ECG": count, "EMG": count + 1000, "EDA": count + 2000}
    wrist = {"BVP": np.ones((n // 11, 1)), "TEMP": np.ones((n // 175, 1))}
    return {
        "signal": {"chest": chest, "wrist": wrist},
        "label": np.repeat(*(np.array(x) for x in zip(*PROTOCOL))).repeat(repeat).astype(np.int32),
        "subject": f"S{person}",
    }


@pytest.fixture
def people():
    return {person: recording(person) for person in wesad.PEOPLE}


@pytest.fixture
def load(tmp_path, python2_pickle):
    def call(people, **options):
        with zipfile.ZipFile(tmp_path / "WESAD.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
            for person, stored in people.items():
                content = stored if isinstance(stored, bytes) else python2_pickle(stored)
                zipped.writestr(f"WESAD/S{person}/S{person}.pkl", content)
                zipped.writestr(f"WESAD/S{person}/S{person}_E4_Data.zip", b"")
        config = {"name": "wesad", "dir": tmp_path, "cache_dir": tmp_path / "cache"}
        return catalogue.load({**config, "options": {**NATIVE, **options}})

    return call


def of(data, person):
    """Rows of one person, in the order of the recording."""
    rows = np.flatnonzero(data.group == person)
    return rows[np.lexsort((data.position[rows], data.recording[rows]))]


def test_small_zip_gives_three_streams_within_conditions(load, people):
    data = load(people)
    assert data.modalities == ("ecg", "emg", "eda")
    assert len(data) == 15 * 5 and data.num_classes == 4
    # two of baseline, one of amusement, none of stress, two of meditation
    np.testing.assert_array_equal(data.label[of(data, 13)], [0, 0, 2, 3, 3])
    np.testing.assert_array_equal(data.position[of(data, 13)], [0, 1, 0, 0, 1])
    starts = STARTS[[1, 1, 3, 6, 6]] + STEPS * np.array([0, 1, 0, 0, 1])
    want = (starts[:, None] + np.arange(STEPS))[:, :, None]
    for i, (m, x) in enumerate(data.inputs.items()):
        assert x.shape == (75, STEPS, 1) and data.present[m].all()
        np.testing.assert_array_equal(x[of(data, 17)], want + 1000 * i)
    assert data.description.rate_hz == dict.fromkeys(("ecg", "emg", "eda"), 700.0)


def test_folds_test_everyone_once(load, people):
    tested = []
    for fold in range(5):
        data = load(people, fold=fold)
        test = set(data.group[data.split == TEST].tolist())
        assert set(data.group[data.split == TRAIN].tolist()) == set(wesad.PEOPLE) - test
        tested += sorted(test)
    assert tested == list(wesad.PEOPLE)
    assert set(wesad.PEOPLE) == set(range(2, 18)) - {12}


def test_lower_rate_keeps_slow_signals_and_labels(load):
    people = {person: recording(person, repeat=7) for person in wesad.PEOPLE}
    data = load(people, rate_hz=100)
    assert set(data.description.rate_hz.values()) == {100.0}
    np.testing.assert_array_equal(data.label[of(data, 4)], [0, 0, 2, 3, 3])
    # a ramp is the slowest of signals: windows start where they did
    starts = STARTS[[1, 1, 3, 6, 6]] + STEPS * np.array([0, 1, 0, 0, 1])
    np.testing.assert_allclose(
        data.inputs["ecg"][of(data, 4)][:, :80, 0], starts[:, None] + np.arange(80), atol=0.1
    )


def test_missing_numbers_make_the_stream_absent_or_are_marked(load):
    people = {person: recording(person, repeat=7) for person in wesad.PEOPLE}
    people[5]["signal"]["chest"]["EMG"][7 * STARTS[3] + 3] = np.nan
    data = load(people, rate_hz=100)
    np.testing.assert_array_equal(data.present["emg"][of(data, 5)], [True, True, False, True, True])
    assert data.present["ecg"].all() and np.isfinite(data.inputs["emg"]).all()
    assert not data.inputs["emg"][of(data, 5)[2]].any() and data.valid == {}
    more = load(people, rate_hz=100, most_lost=0.05)
    valid = more.valid["emg"][of(data, 5)]
    assert [*more.valid] == ["emg"] and more.present["emg"].all()
    np.testing.assert_array_equal(np.argwhere(~valid), [[2, 0]])  # one of seven samples is enough


def test_what_is_lost_at_an_end_does_not_leak():
    level = np.full((700, 1), 33, np.float32)
    level[:70], level[630:] = np.nan, np.nan
    _, slower = wesad._slower(np.zeros(700), {"temp": level}, 7)
    want = np.where((np.arange(100) >= 10) & (np.arange(100) < 90), 33, np.nan)
    np.testing.assert_allclose(slower["temp"][:, 0], want, atol=1e-3)


def test_overlap_gives_more_windows(load, people):
    data = load(people, overlap=0.5)
    np.testing.assert_array_equal(data.label[of(data, 2)], [0, 0, 0, 0, 2, 3, 3, 3])
    assert data.description.stride_s == STEPS / 2 / 700


def test_second_load_reads_the_cache_unless_options_differ(load, people, monkeypatch):
    first = load(people)
    calls = []
    read = wesad.read
    monkeypatch.setattr(wesad, "read", lambda *a, **k: calls.append(k["fold"]) or read(*a, **k))
    second = load(people)
    assert not calls
    np.testing.assert_array_equal(first.inputs["emg"], second.inputs["emg"])
    load(people, fold=2)
    assert calls == [2]


class Runs:
    def __init__(self, *call):
        self._call = call

    def __reduce__(self):
        return self._call[0], self._call[1:]


def test_pickles_that_run_something_are_refused(tmp_path, load, people):
    mark = tmp_path / "mark"
    people[9] = pickle.dumps({**people[9], "subject": Runs(os.mkdir, str(mark))}, 2)
    message = r"WESAD.zip: S9/S9.pkl must be a pickle with.*mkdir, which is refused"
    with pytest.raises(ValueError, match=message):
        load(people)
    assert not mark.exists()


REFUSED = {
    "no label": (lambda tree: tree.pop("label"), "S9/S9.pkl must be a pickle with.*KeyError: 'lab"),
    "no chest": (lambda tree: tree["signal"].pop("chest"), "KeyError: 'chest'"),
    "no ecg": (lambda tree: tree["signal"]["chest"].pop("ECG"), "KeyError: 'ECG'"),
    "text": (lambda tree: tree.update(signal="none"), "S9/S9.pkl must be a pickle with.*TypeError"),
    "short": (lambda tree: tree.update(label=np.zeros(5, int)), r"must label every row.*\(5,\)"),
    "floats": (lambda tree: tree.update(label=np.zeros(ROWS)), "label every row, got float64"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_pickles_are_refused_by_name(load, people, case):
    change, message = REFUSED[case]
    change(people[9])
    with pytest.raises(ValueError, match=message) as error:
        load(people)
    assert "WESAD.zip" in str(error.value)


def test_missing_people_and_truncated_files_are_refused(tmp_path, load, people, python2_pickle):
    load(people)
    zipped = tmp_path / "WESAD.zip"
    zipped.write_bytes(zipped.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"not a whole zip.*archive.ics.uci.edu/dataset/465"):
        wesad.load(dir=tmp_path, cache_dir=tmp_path / "cache")
    people[16] = python2_pickle(people[16])[:-500]
    with pytest.raises(ValueError, match=r"S16/S16.pkl must be a pickle with the labels"):
        load(people)
    del people[16]
    with pytest.raises(ValueError, match=r"holds no S16/S16.pkl: not the whole wesad data set"):
        load(people)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": 5}, r"fold must be in 0..4, got 5"),
        ({"rate_hz": 99}, r"rate_hz must be 700 or a whole fraction of it, got 99"),
        ({"rate_hz": 0}, r"rate_hz must be 700"),
        ({"overlap": 1}, r"overlap must be in \[0, 1\), got 1"),
        ({"steps": 1000}, r"no window is left for training"),
    ],
)
def test_bad_options_are_refused(load, people, options, message):
    with pytest.raises(ValueError, match=message):
        load(people, **options)

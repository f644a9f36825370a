"""PAMAP2, from a small zip in its layout."""

import io
import zipfile

import numpy as np
import pytest

from mmalign.data import catalogue, pamap2
from mmalign.data.dataset import TEST, TRAIN

STEPS = 40
# (activity, rows) of each stretch; 0 is transient
PROTOCOL = [(0, 15), (1, 90), (0, 5), (24, 45), (4, 39), (13, 80)]
ROWS = sum(rows for _, rows in PROTOCOL)
STARTS = np.cumsum([0, *(rows for _, rows in PROTOCOL)])
FEW = {"steps": STEPS, "places": ("hand",), "sensors": ("acc",)}


def table(person):
    """[rows, 54]: column c of row i is i + c / 100, the heart rate 60 + i in every 11th row."""
    rows = np.arange(ROWS)
    values = rows[:, None] + np.arange(54) / 100
    values[:, 0] = 8.38 + rows / 100
    values[:, 1] = np.repeat(*zip(*PROTOCOL))
    values[:, 2] = np.where(rows % 11 == 3, 60.0 + rows, np.nan)
    values[:, 16:20] = values[:, 33:37] = values[:, 50:54] = person  # invalid orientation
    return values


def text(values):
    stream = io.StringIO()
    np.savetxt(stream, values, fmt="%.6g")
    return stream.getvalue().replace("nan", "NaN")


@pytest.fixture
def tables():
    return {person: table(person) for person in pamap2.PEOPLE}


@pytest.fixture
def load(tmp_path):
    def call(tables, changed=(), **options):
        files = {f"Protocol/subject{person}.dat": text(x) for person, x in tables.items()}
        files.update(changed)
        with zipfile.ZipFile(tmp_path / "PAMAP2_Dataset.zip", "w") as zipped:
            for path, content in files.items():
                zipped.writestr(f"PAMAP2_Dataset/{path}", content)
        config = {"name": "pamap2", "dir": tmp_path, "cache_dir": tmp_path / "cache"}
        return catalogue.load({**config, "options": {"steps": STEPS, **options}})

    return call


def of(data, person):
    """Rows of one person, in the order of the recording."""
    rows = np.flatnonzero(data.group == person)
    return rows[np.lexsort((data.position[rows], data.recording[rows]))]


def test_small_zip_gives_six_streams_within_activities(load, tables):
    data = load(tables)
    assert data.modalities == (
        "hand_acc", "hand_gyro", "ankle_acc", "ankle_gyro", "chest_acc", "chest_gyro"
    )  # fmt: skip
    # two windows of lying, one of jumping, none of walking, two of stairs
    assert len(data) == 8 * 5
    np.testing.assert_array_equal(data.label[of(data, 105)], [0, 0, 11, 8, 8])
    np.testing.assert_array_equal(data.position[of(data, 105)], [0, 1, 0, 0, 1])
    starts = STARTS[[1, 1, 3, 5, 5]] + STEPS * np.array([0, 1, 0, 0, 1])
    rows = starts[:, None] + np.arange(STEPS)
    columns = (4, 10, 38, 44, 21, 27)
    for (m, x), first in zip(data.inputs.items(), columns):
        assert x.shape == (40, STEPS, 3) and data.present[m].all()
        want = rows[:, :, None] + (first + np.arange(3)) / 100
        np.testing.assert_allclose(x[of(data, 103)], want, rtol=1e-4, err_msg=m)
    assert data.num_classes == 12 and data.description.class_names[8] == "descending_stairs"
    assert set(data.description.rate_hz.values()) == {100.0}


def test_fold_leaves_one_person_out(load, tables):
    for fold in (0, 7):
        data = load(tables, fold=fold, **FEW)
        assert set(data.group[data.split == TEST].tolist()) == {101 + fold}
        others = set(range(101, 109)) - {101 + fold}
        assert set(data.group[data.split == TRAIN].tolist()) == others


def test_heart_rate_lies_on_lines_between_its_values(load, tables):
    tables[104][STARTS[1] + 50 : STARTS[3] + 50, 2] = np.nan  # none between rows 58 and 168
    data = load(tables, heart_rate=True, **FEW)
    assert data.modalities == ("hand_acc", "heart_rate")
    assert data.description.channels["heart_rate"] == ("heart_rate",)
    beats = data.inputs["heart_rate"]
    assert beats.shape == (40, STEPS, 1)
    there = data.present["heart_rate"]
    row = data.inputs["hand_acc"][:, :, :1]
    np.testing.assert_allclose(beats[there], 60 + row[there], atol=0.1)
    # values come in rows 3, 14, ..., 256, 267: the last window ends in row 273
    np.testing.assert_array_equal(there[of(data, 103)], [True, True, True, True, False])
    np.testing.assert_array_equal(there[of(data, 104)], [True, False, False, True, False])
    more = load(tables, heart_rate=True, most_lost=0.4, **FEW)
    # rows 268 to 273, the last of their window, have no value after them
    np.testing.assert_array_equal(
        more.valid["heart_rate"][of(data, 103)].sum(axis=1), [40] * 4 + [34]
    )
    assert data.present["hand_acc"].all()


def test_sensors_and_places_are_those_asked_for(load, tables):
    data = load(tables, places=["chest"], sensors=["mag", "gyro"])
    assert data.modalities == ("chest_mag", "chest_gyro")
    assert data.description.unit == {"chest_mag": "uT", "chest_gyro": "rad/s"}
    first = STARTS[1] + 0.30
    np.testing.assert_allclose(data.inputs["chest_mag"][of(data, 101)[0], 0, 0], first, rtol=1e-5)


def test_lost_samples_are_filled_or_make_a_sensor_absent_or_are_marked(load, tables):
    hand, chest = slice(4, 7), slice(21, 24)
    tables[102][STARTS[1] + 3, hand] = np.nan  # filled
    tables[102][STARTS[3] + 4 : STARTS[3] + 10, hand] = np.nan  # six in a row
    tables[102][STARTS[5] : STARTS[5] + 15 : 3, chest] = np.nan  # five of forty
    data = load(tables)
    rows = of(data, 102)
    np.testing.assert_array_equal(data.present["hand_acc"][rows], [True, True, False, True, True])
    np.testing.assert_array_equal(data.present["chest_acc"][rows], [True, True, True, False, True])
    assert data.present["hand_gyro"].all()
    np.testing.assert_allclose(data.inputs["hand_acc"][rows[0], 3, 0], STARTS[1] + 3.04, rtol=1e-4)
    assert not data.inputs["hand_acc"][rows[2]].any() and data.valid == {}
    more = load(tables, most_lost=0.2)
    assert [*more.valid] == ["hand_acc", "chest_acc"]
    assert all(present.all() for present in more.present.values())
    np.testing.assert_array_equal(more.valid["hand_acc"][rows].sum(axis=1), [40, 40, 34, 40, 40])
    np.testing.assert_array_equal(
        np.flatnonzero(~more.valid["chest_acc"][rows[3]]), range(0, 15, 3)
    )


def test_rows_that_are_missing_end_a_stretch(load, tables):
    cut = STARTS[1] + 20
    tables[102] = np.delete(tables[102], slice(cut, cut + 20), axis=0)
    data = load(tables, **FEW)
    # 20 rows before and 50 after the jump: one window of lying is left
    rows = of(data, 102)
    np.testing.assert_array_equal(data.label[rows], [0, 11, 8, 8])
    np.testing.assert_allclose(data.inputs["hand_acc"][rows[0], 0, 0], cut + 20.04, rtol=1e-4)


def test_overlap_gives_more_windows(load, tables):
    data = load(tables, overlap=0.5, **FEW)
    np.testing.assert_array_equal(data.label[of(data, 101)], [0, 0, 0, 11, 8, 8, 8])
    assert data.description.stride_s == STEPS / 2 / 100
    x = data.inputs["hand_acc"][of(data, 101)]
    np.testing.assert_array_equal(x[0, STEPS // 2 :], x[1, : STEPS // 2])


def test_second_load_reads_the_cache_unless_options_differ(load, tables, monkeypatch):
    first = load(tables, **FEW)
    calls = []
    read = pamap2.read
    monkeypatch.setattr(pamap2, "read", lambda *a, **k: calls.append(k["fold"]) or read(*a, **k))
    second = load(tables, **FEW)
    assert not calls
    np.testing.assert_array_equal(first.inputs["hand_acc"], second.inputs["hand_acc"])
    load(tables, fold=3, **FEW)
    assert calls == [3]


MEMBER = "Protocol/subject103.dat"
LINE = " ".join(["1"] * 54)
REFUSED = {
    "columns": (LINE.rsplit(" ", 1)[0] + "\n", "rows of 54 finite.*got 53 in the first row"),
    "words": (LINE + "\n" + LINE.replace("1", "one", 1), "subject103.dat is not a table"),
    "cut": (LINE + "\n" + LINE[:9], "subject103.dat is not a table of numbers"),
    "empty": ("", "subject103.dat must hold rows of 54 numbers, got none"),
    "no time": (LINE + "\n" + LINE.replace("1", "NaN", 1), "every row a time and the number of an"),
    "no activity": (LINE + "\n1 0.5" + LINE[3:], "every row a time and the number of an activity"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused_by_name(load, tables, case):
    content, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as error:
        load(tables, {MEMBER: content}, **FEW)
    assert "PAMAP2_Dataset.zip" in str(error.value)


def test_missing_people_and_truncated_zips_are_refused(tmp_path, load, tables):
    load(tables, **FEW)
    zipped = tmp_path / "PAMAP2_Dataset.zip"
    zipped.write_bytes(zipped.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"not a whole zip.*archive.ics.uci.edu/dataset/231"):
        pamap2.load(dir=tmp_path, cache_dir=tmp_path / "cache")
    del tables[106]
    with pytest.raises(ValueError, match=r"holds no Protocol/subject106.dat: not the whole pamap2"):
        load(tables, **FEW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": 8}, r"fold must be in 0..7, got 8"),
        ({"places": ("wrist",)}, r"no place is called 'wrist'; there is ankle, chest, hand"),
        ({"sensors": ()}, r"sensors is empty; there is acc, gyro, mag"),
        ({"overlap": -0.5}, r"overlap must be in \[0, 1\), got -0.5"),
        ({"steps": 100}, r"no window is left for training"),
    ],
)
def test_bad_options_are_refused(load, tables, options, message):
    with pytest.raises(ValueError, match=message):
        load(tables, **options)

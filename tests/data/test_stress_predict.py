"""Stress-Predict, from a small zip in its layout and from the published one."""

import pathlib
import zipfile

import numpy as np
import pytest

from mmalign.data import catalogue, stress_predict
from mmalign.data.dataset import TEST, TRAIN

REAL = pathlib.Path(__file__).parents[3] / "shared" / "data" / "stress_predict"
START_S = 1_644_227_574
RATES_HZ = {"BVP": 64, "EDA": 4, "TEMP": 4, "ACC": 32}
SECONDS = {"BVP": 45.0, "EDA": 47.0, "TEMP": 46.5, "ACC": 44.0}
TABLE = stress_predict.LABELS


def csv(name, start):
    """Every sample is its own time in seconds since START_S; acc holds it in 64ths."""
    times = start - START_S + np.arange(int(SECONDS[name] * RATES_HZ[name])) / RATES_HZ[name]
    columns = 3 if name == "ACC" else 1
    rows = [f"{start}.000000", f"{RATES_HZ[name]}.000000"]
    rows += [repr(64 * t if name == "ACC" else t) for t in times.tolist()]
    return "\n".join(", ".join([row] * columns) for row in rows) + "\n"


@pytest.fixture
def files():
    """{path: text} of people 1 (no labels), 2 and 3; acc starts a second after the others."""
    files = {
        f"Raw_data/S{person:02d}/{name}.csv": csv(name, START_S + (name == "ACC"))
        for person in (1, 2, 3)
        for name in RATES_HZ
    }
    rows = [f"{stress_predict.LABEL_COLUMNS}"]
    for person in (2, 3):  # from 7 s on; stress from 19 to 36 s; some heart rates are blank
        rows += [f"{person},,12.1,{START_S + t},{int(19 <= t < 36)}" for t in range(7, 60)]
    return files | {TABLE: "\r\n".join(rows) + "\r\n"}


@pytest.fixture
def load(tmp_path):
    def call(files, **options):
        with zipfile.ZipFile(tmp_path / "Stress-Predict-Dataset.zip", "w") as zipped:
            for path, text in files.items():
                zipped.writestr(f"Stress-Predict-Dataset/{path}", text)
        config = {"name": "stress_predict", "dir": tmp_path, "cache_dir": tmp_path / "cache"}
        return catalogue.load({**config, "options": options})

    return call


def test_small_zip_gives_windows_at_four_rates(load, files):
    data = load(files)
    assert data.modalities == ("bvp", "eda", "temp", "acc")
    shapes = {m: x.shape for m, x in data.inputs.items()}
    # 44 s from the start of acc: four windows a person
    assert shapes == {"bvp": (12, 640, 1), "eda": (12, 40, 1), "temp": (12, 40, 1)} | {
        "acc": (12, 320, 3)
    }
    assert data.description.rate_hz == {"bvp": 64.0, "eda": 4.0, "temp": 4.0, "acc": 32.0}
    # the files of the training people come first
    np.testing.assert_array_equal(data.group, np.repeat([1, 2, 3], 4))
    np.testing.assert_array_equal(data.split, np.repeat([TRAIN, TRAIN, TEST], 4))
    np.testing.assert_array_equal(data.recording, np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(data.position, np.tile(np.arange(4), 3))
    assert all(present.all() for present in data.present.values())


def test_streams_of_a_window_are_of_the_same_time(load, files):
    data = load(files)
    for m, x in data.inputs.items():
        times = np.arange(x.shape[1]) / data.description.rate_hz[m]
        want = 1 + 10.0 * data.position[:, None] + times
        np.testing.assert_allclose(x, np.repeat(want[:, :, None], x.shape[2], axis=2), rtol=1e-6)


def test_labels_are_the_more_frequent_seconds(load, files):
    # windows of 1-11, 11-21, 21-31, 31-41 s: the first is labelled for 4 s only
    np.testing.assert_array_equal(load(files).label, [-1] * 4 + [-1, 0, 1, 0] * 2)


def test_options_set_length_and_overlap(load, files):
    data = load(files, window_s=8.0, overlap=0.5)
    assert data.inputs["acc"].shape == (30, 256, 3) and data.inputs["eda"].shape == (30, 32, 1)
    assert data.description.stride_s == 4.0
    np.testing.assert_allclose(data.inputs["temp"][3, :2, 0], [13.0, 13.25])
    for x in data.inputs.values():
        half = x.shape[1] // 2
        np.testing.assert_array_equal(x[:9, half:], x[1:10, :half])


def test_missing_numbers_make_the_stream_absent_or_are_marked(load, files):
    files["Raw_data/S02/TEMP.csv"] = files["Raw_data/S02/TEMP.csv"].replace("\n12.25\n", "\nNaN\n")
    data = load(files)
    np.testing.assert_array_equal(np.flatnonzero(~data.present["temp"]), [5])
    assert not data.inputs["temp"][5].any() and data.inputs["eda"][5].all()
    assert data.valid == {}
    more = load(files, most_lost=0.1)
    assert more.present["temp"].all() and [*more.valid] == ["temp"]
    np.testing.assert_array_equal(np.argwhere(~more.valid["temp"]), [[5, 5]])  # 11 s, and 1.25
    np.testing.assert_array_equal(more.inputs["temp"][5, 4:7, 0], [12.0, 0.0, 12.5])


def test_second_load_reads_the_cache_unless_options_differ(
    load, files, second_load_reads_the_cache
):
    second_load_reads_the_cache(
        stress_predict,
        load,
        files,
        {"window_s": 5.0},
        {"window_s": 5.0, "overlap": 0.0, "most_lost": 0.0},
    )


BVP = "Raw_data/S02/BVP.csv"
REFUSED = {
    "missing": (BVP, lambda text: None, "holds no Raw_data/S02/BVP.csv: not the whole stress_pred"),
    "rate": (BVP, lambda text: text.replace("64.0", "32.0", 1), "S02/BVP.csv must hold.*64 Hz"),
    "empty": (BVP, lambda text: "", r"S02/BVP.csv must hold rows of 1 numbers, got none"),
    "header": (BVP, lambda text: text[:25], "S02/BVP.csv must hold a start time.*got 2 rows"),
    "lost": (BVP, lambda text: text[: int(0.9 * len(text))], "S02: bvp holds .* samples are lost"),
    "words": (BVP, lambda text: text + "end\n", "S02/BVP.csv is not a table of numbers"),
    "labels": (TABLE, lambda text: text.replace(",1\r", ",2\r", 1), "seconds by 0 or 1, got 2"),
    "columns": (TABLE, lambda text: text.replace("respr", "r"), "line 1 of .* must be 'Partici"),
    "no table": (TABLE, lambda text: None, "something else: no Processed_data/Improved_All"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused_by_name(load, files, refuses_by_name, case):
    refuses_by_name(load, files, REFUSED[case], "Stress-Predict-Dataset.zip")


def test_person_with_labels_but_no_recording_is_missed(load, files):
    for name in RATES_HZ:
        del files[f"Raw_data/S03/{name}.csv"]
    with pytest.raises(ValueError, match=r"holds no Raw_data/S03/BVP.csv"):
        load(files)


def test_truncated_zip_is_refused(load, files, refuses_a_truncated_zip):
    load(files)
    refuses_a_truncated_zip(
        stress_predict, "Stress-Predict-Dataset.zip", "italha-d/Stress-Predict-Dataset and"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_s": 0.1}, r"window_s of bvp: 0.1 s are no whole number"),
        ({"window_s": 10.125}, r"window_s of eda: 10.125 s are no whole number"),
        ({"overlap": 1.0}, r"overlap must be in \[0, 1\), got 1.0"),
        ({"overlap": 0.33}, r"windows of \d+ rows with overlap=0.33"),
        ({"window_s": 60.0}, r"no window is left for training"),
    ],
)
def test_bad_options_are_refused(load, files, options, message):
    with pytest.raises(ValueError, match=message):
        load(files, **options)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the public zip is not in {REAL}")
@pytest.mark.slow
def test_published_set_is_whole(tmp_path):
    data = stress_predict.load(dir=REAL, cache_dir=tmp_path)
    test = set(data.group[data.split == TEST].tolist())
    assert test == set(range(3, 34, 3))
    assert set(data.group[data.split == TRAIN].tolist()) == set(range(1, 36)) - test
    assert len(data) == 11_586
    np.testing.assert_array_equal(np.bincount(data.label + 1), [360, 7553, 3673])
    assert (data.label[data.group == 1] == -1).all() and (data.group == 1).sum() > 300
    # person 2: the log has the three tasks at 622-998, 1270-1925 and 2227-2357 s
    stress = data.position[(data.group == 2) & (data.label == 1)]
    want = [*range(62, 100), *range(127, 192), *range(223, 236)]
    np.testing.assert_array_equal(stress, want)
    for m, x in data.inputs.items():
        assert x.shape[1] == 10 * data.description.rate_hz[m] and np.isfinite(x).all()
        assert data.present[m].all()
    gravity = np.linalg.norm(data.inputs["acc"], axis=-1)
    assert abs(np.median(gravity) - 1) < 0.05
    assert 30 < np.median(data.inputs["temp"]) < 34

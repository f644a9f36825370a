"""Recordings as people have them: files, clocks, columns, labels, and the windows of all that."""

import gzip
import itertools
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager

from mmalign.data import catalogue
from mmalign.data.concerns import concerns
from mmalign.data.dataset import TEST, TRAIN, check
from mmalign.data.recordings import load, preview, understand
from mmalign.data.recordings.clock import seconds, stretches, time_column
from mmalign.data.recordings.sensors import sensors_of

pandas = pytest.importorskip("pandas")

EPOCH = 1_700_000_000.0


def wave(times, hertz=1.0):
    """Three channels of a slow wave, which any even clock shows alike."""
    phase = 2 * np.pi * hertz * times[:, None] + np.array([0.0, 1.0, 2.0])[None]
    return np.sin(phase).round(5)


def table(times, names="xyz", **more):
    return pandas.DataFrame({"time": times} | dict(zip(names, wave(times - times[0]).T)) | more)


@pytest.fixture
def folder(tmp_path):
    """Six people, a file a person and sensor, 40 s: acc at 60 Hz, gyro at 30."""
    for person in "abcdef":
        for sensor, rate in (("acc", 60.0), ("gyro", 30.0)):
            times = EPOCH + np.arange(int(40 * rate)) / rate
            (tmp_path / person).mkdir(exist_ok=True)
            table(times).to_csv(tmp_path / person / f"walk_{sensor}.csv", index=False)
    return tmp_path


PATTERN = "{person}/{label}_{sensor}.csv"


def read(folder, tmp_path, **options):
    return check(load(path=folder, cache_dir=tmp_path / "cache", **options))


def test_a_folder_becomes_windows_on_even_clocks(folder, tmp_path_factory):
    data = read(folder, tmp_path_factory.mktemp("x"), pattern=PATTERN, window_s=2.0, stride_s=1.0)
    assert data.modalities == ("acc", "gyro")
    assert data.description.rate_hz == {"acc": 60.0, "gyro": 30.0}
    assert data.description.stride_s == 1.0
    assert {m: x.shape[1:] for m, x in data.inputs.items()} == {"acc": (120, 3), "gyro": (60, 3)}
    assert len(data) == 6 * 38 and all(p.all() for p in data.present.values()) and not data.valid
    assert data.description.class_names == ("walk",) and not data.label.any()
    people = {code: set(data.group[data.split == code].tolist()) for code in (TRAIN, TEST)}
    assert len(people[TRAIN]) == 4 and len(people[TEST]) == 2 and not people[TRAIN] & people[TEST]
    first = data.position == 5
    want = wave(5.0 + np.arange(120) / 60)
    np.testing.assert_allclose(data.inputs["acc"][first][0], want, atol=0.01)


def test_people_may_call_their_recordings_alike(folder, tmp_path_factory):
    pattern = "{person}/{recording}_{sensor}.csv"
    found = understand(folder, pattern=pattern).recordings
    assert [(r.name, r.person) for r in found] == [(f"{p}/walk", p) for p in "abcdef"]
    assert all(set(r.streams) == {"acc", "gyro"} for r in found)
    data = read(folder, tmp_path_factory.mktemp("x"), pattern=pattern)
    assert set(data.group.tolist()) == set(range(6))
    lines = ["a/walk_acc.csv,1,r,acc", "a/walk_gyro.csv,,r,gyro"]  # known of one file alone
    (folder / "index.csv").write_text("\n".join(["file,person,recording,sensor", *lines]))
    (recording,) = understand(folder).recordings
    assert (recording.name, recording.person, len(recording.streams)) == ("r", "1", 2)


def test_an_index_says_whose_files_are(folder, tmp_path_factory):
    lines = ["file,person,recording,sensor,split,labels"]
    for i, person in enumerate("abcdef"):
        for sensor in ("acc", "gyro"):
            split = ("train", "test")[i > 3]
            lines.append(f"{person}/walk_{sensor}.csv,{i},r{i},{sensor},{split},steps.csv")
    (folder / "index.csv").write_text("\n".join(lines))
    (folder / "steps.csv").write_text(
        f"start,end,label\n{EPOCH},{EPOCH + 9},2\n{EPOCH + 9},{EPOCH + 20},10\n"
    )
    (folder / "a" / "steps.csv").write_text("of something else")  # the index means its own
    data = read(folder, tmp_path_factory.mktemp("x"), window_s=2.0)
    assert set(data.group[data.split == TEST].tolist()) == {4, 5}
    assert data.description.class_names == ("2", "10")  # by number
    own = data.label[data.group == 0]
    starts = np.arange(len(own))  # half of two seconds apart
    np.testing.assert_array_equal(own[starts <= 8], 0)
    np.testing.assert_array_equal(own[(starts > 8) & (starts <= 18)], 1)
    np.testing.assert_array_equal(own[starts > 19], -1)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("0,9,sit\n8,12,walk\n", "the intervals of rows 0 and 1 overlap"),
        ("9,3,sit\n", "an interval ends before it starts, in row 0"),
        ("", None),
    ],
)
def test_intervals_that_say_two_things_are_refused(folder, tmp_path_factory, rows, match):
    (folder / "steps.csv").write_text("start,end,label\n" + rows)
    lines = "".join(
        f"{p}/walk_{s}.csv,{p},{p},{s},steps.csv\n" for p in "ab" for s in ("acc", "gyro")
    )
    (folder / "index.csv").write_text("file,person,recording,sensor,labels\n" + lines)
    if match is None:
        assert (read(folder, tmp_path_factory.mktemp("x")).label == -1).all()
        return
    with pytest.raises(ValueError, match=match):
        read(folder, tmp_path_factory.mktemp("x"))


def test_one_file_may_hold_all_sensors_and_a_label_a_row(tmp_path):
    times = np.arange(1500) / 50
    acc, gyro = wave(times), wave(times, 2.0)
    frame = pandas.DataFrame({
        "Time (s)": times, "acc_x": acc[:, 0], "acc_y": acc[:, 1], "acc_z": acc[:, 2],
        "gx": gyro[:, 0], "gy": gyro[:, 1], "gz": gyro[:, 2], "eda": acc[:, 0], "note": "fine",
        "activity": np.where(times < 12, "sit", "walk"),
    })  # fmt: skip
    frame.to_csv(tmp_path / "only.csv", index=False)
    data = read(tmp_path, tmp_path / "c", window_s=2.0, stride_s=1.0)
    assert {m: x.shape[2] for m, x in data.inputs.items()} == {"acc": 3, "g": 3, "eda": 1}
    assert data.description.class_names == ("sit", "walk") and (data.group == -1).all()
    test = data.position + 1.0 * (data.split == TEST)  # of one recording the end is the test
    assert (data.split == TEST).sum() > 4 and test.min() >= 0
    train = int((data.split == TRAIN).sum())
    assert train + (data.split == TEST).sum() < 29  # windows across the border are left out
    assert set(data.label[data.split == TEST].tolist()) == {1}


def test_an_index_whose_split_cuts_through_a_person_is_refused(folder, tmp_path_factory):
    lines = ["a/walk_acc.csv,A,1,train", "c/walk_acc.csv,A,2,test", "b/walk_acc.csv,B,3,test"]
    (folder / "index.csv").write_text("file,person,recording,split\n" + "\n".join(lines))
    with pytest.raises(
        ValueError, match=r"cuts through person A \(1 persons are in train and test"
    ):
        read(folder, tmp_path_factory.mktemp("x"))


def test_a_single_person_split_by_recordings_is_a_concern(tmp_path):
    for name in "abcd":
        table(np.arange(1000) / 50).to_csv(tmp_path / f"A_{name}.csv", index=False)
    data = read(tmp_path, tmp_path / "c", pattern="{person}_{recording}.csv")
    assert set(data.split) == {TRAIN, TEST} and not data.group.any()
    assert concerns(data)[0].startswith("1 of 1 people are on both sides of the split")


def test_labels_of_one_file_last_where_another_ended(tmp_path):
    for sensor, first, last in (("acc", 0.0, 80), ("gyro", 0.004, 30), ("emg", 0.008, 70)):
        times = np.arange(first, last, 1 / 50)
        told = np.where(times < 40, "walk", "sit") if sensor != "emg" else ""  # known to nobody
        for name in "ab":
            table(times, activity=told).to_csv(tmp_path / f"{name}_{sensor}.csv", index=False)
    data = read(tmp_path, tmp_path / "c", pattern="{recording}_{sensor}.csv", window_s=2.0,
                stride_s=2.0)  # fmt: skip
    assert data.description.class_names == ("sit", "walk") and data.position.max() > 35
    np.testing.assert_array_equal(data.label, np.where(data.position < 20, 1, 0))


@pytest.mark.parametrize("kind", ["tsv", "csv.gz", "parquet", "npz", "h5", "european"])
def test_tables_of_any_kind_are_alike(tmp_path, kind):
    times = EPOCH + np.arange(1200) / 60
    frame, file = table(times, ("a_x", "a_y", "a_z")), tmp_path / f"one.{kind}"
    frame["b"] = frame["a_x"] * 2
    if kind == "tsv":
        frame.to_csv(file, sep="\t", index=False)
    elif kind == "csv.gz":
        file.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    elif kind == "parquet":
        frame.to_parquet(file)
    elif kind == "european":
        frame.to_csv(tmp_path / "one.csv", sep=";", decimal=",", index=False)
    elif kind == "npz":
        np.savez(file, time=times, a=frame[["a_x", "a_y", "a_z"]].to_numpy(), b=frame["b"])
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(file, "w") as h5:
            h5["time"], h5["b"] = times, frame["b"]
            h5["a"] = frame[["a_x", "a_y", "a_z"]].to_numpy()
    found = understand(tmp_path)
    assert found.rate_hz == {"a": 60.0, "b": 60.0} and found.channels["a"] == ("x", "y", "z")
    (recording,) = found.recordings
    assert recording.name == "one"
    np.testing.assert_allclose(recording.ends_s, (EPOCH, EPOCH + 1199 / 60), atol=1e-5)
    np.testing.assert_allclose(recording.streams["a"].values, wave(times - EPOCH), atol=1e-5)


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_a_separator_at_the_end_of_rows_moves_no_column(tmp_path, separator):
    rows = [separator.join(f"{x:.5f}" for x in (t, *v))
            for t, v in zip(np.arange(60) / 50, wave(np.arange(60) / 50))]  # fmt: skip
    names, file = separator.join(["time", "x", "y", "z"]), tmp_path / "one.csv"
    for end in (separator, 2 * separator):
        file.write_text("\n".join([names, *(row + end for row in rows)]))
        (recording,) = understand(tmp_path).recordings
        np.testing.assert_allclose(recording.streams["acc"].values, wave(np.arange(60) / 50))
        assert recording.ends_s == pytest.approx((0, 59 / 50))
    file.write_text(
        "\n".join([names, *(row + separator for row in rows[:7]), rows[7] + end[0] + "9"])
    )
    with pytest.raises(
        ValueError, match=r"one\.csv .*rows have 5 fields, such as row 7, .* 4 names"
    ):
        understand(tmp_path)


@pytest.mark.parametrize(
    ("stamps", "unit"),
    [
        (lambda t: t, None), (lambda t: np.rint(t * 1e3).astype(int), None),
        (lambda t: np.rint(t * 1e6).astype(int), None),
        (lambda t: np.rint(t * 1e9).astype(int), None),
        (lambda t: np.rint((t - EPOCH) * 1e3).astype(int), "ms"), (lambda t: t - EPOCH, None),
        (lambda t: (t * 1e9).astype(np.int64).astype("datetime64[ns]"), None),
        (lambda t: np.array([f"{x}Z" for x in (t * 1e9).astype(np.int64).astype("datetime64[ns]")]),
         None),
        (lambda t: (t * 1e9).astype(np.int64).astype("datetime64[ns]").astype(str), None),
    ],
)  # fmt: skip
def test_stamps_of_any_form_are_the_same_seconds(stamps, unit):
    times = EPOCH + np.arange(40) / 20
    found = seconds(stamps(times), unit, "file")
    assert found[0] in (0.0, EPOCH)
    np.testing.assert_allclose(found - found[0], times - EPOCH, atol=1e-3)


@pytest.mark.parametrize(
    ("stamps", "first"),
    [
        (("01/02/2024 23:59:30", "02/02/2024 00:00:30"), "2024-02-01 23:59:30"),  # by day first
        (("01/31/2024 23:59:30", "02/01/2024 00:00:30"), "2024-01-31 23:59:30"),
        (("02.01.2024 23:59:30", "02.02.2024 00:00:30"), "2024-02-01 23:59:30"),  # by month first
        (("12/02/2024 23:59:30", "13/02/2024 00:00:30"), "2024-02-12 23:59:30"),
        (("2024/2/1 23:59:30", "2024/2/2 00:00:30"), "2024-02-01 23:59:30"),
        (("02-02-2024 23:59:30", "02-02-2024 23:59:59"), "2024-02-02 23:59:30"),
        (("01/02/2024 10:00:00", "01/02/2024 10:01:00"), None),
        (("01/02/2024 10:00:00", "05/05/2024 10:01:00"), None),
    ],
)
def test_dates_begin_with_the_day_or_the_month_or_are_refused(stamps, first):
    if first is None:
        with pytest.raises(
            ValueError, match=r"a\.csv: the date '01/02.* write dates as year-month-"
        ):
            seconds(np.array(stamps), None, "a.csv")
        return
    found = seconds(np.array(stamps), None, "a.csv")
    assert found[0] == np.datetime64(first).astype(np.int64) and found[1] - found[0] <= 60


def test_a_unit_that_cannot_be_told_is_asked_for():
    with pytest.raises(ValueError, match="begins at 0 and grows by 20 from sample to sample: say"):
        seconds(np.arange(50) * 20, None, "a.csv")
    with pytest.raises(ValueError, match=r"begins at 0 and grows by 18.* from sample to sample"):
        seconds(np.repeat(np.arange(10) * 100, 5), None, "a.csv")  # milliseconds, in bursts
    with pytest.raises(ValueError, match="no time_unit is called 'min'"):
        seconds(np.arange(50.0), "min", "a.csv")
    with pytest.raises(ValueError, match="such as 'noon', are no dates of one form"):
        seconds(np.array(["noon", "midnight"]), None, "a.csv")


@pytest.mark.parametrize("up", [0.5, 20, 600, 5e4, 3e5, 1.6e6])  # seconds
@pytest.mark.parametrize(("unit", "of_a_second"), [("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_time_since_a_boot_is_no_time_since_1970(up, unit, of_a_second):
    stamps = np.rint((up + np.arange(100) / 50) * of_a_second)
    with pytest.raises(ValueError, match=r"grows by .* say whether .* by options.time_unit="):
        seconds(stamps, None, "a.csv")
    np.testing.assert_allclose(np.diff(seconds(stamps, unit, "a.csv")), 0.02, atol=1e-6)


def test_slow_bursts_and_gaps_hide_no_epoch():
    slow, bursts = EPOCH + np.arange(50), EPOCH + np.repeat(np.arange(5) * 5.0, 250)
    gaps = EPOCH + np.r_[np.arange(50) / 50, 86400 + np.arange(50) / 50]
    for times in (slow, bursts, gaps):
        np.testing.assert_allclose(seconds(times * 1e3, None, "a.csv"), times, atol=1e-3)


def test_intervals_are_told_by_their_size_alone(folder, tmp_path_factory):
    write = lambda *ends: (folder / "steps.csv").write_text(
        "start,end,label\n{:.0f},{:.0f},sit\n{:.0f},{:.0f},walk\n".format(*ends)
    )
    lines = "".join(f"{p}/walk_acc.csv,{p},{p},steps.csv\n" for p in "ab")
    (folder / "index.csv").write_text("file,person,recording,labels\n" + lines)
    write(*(1e3 * (EPOCH + np.array([0, 9, 9, 20]))))
    assert read(folder, tmp_path_factory.mktemp("x")).label.max() == 1
    write(*(3e13 + 1e9 * np.array([0, 9, 9, 20])))  # nanoseconds since a boot
    with pytest.raises(
        ValueError, match=r"steps.csv: the time begins at 3e\+13 .* options.time_unit"
    ):
        read(folder, tmp_path_factory.mktemp("x"))


def test_true_stamps_tell_what_is_lost_and_bursts_are_evened_out(rng):
    true = np.arange(3000) / 50
    kept = np.ones(3000, bool)
    kept[700:706], kept[1500:1600] = False, False  # 0.12 s, and two seconds
    two = stretches(true[kept], "file")
    assert [len(s.rows) for s in two] == [1500, 1400]
    np.testing.assert_allclose([s.rate_hz for s in two], 50.0)
    np.testing.assert_array_equal(np.flatnonzero(two[0].rows < 0), np.arange(700, 706))
    np.testing.assert_allclose(two[1].times_s, true[1600:], atol=1e-9)
    # delivered in bursts of ten, late by up to 0.1 s, some stamps behind the next one
    late = np.repeat(true[9::10], 10) + np.repeat(rng.uniform(0, 0.1, 300), 10)
    late[1000:1003] += 0.5
    (one,) = stretches(late, "file")
    np.testing.assert_allclose(one.rate_hz, 50, rtol=1e-3)
    apart = np.diff(one.times_s)
    np.testing.assert_allclose(apart, apart[0])
    assert np.abs(one.times_s - true).max() < 0.25


@pytest.mark.parametrize(
    ("times", "match"),
    [
        (np.arange(9.0), "9 samples: too few"),
        (
            np.concatenate([np.arange(100), np.arange(50)]) / 10,
            "time goes back by 9.9 s in row 100",
        ),
        (np.arange(50)[::-1] / 50, "rows are not in order of time, 100% are before .*: sort them"),
        (np.arange(200) * 77 % 200 / 20, "file: the rows are not in order of time"),
        (np.arange(200) * 7 % 20 / 20 + np.arange(200) // 20, "the rows are not in order of time"),
        (np.repeat([0.0, 0.3], (90, 10)), "file: by the stamps .*inf samples a second"),
        (np.zeros(50), "all samples have the same stamp"),
        (np.arange(50) * 1e-9, r"file: by the stamps 1e\+09 samples a second: mend them"),
        (np.r_[0.0, 1e-5 + np.arange(50) * 1e-17], "by the stamps .* samples a second"),
        (np.repeat(np.arange(10.0) * 1e-7, 10), "by the stamps .* samples a second"),  # in bursts
        (np.arange(20) * 100.0 // 1, None),
    ],
)
def test_clocks_that_tell_nothing_are_named(times, match):
    if match is None:  # slow, but regular
        assert stretches(times, "file")[0].rate_hz == pytest.approx(0.01)
        return
    with pytest.raises(ValueError, match=match):
        stretches(times, "file")


def test_lost_samples_are_gaps_and_a_lost_sensor_is_missing(tmp_path):
    rate, times = 50.0, np.arange(3000) / 50
    kept = np.ones(3000, bool)
    kept[500:520] = False  # 0.4 s: of windows that go on
    kept[1500:1800] = False  # six seconds
    for sensor, some in (("acc", kept), ("gyro", kept | True)):
        table(times[some]).to_csv(tmp_path / f"p_{sensor}.csv", index=False)
    data = read(tmp_path, tmp_path / "c", pattern="{person}_{sensor}.csv", window_s=2.0,
                stride_s=2.0)  # fmt: skip
    start = np.where(data.split == TRAIN, 2.0 * data.position, np.nan)
    at = lambda s: int(np.flatnonzero(start == s)[0])
    lost = ~data.valid["acc"][at(10.0)]
    assert (
        18 <= lost.sum() <= 21 and lost[:20].all() and not data.inputs["acc"][at(10.0)][lost].any()
    )
    for s in (32.0, 34.0):
        assert not data.present["acc"][at(s)] and data.present["gyro"][at(s)]
    assert data.present["gyro"].all() and rate == data.description.rate_hz["gyro"]


def test_clocks_that_do_not_overlap_are_refused(tmp_path):
    of = lambda start, end: table(np.arange(start, end, 0.02))
    for sensor, start, end in (("a", 0, 10), ("b", 8, 20), ("c", 15, 30)):  # one after another
        of(start, end).to_csv(tmp_path / f"p_{sensor}.csv", index=False)
    pattern = "{person}_{sensor}.csv"
    assert understand(tmp_path, pattern=pattern).recordings[0].ends_s == pytest.approx((0, 29.98))
    of(EPOCH, EPOCH + 10).to_csv(tmp_path / "p_b.csv", index=False)
    match = (
        r"clocks of .*p_a.csv \(0.00 to 9.98 s\) and .*p_c.csv \(15.00 to 29.98 s\) do not overlap"
    )
    with pytest.raises(ValueError, match=match):
        understand(tmp_path, pattern=pattern)
    (tmp_path / "p_c.csv").unlink()
    with pytest.raises(
        ValueError, match=r"p_b.csv \(1700000000.00 to 17000000.* do not overlap: say"
    ):
        understand(tmp_path, pattern=pattern)
    both = of(0, 60)
    both.loc[both["time"] > 10, "x"], both.loc[both["time"] < 30, "y"] = np.nan, np.nan
    (tmp_path / "p_b.csv").unlink()
    both.rename(columns={"x": "eda", "y": "hr", "z": "temp"}).to_csv(
        tmp_path / "p_a.csv", index=False
    )
    streams = understand(tmp_path).recordings[0].streams  # of one file: on one clock
    assert streams["eda"].ends_s[1] < streams["hr"].ends_s[0]


def test_columns_are_grouped_by_their_names():
    columns = lambda *names: {name: np.zeros(2) for name in names}
    named = lambda *names, **how: sensors_of(columns(*names), (), **how)
    assert named("ax", "ay", "az", "eda") == {"a": ("ax", "ay", "az"), "eda": ("eda",)}
    assert named("x", "y", "z") == {"acc": ("x", "y", "z")}
    assert named("emg_1", "emg_2", "hr") == {"emg": ("emg_1", "emg_2"), "hr": ("hr",)}
    assert named("Acc X", "Acc Y", "Gyr.X", "Gyr.Y") == {
        "Acc": ("Acc X", "Acc Y"), "Gyr": ("Gyr.X", "Gyr.Y")}  # fmt: skip
    assert named("a", "b", sensor="emg") == {"emg": ("a", "b")}
    assert named("a", "b", "c", named={"s": ("c", "a")}) == {"s": ("c", "a")}
    with pytest.raises(ValueError, match=r"no column of f\.csv is called 'd'"):
        named("a", named={"s": ("d",)}, file="f.csv")
    assert time_column(columns("Time (s)", "x"), None, "") == "Time (s)"
    assert time_column(columns("x"), None, "") is None


@pytest.mark.parametrize("sensors", [None, {"acc": ("x", "y", "z")}])
@pytest.mark.parametrize("pattern", [None, "{person}_{sensor}.csv"])
def test_a_cell_that_is_no_number_is_named(tmp_path, sensors, pattern):
    frame = table(np.arange(60) / 50, note="fine").astype({"y": object})
    frame.loc[17, "y"], frame.loc[5, "y"], file = "error", "", tmp_path / "p_acc.csv"
    frame.to_csv(file, index=False)
    with pytest.raises(ValueError, match=r"p_acc\.csv: y in row 17 is 'error', no number: mend it"):
        understand(tmp_path, pattern=pattern, sensors=sensors)
    frame.loc[17, "y"] = ""
    frame.to_csv(file, index=False)
    assert understand(tmp_path, pattern=pattern, sensors=sensors).channels["acc"] == (*"xyz",)
    with pytest.raises(ValueError, match=r"p_acc\.csv: note in row 0 is 'fine', no number"):
        understand(tmp_path, pattern=pattern, sensors={"acc": ("x", "note")})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda f: (f / "index.csv").write_text("file\nnope.csv\n"),
            "line 2: there is no nope.csv",
        ),
        (lambda f: (f / "index.csv").write_text("files\na/walk_acc.csv\n"), "called 'files'"),
        (lambda f: (f / "a" / "walk_acc.csv").write_bytes(b""), "walk_acc.csv cannot be read as"),
        (lambda f: (f / "a" / "walk_acc.csv").write_text("1,2\n3,4\n"), "name its columns by opt"),
        (lambda f: (f / "a" / "walk_acc.csv").write_text("u,v\n3,4\n5,6\n"), "no column of times"),
        (
            lambda f: (f / "a" / "walk_acc.csv").write_text("time,v\n3,q\n5,w\n"),
            "no column of numb",
        ),
    ],
)
def test_what_cannot_be_read_is_named(folder, change, match, tmp_path_factory):
    change(folder)
    pattern = None if (folder / "index.csv").exists() else PATTERN
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        read(folder, tmp_path_factory.mktemp("x"), pattern=pattern)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"pattern": "{man}.csv"}, "no field of pattern='{man}.csv' is called 'man'"),
        ({"pattern": "{person}.csv"}, "no file of .* fits pattern"),
        ({"pattern": PATTERN, "window_s": 0}, "options.window_s must be positive, got 0"),
        ({"pattern": PATTERN, "window_s": 90.0}, "no recording is as long as a window of 90 s"),
        ({"pattern": PATTERN, "rate_hz": {"acc": 90.0}}, "acc has 60 Hz, other recordings 60 Hz"),
        ({"pattern": "{person}/{recording}_{}.csv"}, "recording 'a/walk' has sensor 'acc' twice"),
        ({"pattern": "{recording}/{}.csv"}, "recording 'a' has sensor 'acc' twice"),
    ],
)
def test_options_that_do_not_fit_are_named(folder, options, match, tmp_path_factory):
    with pytest.raises(ValueError, match=match):
        read(folder, tmp_path_factory.mktemp("x"), **options)


def test_what_was_prepared_is_found_and_a_change_is_seen(folder, tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("x")
    options = dict(pattern=PATTERN, window_s=2.0)
    first = read(folder, cache, **options)
    (folder / "f" / "walk_gyro.csv").unlink()
    second = read(folder, cache, **options)
    assert first.present["gyro"].all() and not second.present["gyro"].all()
    assert len(read(folder, cache, **options | {"window_s": 4.0})) < len(first)


def test_the_preview_tells_and_draws_what_it_understood(folder, tmp_path_factory):
    home = tmp_path_factory.mktemp("x")
    command = [sys.executable, "-m", "mmalign.data.recordings", folder, f"pattern={PATTERN}",
               "window_s=2", f"cache_dir={home}", "--preview", home / "page.png"]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for text in ("6 recordings of 6 people, 0.07 hours",
                 "acc: x, y, z at 60 Hz", "labels: walk", "train: ", "test: "):  # fmt: skip
        assert text in done.stdout
    assert (home / "page.png").stat().st_size > 10_000
    (folder / "a" / "walk_acc.csv").write_text("time,v\n3,q\n")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (
        done.returncode == 1 and done.stderr.startswith("error: ") and "\n" not in done.stderr[:-1]
    )


def test_the_preview_shows_windows_with_all_sensors_by_names_that_it_can_draw(
    folder, tmp_path_factory, monkeypatch
):
    own = [font for font in font_manager.fontManager.ttflist
           if font.fname.startswith(matplotlib.get_data_path())]  # fmt: skip
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)  # none has the letters
    for person in "abcdef":
        (folder / person / "walk_gyro.csv").rename(folder / person / "$x_加速度.csv")
        (folder / person / "walk_acc.csv").rename(folder / person / "$x_acc.csv")
    for person in "abc":
        (folder / person / "$x_加速度.csv").unlink()
    options = dict(pattern=PATTERN, window_s=2.0)
    found = understand(folder, pattern=PATTERN)
    dataset = read(folder, tmp_path_factory.mktemp("x"), **options)
    shown = preview._of_labels(dataset)
    assert len(shown) == 1 and all(there[shown].all() for there in dataset.present.values())
    picture, key = preview.draw(found, dataset)  # a letter without a shape would be a warning
    assert picture.startswith(b"\x89PNG") and key == "[1] 加速度"


def test_a_config_reads_them(folder, tmp_path_factory):
    config = {"name": "recordings", "path": str(folder), "options": {"pattern": PATTERN},
              "cache_dir": str(tmp_path_factory.mktemp("x"))}  # fmt: skip
    data = catalogue.load(config)
    assert data.inputs["acc"].shape[1] == 154  # 2.56 s
    assert all(a < b for a, b in itertools.pairwise(data.position[data.recording == 0]))

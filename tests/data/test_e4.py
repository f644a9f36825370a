"""Sessions of an Empatica E4, folders and zips as they are exported."""

import zipfile

import numpy as np
import pytest

from mmalign.data import catalogue
from mmalign.data.dataset import TEST, TRAIN
from mmalign.data.e4_file import STREAMS

START_S = 1_644_227_574


def csv(sensor, seconds=60.0, start=START_S, rate_hz=None):
    """Every sample is its own time in seconds since START_S; acc holds it in 64ths."""
    rate_hz = rate_hz or STREAMS[sensor][1]
    times = start - START_S + np.arange(int(seconds * rate_hz)) / rate_hz
    rows = [f"{start}.000000", f"{rate_hz:.6f}"]
    rows += [repr(64 * t if sensor == "acc" else t) for t in times.tolist()]
    return "\n".join(", ".join([row] * len(STREAMS[sensor][2])) for row in rows) + "\n"


def session(**changes):
    """{file: text} of an export; `changes`: {sensor: text}, or None for none."""
    files = {m: csv(m) for m in STREAMS} | changes
    derived = {
        "HR.csv": f"{START_S}.0\n1.0\n60.0\n",
        "IBI.csv": f"{START_S}.0, IBI\n",
        "tags.csv": f"{START_S + 9}.5\n",
        "info.txt": ".csv files in this archive\n",
    }
    return derived | {STREAMS[m][0]: x for m, x in files.items() if x is not None}


def write(place, files):
    """A session, as a zip where the place is called so."""
    if place.suffix.lower() == ".zip":
        place.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(place, "w") as zipped:
            for name, text in files.items():
                zipped.writestr(name, text)
        return
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / name).write_text(text)


@pytest.fixture
def load(tmp_path):
    """Reads sessions, {path: files}, as a config does."""

    def call(sessions, **options):
        for name, files in sessions.items():
            write(tmp_path / "study" / name, files)
        config = {"name": "e4", "path": tmp_path / "study", "cache_dir": tmp_path / "cache"}
        return catalogue.load(config | {"options": options})

    return call


def test_folders_and_zips_give_windows_of_each_sensor_at_its_own_rate(load):
    data = load({"anna": session(), "ben.zip": session(), "carl": session(),
                 "dora/1644227574_A00204.zip": session()})  # fmt: skip
    assert data.modalities == ("bvp", "eda", "temp", "acc")
    assert {m: x.shape[1:] for m, x in data.inputs.items()} == {
        "bvp": (640, 1), "eda": (40, 1), "temp": (40, 1), "acc": (320, 3)
    }  # fmt: skip
    assert data.description.rate_hz == {m: stream[1] for m, stream in STREAMS.items()}
    assert data.description.unit["acc"] == "g" and data.description.channels["eda"] == ("eda",)
    assert len(np.unique(data.recording)) == 4 and set(data.group) == {0, 1, 2, 3}
    assert len(set(data.group[data.split == TEST])) == 1 and (data.label == -1).all()
    assert all(p.all() for p in data.present.values())


def test_a_window_is_of_one_time_though_sensors_start_apart(load):
    late = csv("acc", 58.0, START_S + 2)
    data = load({"anna": session(acc=late), "ben": session()}, stride_s=5.0, most_lost=0.0)
    for m, x in data.inputs.items():
        there = data.present[m]
        times = np.arange(x.shape[1]) / data.description.rate_hz[m]
        want = 5.0 * data.position[there, None] + times
        np.testing.assert_allclose(x[there, :, 0], want, atol=1e-5)  # as it was sampled
    assert not data.present["acc"][data.position == 0].all()  # it came two seconds late


def test_sensors_whose_real_rates_differ_from_the_named_ones_stay_together(load):
    def drifting(sensor, share):  # stamps and rate are nominal, what is sampled is true time
        nominal = STREAMS[sensor][1]
        text = csv(sensor, 900.0, rate_hz=nominal * share)
        return text.replace(f"{nominal * share:.6f}", f"{nominal:.6f}")

    data = load({"anna": session(**{m: drifting(m, share) for m, share in
                                    dict(bvp=1.003, acc=0.998, eda=1.0, temp=1.0).items()}),
                 "ben": session()})  # fmt: skip
    last = data.position == data.position.max()
    for m in ("bvp", "acc", "eda"):
        np.testing.assert_allclose(
            data.inputs[m][last, 0, 0], 5.0 * data.position.max(), atol=1 / STREAMS[m][1]
        )


def test_a_sensor_that_lost_a_part_is_told_by_how_much(load):
    with pytest.raises(ValueError, match=r"anna: bvp holds 50.0 s of samples .* after 60.0 s"):
        load({"anna": session(bvp=csv("bvp", 50.0)), "ben": session()})


def test_sessions_named_by_the_portal_are_of_nobody_known(load):
    data = load({"1644227574_A00204": session(), "1644227599_A00204.zip": session()})
    assert (data.group == -1).all() and set(data.split) == {TRAIN, TEST}


def test_a_single_session_may_be_the_folder_itself(load):
    data = load({".": session()})
    assert len(np.unique(data.recording)) == 2  # its end is the test
    assert data.inputs["bvp"].max() == pytest.approx(55.0, abs=0.1)


def test_empty_files_and_those_left_out_are_missing_sensors(load):
    data = load({"anna": session(eda="", temp=f"{START_S}.0\n4.0\n", acc=None), "ben": session()})
    lacks = {m: not data.present[m][data.group == 0].any() for m in data.modalities}
    assert lacks == {"bvp": False, "eda": True, "temp": True, "acc": True}
    assert all(data.present[m][data.group == 1].all() for m in data.modalities)


def test_an_index_whose_split_cuts_through_a_person_is_refused(load, tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "index.csv").write_text(
        "file,person,split\na,P7,train\nb,P7,test\nc,P8,validation\n"
    )
    with pytest.raises(ValueError, match="cuts through person P7"):
        load(dict.fromkeys("abc", session()))


def test_an_index_says_whose_a_session_is_and_its_labels(load, tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "index.csv").write_text(
        "file,person,split,labels\na.zip,P7,train,a.csv\nb,P8,test,b.csv\n"
    )
    rows = f"start,end,label\n{START_S},{START_S + 30},rest\n{START_S + 30},{START_S + 60},stress\n"
    for name in "ab":
        (folder / f"{name}.csv").write_text(rows)
    data = load({"a.zip": session(), "b": session(), "c": session()}, window_s=5.0, stride_s=5.0)
    assert data.description.class_names == ("rest", "stress") and len(data) == 22
    assert data.description.stride_s == 5.0
    np.testing.assert_array_equal(data.label, data.position >= 6)
    assert set(data.group[data.split == TRAIN]) == {0}


def test_intervals_on_another_clock_are_refused_and_not_taken_for_unlabelled(load, tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "index.csv").write_text("file,labels\na,a.csv\n")
    (folder / "a.csv").write_text("start,end,label\n0,30,rest\n")
    with pytest.raises(ValueError, match=r"a.csv: no interval is within its recording.* at 0 s"):
        load({"a": session()})


def test_a_zip_beside_what_it_was_unzipped_to_is_not_read_twice(load):
    data = load({"a": session(), "a.zip": session(), "b.ZIP": session()})
    assert len(np.unique(data.recording)) == 2


def test_a_pattern_finds_people_and_labels_in_names(load):
    data = load({f"{label}/{p}.zip": session() for p in "abcd" for label in ("rest", "run")},
                pattern="{label}/{person}.zip")  # fmt: skip
    assert data.description.class_names == ("rest", "run") and len(set(data.group)) == 4


def test_some_sensors_are_read_if_others_are_not_wanted(load):
    data = load({"a": session(), "b": session(acc="1, 2\n")}, sensors=("eda", "bvp"))
    assert data.modalities == ("eda", "bvp")


@pytest.mark.parametrize(
    ("sessions", "options", "match"),
    [
        ({"notes": {"readme.txt": "x"}}, {}, "holds no session of an E4: a zip, or a folder with"),
        ({"a.zip": {"x.csv": "1"}}, {}, r"a\.zip holds 0 sessions of an E4"),
        ({"a": session(acc="1,2,3\n")}, {"sensors": ("acc",)}, "a holds no samples in ACC.csv"),
        ({"a": session(bvp="1.0\n64.0\nx\n")}, {}, r"BVP\.csv is not a table of numbers"),
        ({"a": session(eda="1.0\n0.0\n1.0\n")}, {}, "EDA.csv must hold a start time, its"),
        ({"a": session(acc="1, 2, 1\n32, 32, 32\n1, 2, 3\n")}, {}, "ACC.csv must hold a start"),
        ({"a": session()}, {"pattern": "{person}/{recording}"}, "no file of .* fits pattern"),
        ({"a": session()}, {"sensors": ("hr",)}, "no sensor of an E4 is called 'hr'; there is acc"),
        ({"a": session()}, {"rate_hz": 4}, r"options\.rate_hz is said for each sensor.*, got 4"),
        ({"a/bvp": session()}, {"pattern": "{person}/{sensor}"}, "is said to be of 'bvp'"),
    ],
)  # fmt: skip
def test_what_is_no_session_or_no_option_is_named(load, sessions, options, match):
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        load(sessions, **options)


def test_a_zip_that_is_cut_off_is_named(load, tmp_path):
    write(tmp_path / "study" / "a.zip", session())
    whole = (tmp_path / "study" / "a.zip").read_bytes()
    (tmp_path / "study" / "a.zip").write_bytes(whole[:-1000])
    with pytest.raises(ValueError, match=r"a\.zip is not a whole zip.*Export the session again"):
        load({})

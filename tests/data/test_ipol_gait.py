"""IPOL gait, from a small zip in its layout and from the published one."""

import json
import pathlib
import zipfile

import numpy as np
import pytest

from mmalign.data import catalogue, ipol_gait
from mmalign.data.dataset import TEST, TRAIN

REAL = pathlib.Path(__file__).parents[3] / "shared" / "data" / "ipol_gait"
LAST = 399
LOST = {  # packets that did not come, by trial and place
    ("1-1", "lf"): {*range(70, 73), *range(200, 208)},  # a gap of 3, one of 8
    ("1-1", "rf"): {0, 1, *range(256, 320, 3)},  # starts late; every third of a while is missing
    ("2-1", "lb"): set(range(150, 400)),
    ("2-1", "lf"): set(range(250, 400)),
    ("2-1", "rf"): set(range(250, 400)),
}


def table(trial, place):
    """Channel c of packet i is i + c / 10; packet 5 came twice."""
    rows = [i for i in range(LAST + 1) if i not in LOST.get((trial, place), ())]
    rows.insert(6, 5)
    lines = ["\t".join([f"{i:.1f}", *(f"{i + c / 10:.6f}" for c in range(9))]) for i in rows]
    return "\n".join([*ipol_gait.HEADER, *lines]) + "\n"


@pytest.fixture
def files():
    """{path: text}, one trial of three people and two of the first."""
    about = {
        "Subject": 1,
        "TrialBoundaries": [100, 330],
        "UTurnBoundaries": [180, 270],
        "LeftFootEvents": [[110, 120], [360, 370]],
        "RightFootEvents": [[130, 140]],
    }
    files = {}
    for trial in ("1-1", "1-2", "2-1", "3-1"):
        files[f"{trial}.json"] = json.dumps(about)
        for place in ("lb", "lf", "rf"):
            files[f"{trial}_{place}.txt"] = table(trial, place)
    return files


@pytest.fixture
def load(tmp_path):
    def call(files, **options):
        with zipfile.ZipFile(tmp_path / "GaitData.zip", "w") as zipped:
            for path, text in files.items():
                zipped.writestr(f"GaitData/{path}", text)
        config = {"name": "ipol_gait", "dir": tmp_path, "cache_dir": tmp_path / "cache"}
        return catalogue.load({**config, "options": options})

    return call


def test_small_zip_gives_nine_streams_on_one_clock(load, files):
    data = load(files)
    assert data.modalities == ipol_gait.MODALITIES and len(data.modalities) == 9
    assert data.modalities[:4] == ("back_acc", "back_gyro", "back_mag", "left_foot_acc")
    # 400 packets: windows of 128 start at 0, 64, ..., 256; of 2-1 only those before 250 are left
    np.testing.assert_array_equal(data.group, np.repeat([1, 1, 2, 3], [5, 5, 2, 5]))
    np.testing.assert_array_equal(data.recording, np.repeat([0, 1, 2, 3], [5, 5, 2, 5]))
    np.testing.assert_array_equal(data.position, [*range(5), *range(5), 0, 1, *range(5)])
    np.testing.assert_array_equal(data.split, np.where(data.group == 3, TEST, TRAIN))
    packet = 64.0 * data.position[:, None] + np.arange(128)
    for i, (m, x) in enumerate(data.inputs.items()):
        assert x.shape == (17, 128, 3)
        want = packet[:, :, None] + (3 * (i % 3) + np.arange(3)) / 10
        there = data.present[m]
        np.testing.assert_allclose(x[there], want[there], rtol=1e-5)
        assert not x[~there].any()


def test_lost_packets_make_a_place_absent(load, files):
    data = load(files)
    first, third = data.recording == 0, data.recording == 2
    for sensor in ("acc", "gyro", "mag"):
        assert data.present[f"back_{sensor}"][first].all()
        # 200 to 207 are in the windows from 128 and from 192; 70 to 72 are filled
        left = data.present[f"left_foot_{sensor}"]
        np.testing.assert_array_equal(left[first], [True, True, False, False, True])
        # 0 and 1 have no packet before them; 22 of 128 are lost from 256 on, 21 from 192 on
        right = data.present[f"right_foot_{sensor}"]
        np.testing.assert_array_equal(right[first], [False, True, True, False, False])
        np.testing.assert_array_equal(data.present[f"back_{sensor}"][third], [True, False])
        assert left[third].all() and right[third].all()


def test_windows_with_lost_packets_can_be_used_where_they_are_valid(load, files):
    few, data = load(files), load(files, most_lost=0.2)
    feet = [m for m in data.modalities if "foot" in m]
    assert few.valid == {} and [*data.valid] == feet  # 33 % of a window at the back are lost
    first = data.recording == 0
    packet = 64 * data.position[first][:, None] + np.arange(128)
    lost = {"left": [*range(200, 208)], "right": [0, 1, *range(256, 320, 3)]}
    for m in feet:
        valid = data.valid[m][first]
        # 70 to 72 were filled in a window that is whole: they count
        np.testing.assert_array_equal(valid, ~np.isin(packet, lost[m.split("_")[0]]))
        assert data.present[m][first].all() and not data.inputs[m][first][~valid].any()
        whole = few.present[m]
        np.testing.assert_array_equal(data.inputs[m][whole], few.inputs[m][whole])
    np.testing.assert_array_equal(data.present["back_acc"], few.present["back_acc"])
    more = load(files, most_lost=0.5)
    np.testing.assert_array_equal(more.valid["back_mag"].sum(axis=1)[more.group == 2], [128, 86])


def test_labels_are_the_more_frequent_phase(load, files):
    # standing to 100, out to 180, turn to 270, back to 330, standing to 360, then unknown
    label = load(files).label
    np.testing.assert_array_equal(label, [0, 1, 2, 2, 3] * 2 + [0, 1] + [0, 1, 2, 2, 3])
    phases = ipol_gait.phases((100, 180, 270, 330, 360), 400)
    np.testing.assert_array_equal(np.bincount(phases + 1), [40, 130, 80, 90, 60])


def test_options_set_length_and_overlap(load, files):
    data = load(files, steps=64, overlap=0.0)
    assert data.inputs["back_mag"].shape == (21, 64, 3) and data.description.stride_s == 0.64
    # after 249 nothing is left of 2-1
    np.testing.assert_array_equal(data.position[data.group == 2], [0, 1, 2])
    assert data.label[data.group == 3].tolist() == [0, 0, 1, 2, 3, 0]


def test_second_load_reads_the_cache_unless_options_differ(
    load, files, second_load_reads_the_cache
):
    second_load_reads_the_cache(
        ipol_gait, load, files, {"steps": 64}, {"steps": 64, "overlap": 0.5, "most_lost": 0.0}
    )


REFUSED = {
    "missing": ("1-2_lf.txt", lambda text: None, "holds no 1-2_lf.txt: not the whole ipol_gait"),
    "no trial": ("1-1.json", lambda text: None, "something else: no 1-1.json inside"),
    "rate": ("1-2_lf.txt", lambda text: text.replace("100", "50", 1), "line 1 of 1-2_lf.txt must"),
    "columns": ("1-2_lf.txt", lambda text: text.replace("Mag_Z", "M"), "line 2 of 1-2_lf.txt must"),
    "cut": ("1-2_lf.txt", lambda text: text[:-30], "1-2_lf.txt is not a table of numbers"),
    "counter": ("1-2_lf.txt", lambda text: text.replace("\n7.0", "\n7.5"), "in whole numbers bel"),
    "negative": ("1-2_lf.txt", lambda text: text.replace("\n7.0", "\n-7.0"), "whole numbers bel"),
    "json": ("3-1.json", lambda text: text[:-1], "3-1.json must hold TrialBoundaries"),
    "key": ("3-1.json", lambda text: text.replace("UTurn", "U"), "3-1.json must hold Trial.*KeyEr"),
    "order": ("3-1.json", lambda text: text.replace("270", "340"), "its turn .180, 340. inside"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused_by_name(load, files, refuses_by_name, case):
    refuses_by_name(load, files, REFUSED[case], "GaitData.zip")


def test_truncated_zip_is_refused(load, files, refuses_a_truncated_zip):
    load(files)
    refuses_a_truncated_zip(ipol_gait, "GaitData.zip", "www.ipol.im/pub/art/2023/497/ and")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 1.0}, r"overlap must be in \[0, 1\), got 1.0"),
        ({"steps": 127}, r"windows of 127 rows with overlap=0.5"),
        ({"steps": 1000}, r"no window is left for training"),
        ({"most_lost": 1.0}, r"most_lost must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_options_are_refused(load, files, options, message):
    with pytest.raises(ValueError, match=message):
        load(files, **options)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the public zip is not in {REAL}")
@pytest.mark.slow
def test_published_set_is_whole(tmp_path):
    data = ipol_gait.load(dir=REAL, cache_dir=tmp_path)
    test = set(data.group[data.split == TEST].tolist())
    assert test == {3, 6, 9, 12, 15, 18}
    assert set(data.group[data.split == TRAIN].tolist()) == set(range(1, 20)) - test
    assert len(data) == 4529 and len(np.unique(data.recording)) == 110
    np.testing.assert_array_equal(np.bincount(data.label + 1), [61, 1266, 1452, 276, 1474])
    for m, x in data.inputs.items():
        assert x.shape[1:] == (128, 3) and np.isfinite(x).all()
        assert 0.01 < (~data.present[m]).mean() < 0.06
        assert not x[~data.present[m]].any()
        if m.endswith("acc"):  # gravity, where people stand; a foot's sensor shows up to 10.3
            still = data.present[m] & (data.label == 0)
            assert abs(np.median(np.linalg.norm(x[still], axis=-1)) - 9.81) < 0.6
    # whoever turns round turns by half a turn about the vertical, which is x at the back
    rate = np.abs(data.inputs["back_gyro"][:, :, 0].mean(axis=1))
    assert np.median(rate[data.label == 2]) > 5 * np.median(rate[np.isin(data.label, [1, 3])])
    # trial 1-1: walk from 459 to 2464, turn from 1316 to 1474
    np.testing.assert_array_equal(
        data.label[data.recording == 0][:39], [0] * 7 + [1] * 13 + [2] * 3 + [3] * 15 + [0]
    )

"""Damaged and contradictory files: one clear error each, and never more memory than they hold."""

import pickle
import struct
import zipfile

import numpy as np
import pytest

from experiments import damage, damaged_files
from experiments.damaged_samples import samples
from mmalign.data import archive, emg_imu_lis, ipol_gait, pickled, sp_sw_har

SAMPLES = samples()
PUBLIC = [name for name, sample in SAMPLES.items() if sample.zipped and sample.file[-4:] != ".npz"]


@pytest.fixture
def read(tmp_path):
    """(reader, {path: content or None for none}): what its sample gives with these changes."""

    def call(name, changes):
        sample = SAMPLES[name]
        home = next(iter(sample.members)).split("/")[0]
        members = sample.members | {f"{home}/{path}": x for path, x in changes.items()}
        whole = damage.packed({path: x for path, x in members.items() if x is not None})
        (tmp_path / sample.file).write_bytes(whole)
        return sample.read(tmp_path)

    return call


def content(name, path):
    sample = SAMPLES[name]
    return sample.members[next(iter(sample.members)).split("/")[0] + "/" + path]


@pytest.mark.parametrize("name", SAMPLES)
def test_whole_files_are_read(name, tmp_path):
    sample = SAMPLES[name]
    whole = damage.packed(sample.members) if sample.zipped else sample.members[""]
    for file, held in {sample.file: whole, **sample.beside}.items():
        (tmp_path / file).write_bytes(held)
    assert damaged_files.outcome(sample, tmp_path) == "accepted"


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_are_read_or_refused_by_name(name, monkeypatch):
    monkeypatch.setattr(damage, "BLANKS", 1 << 25)
    damage.blanks.cache_clear()
    counts, faults = damaged_files.campaign(SAMPLES[name], files=8, seed=1)
    assert faults == [] and counts["refused"] > 3 and counts.total() == 8


def program():
    return damage.CONTENT["program"](np.random.default_rng(0), b"")


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        (lambda folder: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda folder: (_ for _ in ()).throw(ValueError("no name")), "ValueError: no name"),
        (lambda folder: b"\0".decode("utf-16"), "UnicodeDecodeError"),
        (lambda folder: damaged_files._late(), "TooSlow"),
        (lambda folder: pickle.loads(program()), "a program in it ran"),
    ],
)
def test_other_ends_are_faults(tmp_path, read, verdict):
    assert verdict in damaged_files.outcome(SAMPLES["npz"]._replace(read=read), tmp_path)


def test_much_memory_is_a_fault_whatever_comes_of_it(tmp_path, monkeypatch):
    peaks = iter([100, 700])
    monkeypatch.setattr(damaged_files, "_peak_mib", lambda: next(peaks))
    sample = SAMPLES["npz"]
    (tmp_path / sample.file).write_bytes(damage.packed(sample.members))
    assert damaged_files.outcome(sample, tmp_path) == "600 MiB of memory, accepted"


@pytest.mark.parametrize("name", SAMPLES)
def test_programs_in_files_are_never_run(name, tmp_path):
    sample, rng = SAMPLES[name], np.random.default_rng(0)
    for file, held in sample.beside.items():
        (tmp_path / file).write_bytes(held)
    for member in list(sample.members)[:3]:
        members = dict(sample.members)
        members[member] = damage.CONTENT["program"](rng, members[member])
        whole = damage.packed(members) if sample.zipped else members[member]
        (tmp_path / sample.file).write_bytes(whole)
        assert damaged_files.outcome(sample, tmp_path) in ("accepted", "refused")


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize(
    ("local", "central", "value", "message"),
    [(6, 8, 1, "it is encrypted"), (8, 10, 12, "it is compressed by method 12")],
)
def test_what_a_zip_may_not_be_is_refused_by_name(tmp_path, name, local, central, value, message):
    sample = SAMPLES[name]
    out = bytearray(damage.packed(sample.members))
    for mark, at in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        for i in range(len(out)):
            if out[i : i + 4] == mark:
                struct.pack_into("<H", out, i + at, value)
    (tmp_path / sample.file).write_bytes(out)
    with pytest.raises(ValueError, match=f"{sample.file}: .* inside cannot be read .{message}"):
        sample.read(tmp_path)


def test_a_member_that_grows_a_thousandfold_is_refused_unread(read, monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *args: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=r"train/y_train.txt.* ask for 33,554,432 bytes of memory"):
        read("uci_har", {"train/y_train.txt": b" " * (1 << 25)})


def test_growth_is_measured_by_what_is_there():
    archive.check_growth(1 << 24, 1)
    archive.check_growth(100 << 24, 1 << 24)
    archive.check_growth(1 << 30, 1, large=1 << 30)
    with pytest.raises(ValueError, match="1 bytes of it ask for 16,777,217 bytes"):
        archive.check_growth((1 << 24) + 1, 1)


GESTURE = "Dataset/A/x.json"
PERSON = "S9/S9.pkl"
TIMES = "Raw_data/S02/EDA.csv"
LIST = "DATA/executions_info.csv"
PHONE = "DATA/s02/s02_01_sp.csv"
BOUNDARIES = "1-1.json"


def stored(**changes):
    """The pickle of a person of WESAD with other labels or signals of the chest."""
    tree = pickle.loads(content("wesad", PERSON))
    chest = tree["signal"]["chest"]
    for key, change in changes.items():
        place = tree if key == "label" else chest
        place[key] = change(place[key])
    return pickle.dumps(tree, 2)


def shifted(by_ms):
    """A phone's table with other time stamps."""
    first, *rows = content("sp_sw_har", PHONE).decode().splitlines()
    cells = [row.split(",") for row in rows]
    moved = [[*c[:6], str(int(c[6]) + by_ms), c[7]] for c in cells]
    return "\n".join([first, *map(",".join, moved)]).encode()


def replaced(name, path, old, new):
    found = content(name, path)
    assert old in found
    return found.replace(old, new, 1)


CONTRADICTIONS = {
    "deep json": ("emg_imu_lis", GESTURE, b"[" * 200_000, "is not a gesture.*RecursionError"),
    "infinite json": (
        "emg_imu_lis", GESTURE, replaced("emg_imu_lis", GESTURE, b"0.5", b"Infinity"),
        "holds infinite values of gyro",
    ),
    "long number": (
        "emg_imu_lis", GESTURE, replaced("emg_imu_lis", GESTURE, b"0.5", b"1" * 400),
        "is not a gesture.*OverflowError",
    ),
    "large json": ("emg_imu_lis", GESTURE, b"[]," * 500_000, "1,500,000 bytes, expected 1,048,576"),
    "infinite boundary": (
        "ipol_gait", BOUNDARIES, replaced("ipol_gait", BOUNDARIES, b"50", b"Infinity"),
        "must hold TrialBoundaries.*OverflowError",
    ),
    "trial without its json": ("ipol_gait", "2-1.json", None, "2-1_lb.txt without its .json"),
    "columns of classes": (
        "uci_har", "activity_labels.txt", b"1 WALKING fast\n2 SITTING\n", "give each one name",
    ),
    "person on both sides": (
        "uci_har", "test/subject_test.txt", b"2\n2\n3\n", "person 3 is in train/subject_train.txt",
    ),
    "half a person": ("uci_har", "test/subject_test.txt", b"2\n2\n2.5\n", "person 2.5 in test/sub"),
    "cut number": ("uci_har", "test/y_test.txt", b"1\n1#2\n2\n", "y_test.txt is not a table"),
    "infinite sample": (
        "stress_predict", TIMES, replaced("stress_predict", TIMES, b"\n7\n", b"\ninf\n"),
        "EDA.csv must hold .* 1 of them not finite",
    ),
    "overflow": (
        "stress_predict", TIMES, replaced("stress_predict", TIMES, b"\n7\n", b"\n-1e300\n"),
        "EDA.csv must hold .* 1 of them not finite",
    ),
    "infinite signal": (
        "wesad", PERSON, stored(EMG=lambda x: np.where(np.arange(400)[:, None] == 150, np.inf, x)),
        "holds infinite values of emg",
    ),
    "unknown label": ("wesad", PERSON, stored(label=lambda x: x + 7), "rows or more by 0 to 7"),
    "short": (
        "wesad", PERSON,
        stored(label=lambda x: x[:9], **dict.fromkeys(("ECG", "EMG", "EDA"), lambda x: x[:9])),
        "label 28 rows or more",
    ),
    "lists for arrays": ("wesad", PERSON, stored(label=list), "a list where an array of numbers"),
    "clock off": ("sp_sw_har", PHONE, shifted(11 * 86_400_000), "share 0 s of 2.99 s: one of them"),
    "unlisted": ("sp_sw_har", LIST, b"id,side\ns01_01,l\ns03_01,l\n", "s02_01_sp.csv is no execut"),
    "slow clock": (
        "sp_sw_har", PHONE,
        b"\n".join(
            [content("sp_sw_har", PHONE).split(b"\n")[0],
             *(b"0,0,0,0,0,0,%d,WALKING" % (100_000 * i) for i in range(40))]
        ),
        "time stamps tell 0.01 Hz, expected 50 to 200",
    ),
    "activity": (
        "pamap2", "Protocol/subject103.dat",
        replaced("pamap2", "Protocol/subject103.dat", b"8.38 1.0", b"8.38 1e30"),
        "number of an activity",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_cannot_be_is_refused_by_name(read, case):
    name, path, changed, message = CONTRADICTIONS[case]
    with pytest.raises(ValueError, match=message) as error:
        read(name, {path: changed})
    assert SAMPLES[name].file in str(error.value)


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (emg_imu_lis, "holds 3 of 780 published gestures"),
        (ipol_gait, "holds 3 of 110 published trials"),
        (sp_sw_har, "holds 3 of 223 published executions"),
    ],
)
def test_a_set_that_lacks_parts_says_so(tmp_path, monkeypatch, capsys, reader, said):
    sample = SAMPLES[reader.ORIGIN.name]
    (tmp_path / sample.file).write_bytes(damage.packed(sample.members))
    monkeypatch.setattr(reader, "through_cache", lambda make, **key: None)
    reader.load(dir=tmp_path)
    assert f"{sample.file} {said}" in capsys.readouterr().err


def test_executions_without_a_window_are_told_of(read, capsys):
    first, *rows = content("sp_sw_har", PHONE).splitlines()
    short = {PHONE.replace("_sp", d): b"\n".join([first, *rows[:40]]) for d in ("_sp", "_sw")}
    assert len(np.unique(read("sp_sw_har", short).recording)) == 2
    assert "holds 2 of 3 executions with a window (steps=64)" in capsys.readouterr().err
    read("sp_sw_har", {})
    assert not capsys.readouterr().err


def nested(depth):
    tree = [1, 2]
    for _ in range(depth):
        tree = [tree, tree]
    return tree


def test_lists_that_share_their_parts_are_filled_once():
    found = pickled.loads(pickle.dumps(nested(10)))
    assert found == nested(10) and found[0] is found[1]


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (pickle.dumps(nested(60)), "repeats its parts to more than 1,000,000"),
        (b"\x80\x02K\x01r\xff\xff\xff\x7f.", "numbers what was not made"),
        (b"I1\np2147483647\n.", "numbers what was not made"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\0.", "more is to follow"),
        (b"\x80\x02T\xff\xff\xff\xff.", "-1 bytes follow"),
        (pickle.dumps(np.arange(3), 5, buffer_callback=lambda x: None), "out of band.*protocol 4"),
        (pickle.dumps(np.arange(3), 5), "_frombuffer, which is refused.*take 4"),
    ],
)
def test_pickles_that_ask_for_more_than_they_hold_are_refused(stored, message):
    with pytest.raises(ValueError, match=message):
        pickled.loads(stored)


def test_a_long_pickle_may_hold_as_many_things_as_bytes(monkeypatch):
    monkeypatch.setattr(pickled, "_NODES", 5)
    assert pickled.loads(pickle.dumps([1.5] * 10)) == [1.5] * 10


@pytest.mark.parametrize("refused", [PermissionError, MemoryError])
def test_what_memory_or_rights_refuse_is_not_called_damaged(tmp_path, monkeypatch, refused):
    sample = SAMPLES["uci_har"]
    (tmp_path / sample.file).write_bytes(damage.packed(sample.members))

    def read_bytes(path):
        raise refused

    monkeypatch.setattr(zipfile.Path, "read_bytes", read_bytes)
    with pytest.raises(refused):
        sample.read(tmp_path)

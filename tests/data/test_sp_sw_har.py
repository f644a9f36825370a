"""sp-sw-har, from a small zip in its layout and from the published one."""

import pathlib
import zipfile

import numpy as np
import pytest

from mmalign.data import sp_sw_har
from mmalign.data.dataset import TEST, TRAIN

REAL = pathlib.Path(__file__).parents[3] / "shared" / "data" / "sp_sw_har"
HEADER = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label\n"
RATES_HZ = {"sp": 102.4, "sw": 104.3}
WAVE_HZ = 3.0


def csv(rng, device, late_s):
    """A 3 Hz wave on every axis, stamped late; walking, then turning from 5 s on."""
    first, last = {"sp": (0.0, 7.9), "sw": (0.2, 10.0)}[device]
    times = np.arange(first, last, 1 / RATES_HZ[device])
    wave = np.sin(2 * np.pi * WAVE_HZ * times)
    stamps = np.maximum.accumulate(times + rng.exponential(late_s, len(times)))
    lines = [
        ",".join([repr(float(v))] * 6) + f",{1_657_533_977_000 + int(1000 * t)},{label}"
        for v, t, label in zip(wave, stamps, np.where(times < 5, "WALKING", "TURNING"))
    ]
    return HEADER + "\n".join(lines) + "\n"


@pytest.fixture
def files(rng):
    """{path: text} of people 1 to 3, two executions of the first."""
    names = ("s01_01", "s01_02", "s02_01", "s03_01")
    files = {
        f"DATA/{name[:3]}/{name}_{device}.csv": csv(rng, device, 0.005 if device == "sp" else 0.001)
        for name in names
        for device in RATES_HZ
    }
    rows = "".join(f"{name},back_inv,l,r\n" for name in names)
    return files | {"DATA/executions_info.csv": "execution_id,orientation,first,second\n" + rows}


@pytest.fixture
def load(tmp_path):
    def call(files, **options):
        with zipfile.ZipFile(tmp_path / "sp-sw-har-dataset.zip", "w") as zipped:
            for path, text in files.items():
                zipped.writestr(f"sp-sw-har-dataset/{path}", text)
        return sp_sw_har.load(dir=tmp_path, cache_dir=tmp_path / "cache", **options)

    return call


def test_small_zip_gives_windows_of_four_modalities(load, files):
    data = load(files)
    assert data.modalities == ("phone_acc", "phone_gyro", "watch_acc", "watch_gyro")
    # 7.7 s are covered by both devices: 385 steps, five windows of 128 half overlapping
    assert {x.shape for x in data.inputs.values()} == {(20, 128, 3)}
    np.testing.assert_array_equal(data.position, np.tile(np.arange(5), 4))
    np.testing.assert_array_equal(data.recording, np.repeat(np.arange(4), 5))
    np.testing.assert_array_equal(data.group, np.repeat([1, 2, 3], [10, 5, 5]))
    np.testing.assert_array_equal(data.split, np.where(data.group == 3, TEST, TRAIN))
    # windows start at 0.2 + 1.28 i s: the fourth holds 4.04 to 6.6 s, mostly turning
    np.testing.assert_array_equal(data.label, np.tile([2, 2, 2, 3, 3], 4))
    assert set(data.description.rate_hz.values()) == {50.0} and data.description.stride_s == 1.28


def test_both_devices_land_on_one_clock(load, files):
    data = load(files)
    times = 0.2 + 1.28 * data.position[:, None] + np.arange(128) / 50
    want = np.sin(2 * np.pi * WAVE_HZ * times)
    inside = slice(10, -10)
    for m in data.modalities:
        error = data.inputs[m][:, inside, 0] - want[:, inside]
        assert np.abs(error).max() < 2 * np.pi * WAVE_HZ * 0.004 + 0.02, m  # 4 ms late at most
    neighbours = np.flatnonzero(np.diff(data.position) == 1)
    for x in data.inputs.values():
        np.testing.assert_array_equal(x[neighbours, 64:], x[neighbours + 1, :64])


def test_purity_drops_mixed_windows_and_keeps_their_place(load, files):
    data = load(files, purity=0.95)
    np.testing.assert_array_equal(data.position, np.tile([0, 1, 4], 4))
    assert len(load(files, purity=1.0)) == 12


def test_steps_set_the_length_of_windows(load, files):
    assert load(files, steps=50).inputs["watch_gyro"].shape == (56, 50, 3)


def test_second_load_reads_the_cache_unless_options_differ(
    load, files, second_load_reads_the_cache
):
    second_load_reads_the_cache(sp_sw_har, load, files, {"steps": 64}, {"steps": 64, "purity": 0.0})


PHONE = "DATA/s01/s01_02_sp.csv"
REFUSED = {
    "missing": (PHONE, lambda text: None, "holds no DATA/s01/s01_02_sp.csv"),
    "header": (PHONE, lambda text: text.replace("z_gyro", "w"), "s01_02_sp.csv must have the colu"),
    "number": (PHONE, lambda text: text.replace("0.0", "zero", 1), "s01_02_sp.csv cannot be read"),
    "cut": (PHONE, lambda text: text[:-40], "s01_02_sp.csv cannot be read"),
    "nan": (PHONE, lambda text: text.replace("0.0,", "nan,", 1), "numbers not finite"),
    "label": (PHONE, lambda text: text.replace("TURNING", "DANCING"), "labels SEATED.*got DANCING"),
    "clock": (PHONE, lambda text: text.replace(",165753398", ",165753399"), "off an even clock"),
    "empty": (PHONE, lambda text: HEADER + "0,0,0,0,0,0,5,SEATED\n", "16 time stamps in order"),
    "list": ("DATA/executions_info.csv", lambda text: text + "s1\n", "like s01_02, got .'s1'."),
    "no list": ("DATA/executions_info.csv", lambda text: "", "like s01_02, got none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused_by_name(load, files, refuses_by_name, case):
    refuses_by_name(load, files, REFUSED[case], "sp-sw-har-dataset.zip")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 127}, "steps must be an even number, got 127"),
        ({"steps": 0}, "steps must be an even number, got 0"),
        ({"purity": 1.5}, r"purity must be in \[0, 1\], got 1.5"),
        ({"steps": 1000}, "no window is left.*steps=1000"),
    ],
)
def test_bad_options_are_refused(load, files, options, message):
    with pytest.raises(ValueError, match=message):
        load(files, **options)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the public zip is not in {REAL}")
def test_published_set_is_whole_and_even(tmp_path):
    data = sp_sw_har.load(dir=REAL, cache_dir=tmp_path)
    assert len(np.unique(data.recording)) == 223
    test = set(data.group[data.split == TEST].tolist())
    assert test == {3, 6, 9, 12, 15, 18, 21}
    assert set(data.group[data.split == TRAIN].tolist()) == set(range(1, 24)) - test
    assert 1500 < len(data) < 1720
    assert (np.bincount(data.label[data.split == TEST], minlength=5) > 10).all()
    for m, x in data.inputs.items():
        assert x.shape[1:] == (128, 3) and np.isfinite(x).all()
        if m.endswith("acc"):  # gravity in m/s^2
            assert abs(np.median(np.linalg.norm(x, axis=-1)) - 9.81) < 0.5

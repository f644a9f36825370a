"""What python -m mmalign.data.npz says of a file."""

import runpy
import sys

import numpy as np
import pytest

from mmalign.data.npz_summary import main

N = 12


@pytest.fixture
def file(tmp_path, rng):
    """Two series, one with gaps and one that is missing once; a channel never moves."""
    acc = rng.normal(size=(N, 8, 3))
    acc[3, 2:4], acc[:, :, 2] = np.nan, 0
    ecg = rng.normal(size=(N, 20, 1))
    ecg[5] = np.nan
    np.savez(
        tmp_path / "mine.npz", acc=acc, ecg=ecg, rate_hz_acc=50.0, rate_hz_ecg=1.0,
        label=np.arange(N) % 3, class_names=["sit", "lie", "run"], group=np.repeat(range(6), 2),
        target_age=np.where(np.arange(N) < 4, np.nan, 30.0),
    )  # fmt: skip
    return tmp_path / "mine.npz"


@pytest.mark.parametrize(
    "line",
    [
        "12 windows of 6 people, in 6 recordings",
        "  acc: series [8, 3], 50 Hz, 0.16 s a window, 2.1 % of the samples lost",
        "  ecg: series [20, 1], 1 Hz, 20 s a window",
        "  ecg is missing from 8.3 % of the windows",
        "  label: 3 classes (sit, lie, run), known of 12 windows",
        "  age: real numbers [1], known of 8 windows",
        "Test: 2 of 6 people",
        "train: 8 windows (sit ",
        "test: 4 windows (sit ",
        "Note: acc: channel 2 is constant",
    ],
)
def test_a_whole_file_is_summed_up(file, capsys, line):
    main([str(file)])
    assert any(said.startswith(line) for said in capsys.readouterr().out.splitlines())


def test_it_is_as_the_run_would_have_it(file, capsys):
    main([str(file), "--test_fraction=0.5"])
    assert "Test: 3 of 6 people" in capsys.readouterr().out


def test_the_module_says_what_is_wrong_in_one_line_and_ends_with_1(file, monkeypatch):
    file.write_bytes(file.read_bytes()[:-50])
    monkeypatch.setattr(sys, "argv", ["npz", str(file)])
    monkeypatch.delitem(sys.modules, "mmalign.data.npz")  # as it is before a program runs
    with pytest.raises(
        SystemExit, match=r"error: .*mine\.npz .* is not a whole \.npz file"
    ) as left:
        runpy.run_module("mmalign.data.npz", run_name="__main__")
    assert "\n" not in str(left.value)  # a text is printed, and the status is 1

"""Files that are written as a whole or not at all."""

import errno
import os

import numpy as np
import pytest

from mmalign import files


@pytest.fixture
def full_disk(monkeypatch):
    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_full_disk_is_named_by_the_file_and_leaves_what_was_there(full_disk, tmp_path):
    path = tmp_path / "results.json"
    path.write_text("before")
    with pytest.raises(OSError, match=r"No space left on device: '.*results.json'"):
        files.write_text(path, "after")
    assert path.read_text() == "before" and [*tmp_path.iterdir()] == [path]


def test_arrays_come_back_under_any_name(tmp_path):
    arrays = {"file": np.arange(3), "a/b": np.ones((2, 2)), "": np.zeros(1)}
    files.write_arrays(tmp_path / "x.npz", arrays)
    found = files.read_arrays(tmp_path / "x.npz")
    assert [*found] == [*arrays]
    for name, x in arrays.items():
        np.testing.assert_array_equal(found[name], x)

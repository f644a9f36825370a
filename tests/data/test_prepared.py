"""What is prepared once is read back equal, or prepared anew."""

import concurrent.futures
import dataclasses
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap

import jax
import numpy as np
import pytest

from mmalign.data import prepared
from mmalign.data.dataset import Dataset, Description, Task

N = 20


def make_dataset():
    rng = np.random.default_rng(0)
    present = rng.random(N) < 0.7
    wrist = rng.normal(size=(N, 8, 3)) * present[:, None, None]
    return Dataset(
        # not in alphabetical order: the order of modalities must come back
        inputs={
            "wrist": wrist.astype(np.float32),
            "belt": rng.normal(size=(N, 6, 1)).astype(np.float32),
        },
        present={"wrist": present, "belt": np.ones(N, bool)},
        targets={"label": rng.integers(-1, 3, N).astype(np.int32)},
        group=np.repeat(np.arange(4), 5).astype(np.int32),
        split=np.repeat([0, 1], 10).astype(np.int8),
        recording=np.repeat(np.arange(4), 5).astype(np.int32),
        position=np.tile(np.arange(5), 4).astype(np.int32),
        description=Description(
            name="toy",
            rate_hz={"wrist": 50.0, "belt": 40.0},
            unit={"wrist": "g", "belt": "mV"},
            channels={"wrist": ("x", "y", "z"), "belt": ("v",)},
            class_names=("a", "b", "c"),
            citation="Someone, 2020",
            licence="CC0",
            stride_s=0.08,
        ),
    )


def make_mixed():
    """Every kind of modality and target, gaps, a source, and three splits."""
    rng = np.random.default_rng(1)
    shapes = {"wrist": (8, 3), "face": (4, 5, 3), "age": (6,), "words": (7, 2)}
    inputs = {m: rng.normal(size=(N, *shape)).astype(np.float32) for m, shape in shapes.items()}
    targets = {
        "mood": rng.normal(size=N).astype(np.float32),
        "label": rng.integers(-1, 3, N).astype(np.int32),
        "tags": rng.integers(-1, 2, (N, 4)).astype(np.int8),
        "place": np.where(rng.random((N, 2)) < 0.2, np.nan, 1.5).astype(np.float32),
        "phase": rng.integers(0, 9, N).astype(np.int32),
    }
    description = Description(
        name="mixed",
        rate_hz={"wrist": 50.0},
        unit=dict.fromkeys(shapes, ""),
        channels={m: tuple("abcdef"[: shape[-1]]) for m, shape in shapes.items()},
        kind={"face": "image", "age": "vector", "words": "sequence"},
        targets={
            "mood": Task("real", 1),
            "tags": Task("multi_hot", 4, ("a", "b", "c", "d")),
            "place": Task("real", 2),
            "phase": Task("classes", 9),
        },
    )
    return dataclasses.replace(
        make_dataset(),
        inputs=inputs,
        present={m: np.ones(N, bool) for m in shapes},
        valid={"wrist": rng.random((N, 8)) < 0.5},
        targets=targets,
        source=np.repeat([3, 4], 10).astype(np.int32),
        split=np.repeat(np.array([0, 1, 2], np.int8), [10, 4, 6]),
        factors={"shared": rng.normal(size=(N, 2)).astype(np.float32)},
        description=description,
    )


class Counted:
    """Makes the data set and counts how often."""

    def __init__(self, make=make_dataset):
        self.make, self.calls = make, 0

    def __call__(self):
        self.calls += 1
        return self.make()


def load(make, folder, key=(1, "a"), version="1.0.0"):
    return prepared.through_cache(make, name="toy_set", version=version, key=key, cache_dir=folder)


def assert_equal(a, b):
    assert a.modalities == b.modalities and [*a.targets] == [*b.targets]
    assert a.description == b.description and a.tasks == b.tasks
    for field in dataclasses.fields(a):
        if field.name != "description":
            one, other = getattr(a, field.name), getattr(b, field.name)
            jax.tree.map(np.testing.assert_array_equal, one, other)
            assert jax.tree.map(lambda x: x.dtype, one) == jax.tree.map(lambda x: x.dtype, other)


def test_prepared_once_and_read_back_equal(tmp_path, capfd, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    make = Counted()
    first, second = load(make, tmp_path), load(make, tmp_path)
    assert make.calls == 1 and not [*elsewhere.iterdir()]
    assert_equal(first, make_dataset())
    assert_equal(second, first)
    assert capfd.readouterr().out == ""


def test_any_kind_of_modality_and_target_is_read_back_equal(tmp_path):
    make = Counted(make_mixed)
    first, second = load(make, tmp_path), load(make, tmp_path)
    assert make.calls == 1
    assert_equal(first, make_mixed())
    assert_equal(second, first)


def test_another_format_is_prepared_anew(tmp_path, monkeypatch):
    make = Counted()
    load(make, tmp_path)
    monkeypatch.setattr(prepared, "FORMAT", prepared.FORMAT + 1)
    load(make, tmp_path)
    assert make.calls == 2


def test_what_is_stored_is_tfds_over_array_record(tmp_path):
    import tensorflow_datasets as tfds

    data = load(make_dataset, tmp_path)
    (folder,) = (tmp_path / "datasets" / "toy_set").glob("*/toy_set/1.0.0")
    assert list(folder.glob("*.array_record*"))
    source = tfds.builder_from_directory(folder).as_data_source(split="test")
    assert len(source) == 10
    np.testing.assert_array_equal(source[3]["inputs"]["wrist"], data.inputs["wrist"][13])
    assert "tensorflow" not in sys.modules


def test_other_key_or_version_is_prepared_anew(tmp_path):
    make = Counted()
    load(make, tmp_path)
    load(make, tmp_path, key=(2, "a"))
    load(make, tmp_path, version="1.0.1")
    assert make.calls == 3
    load(make, tmp_path)
    assert make.calls == 3


@pytest.mark.parametrize("harm", ["no manifest", "short record", "no record", "half manifest"])
def test_half_a_preparation_is_done_again(tmp_path, harm):
    make = Counted()
    whole = load(make, tmp_path)
    (manifest,) = tmp_path.rglob(prepared.MANIFEST)
    record = next(tmp_path.rglob("*train.array_record*"))
    if harm == "no manifest":
        manifest.unlink()
    elif harm == "half manifest":
        manifest.write_text(manifest.read_text()[:20])
    elif harm == "no record":
        record.unlink()
    else:
        os.truncate(record, record.stat().st_size // 2)
    assert_equal(load(make, tmp_path), whole)
    assert make.calls == 2


def test_record_of_other_bytes_is_prepared_again(tmp_path, capsys):
    make = Counted()
    whole = load(make, tmp_path)
    record = next(tmp_path.rglob("*train.array_record*"))
    record.write_bytes(b"\xa5" * record.stat().st_size)
    assert_equal(load(make, tmp_path), whole)
    assert make.calls == 2
    assert re.search(r"data in .*datasets/toy_set/1.0.0-.* are damaged \(", capsys.readouterr().out)


def test_what_another_process_prepared_again_meanwhile_is_left_alone(tmp_path, monkeypatch):
    """Both have found the damage; the other one is through with it before this one begins."""
    make, read = Counted(), prepared._read
    whole, others = load(make, tmp_path), [make]
    record = next(tmp_path.rglob("*train.array_record*"))
    record.write_bytes(b"\xa5" * record.stat().st_size)

    def overtaken(folder):
        try:
            return read(folder)
        except Exception:
            if others:
                load(others.pop(), tmp_path)
            raise

    monkeypatch.setattr(prepared, "_read", overtaken)
    assert_equal(load(make, tmp_path), whole)
    assert make.calls == 2


def test_killed_preparation_leaves_nothing_that_is_read(tmp_path):
    script = """
        import os, runpy, sys
        from mmalign.data import prepared
        test = runpy.run_path(sys.argv[1])
        os.replace = lambda *_: os.kill(os.getpid(), 9)  # all written, not yet renamed
        test["load"](test["make_dataset"], sys.argv[2])
    """
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), __file__, str(tmp_path)], check=False
    )
    assert died.returncode == -signal.SIGKILL
    home = tmp_path / "datasets" / "toy_set"
    assert len(list(home.glob("*.partial"))) == 1
    make = Counted()
    assert_equal(load(make, tmp_path), make_dataset())
    assert make.calls == 1
    assert not list(home.glob("*.partial"))


def test_two_at_once_prepare_once(tmp_path):
    make = Counted()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: load(make, tmp_path), range(2))
    assert make.calls == 1
    assert_equal(one, two)


def test_failed_reading_leaves_no_data_set(tmp_path):
    def fail():
        raise ValueError("broken zip")

    with pytest.raises(ValueError, match="broken zip"):
        load(fail, tmp_path)
    assert_equal(load(make_dataset, tmp_path), make_dataset())


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cannot prepare toy_set in .*cache_dir=FOLDER"):
        load(make_dataset, tmp_path / "file")

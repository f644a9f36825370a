import json
import struct
import sys
import types

import jax
import pytest

from mmalign.training import make_writer
from mmalign.training.writers import JsonlWriter


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(folder):
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):  # length, its checksum, the event, its checksum
            (size,) = struct.unpack_from("<Q", data, at)
            found.append(Event.FromString(data[at + 12 : at + 12 + size]))
            at += 16 + size
    return found


def test_rewind_drops_later_lines_of_that_stage_alone(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path)
    for stage, steps in (("mae", (10, 20)), ("align", (10, 20)), ("align_2", (20,))):
        for step in steps:
            writer.scalars(step, {f"{stage}/loss": 1.0})
    writer.rewind("align", 15)
    writer.scalars(20, {"align/loss": 2.0})
    writer.close()
    assert read(path) == [
        {"step": 10, "mae/loss": 1.0},
        {"step": 20, "mae/loss": 1.0},
        {"step": 10, "align/loss": 1.0},
        {"step": 20, "align_2/loss": 1.0},
        {"step": 20, "align/loss": 2.0},
    ]


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "a/loss": 1.0}\n{"step": 2, "a/lo')
    writer = JsonlWriter(path)
    writer.scalars(2, {"a/loss": 0.5})
    writer.close()
    assert [line["step"] for line in read(path)] == [1, 2]


def test_values_that_are_not_finite_become_null(tmp_path):
    writer = JsonlWriter(tmp_path / "metrics.jsonl")
    writer.scalars(1, {"a/loss": float("nan"), "a/x": float("-inf"), "a/y": 0.5})
    writer.close()
    assert read(tmp_path / "metrics.jsonl") == [
        {"step": 1, "a/loss": None, "a/x": None, "a/y": 0.5}
    ]


def test_workdir_gets_the_record_and_tensorboard_files_that_hide_what_is_repeated(tmp_path):
    writer = make_writer(tmp_path / "run")
    writer.scalars(10, {"mae/loss": 0.5})
    writer.scalars(20, {"mae/loss": 0.25})
    writer.rewind("mae", 10)
    writer.scalars(20, {"mae/loss": 0.125})
    writer.close()
    assert [line["mae/loss"] for line in read(tmp_path / "run" / "metrics.jsonl")] == [0.5, 0.125]
    found = events(tmp_path / "run" / "tensorboard" / "mae")
    values = [(e.step, e.summary.value[0].simple_value) for e in found if e.summary.value]
    assert values == [(10, 0.5), (20, 0.25), (20, 0.125)]
    assert {e.summary.value[0].tag for e in found if e.summary.value} == {"mae/loss"}
    assert [e.step for e in found if e.session_log.status == e.session_log.START] == [11]


def test_wandb_gets_a_step_per_stage_and_only_when_asked(tmp_path, monkeypatch):
    logged = []

    class Run:
        define_metric = lambda self, *a, **k: logged.append((a, k))
        log = lambda self, values: logged.append(values)
        finish = lambda self: logged.append("finish")

    fake = types.SimpleNamespace(init=lambda **k: logged.append(k) or Run())
    monkeypatch.setitem(sys.modules, "wandb", fake)
    make_writer(tmp_path, tensorboard=False).close()
    assert logged == []
    writer = make_writer(tmp_path, tensorboard=False, wandb={"project": "p"})
    writer.rewind("mae", 0)
    writer.scalars(10, {"mae/loss": 0.5})
    writer.scalars(20, {"mae/loss": 0.4})
    writer.close()
    assert logged == [
        {"dir": tmp_path, "resume": "allow", "project": "p"},
        (("mae/*",), {"step_metric": "mae/step"}),
        {"mae/step": 10, "mae/loss": 0.5},
        {"mae/step": 20, "mae/loss": 0.4},
        "finish",
    ]


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    writer = make_writer(tmp_path / "run")
    writer.scalars(1, {"a/loss": 1.0})
    writer.rewind("a", 0)
    writer.close()
    assert not (tmp_path / "run").exists()


def test_wandb_that_is_not_installed_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError):
        make_writer(tmp_path, wandb={})

import json
import struct
import sys
import types

import jax
import pytest

from mmalign.training import make_writer
from mmalign.training.jsonl import JsonlWriter


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


def test_rewind_drops_later_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path)
    for step in (10, 20, 30):
        writer.scalars(step, {"align/loss": 1.0})
    writer.rewind(15)
    writer.scalars(20, {"align/loss": 2.0})
    writer.close()
    assert read(path) == [{"step": 10, "align/loss": 1.0}, {"step": 20, "align/loss": 2.0}]


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "a/loss": 1.0}\n{"step": 2, "a/lo')
    writer = JsonlWriter(path)
    writer.scalars(2, {"a/loss": 0.5})
    writer.close()
    assert [line["step"] for line in read(path)] == [1, 2]


@pytest.mark.parametrize(
    "odd", [b"\n", b"[1]\n", b"step 2\n", b'{"step": "2"}\n', b"\xff\x00{\n", b'{"loss": 1}\n']
)
def test_lines_that_cannot_be_read_are_left_out_aloud_and_kept_beside(tmp_path, odd, capsys):
    path = tmp_path / "metrics.jsonl"
    first, third = (f'{{"step": {step}, "a/loss": 1.0}}\n'.encode() for step in (1, 3))
    path.write_bytes(first + odd + third)
    writer = JsonlWriter(path)
    writer.rewind(3)
    writer.close()
    assert [line["step"] for line in read(path)] == [1, 3]
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"{path}: 1 lines cannot be read") and said.endswith(f"{path}.damaged")
    assert path.with_name("metrics.jsonl.damaged").read_bytes() == first + odd + third


def test_values_that_are_not_finite_become_null(tmp_path):
    writer = JsonlWriter(tmp_path / "metrics.jsonl")
    writer.scalars(1, {"a/loss": float("nan"), "a/x": float("-inf"), "a/y": 0.5})
    writer.close()
    assert read(tmp_path / "metrics.jsonl") == [
        {"step": 1, "a/loss": None, "a/x": None, "a/y": 0.5}
    ]


def test_workdir_gets_the_record_and_tensorboard_files_that_hide_what_is_repeated(tmp_path):
    writer = make_writer(tmp_path / "run", "mae")
    writer.scalars(10, {"mae/loss": 0.5})
    writer.scalars(20, {"mae/loss": 0.25})
    writer.rewind(10)
    writer.scalars(20, {"mae/loss": 0.125})
    writer.close()
    assert [line["mae/loss"] for line in read(tmp_path / "run" / "metrics.jsonl")] == [0.5, 0.125]
    found = events(tmp_path / "run" / "tensorboard")
    values = [(e.step, e.summary.value[0].simple_value) for e in found if e.summary.value]
    assert values == [(10, 0.5), (20, 0.25), (20, 0.125)]
    assert {e.summary.value[0].tag for e in found if e.summary.value} == {"mae/loss"}
    assert [e.step for e in found if e.session_log.status == e.session_log.START] == [11]


def test_wandb_gets_a_run_of_the_training_and_only_when_asked(tmp_path, monkeypatch):
    logged = []

    class Run:
        log = lambda self, values, step: logged.append((step, values))
        finish = lambda self: logged.append("finish")

    fake = types.SimpleNamespace(init=lambda **k: logged.append(k) or Run())
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for nothing in (None, {}, {"project": None}):
        make_writer(tmp_path, "mae", tensorboard=False, wandb=nothing).close()
    assert logged == []
    writer = make_writer(tmp_path, "mae", tensorboard=False, wandb={"project": "p", "id": None})
    writer.rewind(0)
    writer.scalars(10, {"mae/loss": 0.5})
    writer.scalars(20, {"mae/loss": 0.4})
    writer.close()
    assert logged == [
        {"dir": tmp_path, "resume": "allow", "name": "mae", "project": "p"},
        (10, {"mae/loss": 0.5}),
        (20, {"mae/loss": 0.4}),
        "finish",
    ]


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    writer = make_writer(tmp_path / "run", "mae")
    writer.scalars(1, {"a/loss": 1.0})
    writer.rewind(0)
    writer.close()
    assert not (tmp_path / "run").exists()


def test_wandb_that_is_not_installed_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"pip install 'mmalign\[wandb\]'"):
        make_writer(tmp_path, "mae", wandb={"project": "p"})

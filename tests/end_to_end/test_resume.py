"""One run that is stopped, then killed, then left alone, each time in a new process."""

import json
import pathlib
import signal
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

INTERRUPT = pathlib.Path(__file__).with_name("interrupt.py")
STAGES = ("pretrain", "align")
CHANGES = {"references": ()}


def saved(folder, stage):
    """Steps of the checkpoints that are complete."""
    found = (folder / "checkpoints" / stage).glob("*")
    return sorted(int(path.name) for path in found if path.name.isdigit())


def last_state(folder, stage):
    """All that was saved after the last step: parameters, optimiser, step."""
    path = folder / "checkpoints" / stage / "6"
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
        ocp.metadata(path).metadata,
    )
    return ocp.load(path, like)


def record(folder):
    """Lines of the two stages as text: what was written, and in which order."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    own = tuple(f'"{stage}/' for stage in STAGES)
    return [line for line in lines if any(mark in line for mark in own)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("broken") / "run"


@pytest.fixture
def attempt(start, tiny, folder):
    """The command, once: with an interruption or without."""

    def run(*interruption, folder=folder):
        script = [INTERRUPT, *interruption] if interruption else ["-m", "mmalign.main"]
        process = start(*script, *tiny.command(folder, CHANGES))
        output = process.communicate()[0]
        return SimpleNamespace(code=process.returncode, output=output)

    return run


@pytest.fixture
def unbroken(attempt, folder):
    """Folder of a run in one go, in a process of its own as well: this one's devices differ."""
    other = folder.with_name("unbroken")
    if not other.exists():
        run = attempt(folder=other)
        assert run.code == 0, run.output
    return other


# These go on from each other, in this order.


def test_sigterm_saves_says_so_and_ends_with_143(attempt, folder):
    first = attempt("pretrain", 2, "SIGTERM")
    assert first.code == 143, first.output
    assert first.output.splitlines()[-1] == (
        "stopped by SIGTERM after step 3 of 'pretrain'; run again to go on"
    )
    assert saved(folder, "pretrain") == [3]
    assert not (folder / "results.json").exists()


def test_a_kill_leaves_whole_checkpoints_of_the_stages_so_far(attempt, folder):
    second = attempt("align", 5, "SIGKILL")
    assert second.code == -signal.SIGKILL, second.output
    assert saved(folder, "pretrain") == [4, 6]
    assert saved(folder, "align") in ([], [4])  # it may have been killed while it saved
    assert not (folder / "results.json").exists()


def test_the_same_command_then_finishes_bit_for_bit_like_an_unbroken_run(attempt, folder, unbroken):
    third = attempt()
    assert third.code == 0, third.output
    for stage in STAGES:
        states = [last_state(where, stage) for where in (folder, unbroken)]
        assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
        jax.tree.map(np.testing.assert_array_equal, *states)


def test_the_record_has_each_step_once_as_if_nothing_had_happened(folder, unbroken):
    lines = record(folder)
    assert lines == record(unbroken)
    steps = [(stage, json.loads(line)["step"]) for line in lines for stage in STAGES
             if f"{stage}/" in line]  # fmt: skip
    assert steps == [(stage, step) for stage in STAGES for step in range(1, 7)]


def test_the_results_are_those_of_the_unbroken_run(folder, unbroken):
    results = json.loads((folder / "results.json").read_text())
    rows = {record["row"] for record in results["records"]}
    assert rows == {"Chance", "Raw windows", "Random encoder", "Unaligned concatenation", "InfoMAE"}
    want = json.loads((unbroken / "results.json").read_text())
    for part in ("records", "missing", "information"):
        assert results[part] == want[part]

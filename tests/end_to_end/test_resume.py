"""One run that is stopped, then killed, then left alone, each time in a new process."""

import json
import os
import pathlib
import re
import signal
import time
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

INTERRUPT = pathlib.Path(__file__).with_name("interrupt.py")
STAGES = ("pretrain", "align", "head_100")


def checkpoints(folder, stage):
    """Folder of a stage's checkpoints; there is one training of that name."""
    return next(folder.glob(f"artifacts/training-{stage}-*"), folder / "nothing") / "checkpoints"


def saved(folder, stage):
    """Steps of the checkpoints that are complete."""
    found = checkpoints(folder, stage).glob("*")
    return sorted(int(path.name) for path in found if path.name.isdigit())


def last_state(folder, stage):
    """All that was saved after the last step: parameters, optimiser, step."""
    path = checkpoints(folder, stage) / "6"
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
        ocp.metadata(path).metadata,
    )
    return ocp.load(path, like)


def record(folder):
    """Lines of all losses as text: what was written, and in which order."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    own = tuple(f'"{stage}/loss' for stage in STAGES)
    return [line for line in lines if any(mark in line for mark in own)]


@pytest.fixture
def attempt(start, chain):
    """The command, once: with an interruption or without."""

    def run(folder, *interruption):
        script = [INTERRUPT, *interruption] if interruption else ["-m", "mmalign.main"]
        process = start(*script, f"--config={chain}", f"--workdir={folder}")
        output = process.communicate()[0]
        return SimpleNamespace(code=process.returncode, output=output)

    return run


@pytest.fixture(scope="module")
def unbroken_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("unbroken") / "run"


@pytest.fixture
def unbroken(attempt, unbroken_folder):
    """Folder of a run in one go, in a process of its own as well: this one's devices differ."""
    if not unbroken_folder.exists():
        run = attempt(unbroken_folder)
        assert run.code == 0, run.output
    return unbroken_folder


def same_results(folder, unbroken):
    results, want = (json.loads((x / "results.json").read_text()) for x in (folder, unbroken))
    rows = {record["row"] for record in results["records"]}
    assert rows == {"Chance", "Window statistics", "Autoencoder", "Head", "CMC"}
    for part in ("records", "missing", "information"):
        assert results[part] == want[part]
    assert (folder / "metrics.jsonl").read_text() == (unbroken / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_a_run_that_is_stopped_then_killed_ends_bit_for_bit_like_an_unbroken_one(
    attempt, unbroken, tmp_path
):
    folder = tmp_path / "run"
    first = attempt(folder, "pretrain", 2, "SIGTERM")
    assert first.code == 143, first.output
    assert first.output.splitlines()[-1] == (
        "stopped by SIGTERM after step 3 of 'pretrain'; run again to go on"
    )
    assert saved(folder, "pretrain") == [3]
    assert not (folder / "results.json").exists()

    second = attempt(folder, "align", 5, "SIGKILL")
    assert second.code == -signal.SIGKILL, second.output
    assert saved(folder, "pretrain") == [4, 6]
    assert saved(folder, "align") in ([], [4])  # it may have been killed while it saved
    assert not (folder / "results.json").exists()

    third = attempt(folder)
    assert third.code == 0, third.output
    for stage in STAGES:
        states = [last_state(where, stage) for where in (folder, unbroken)]
        assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
        jax.tree.map(np.testing.assert_array_equal, *states)
    steps = [(stage, json.loads(line)["step"]) for line in record(folder) for stage in STAGES
             if f"{stage}/" in line]  # fmt: skip
    assert steps == [(stage, step) for stage in STAGES for step in range(1, 7)]  # each once
    same_results(folder, unbroken)


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_outside_the_steps_ends_it_soon_with_a_sentence(start, chain, tmp_path, number):
    """While the first step is compiled, as a rule."""
    process = start("-m", "mmalign.main", f"--config={chain}", f"--workdir={tmp_path / 'run'}",
                    JAX_COMPILATION_CACHE_DIR="", PYTHONUNBUFFERED="1")  # fmt: skip
    seen = []
    while not seen or "training pretrain" not in seen[-1]:
        seen.append(process.stdout.readline())
        assert seen[-1], seen
    time.sleep(1.0)
    process.send_signal(signal.Signals[number])
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signal.Signals[number], rest
    assert re.fullmatch(rf"stopped by {number}(;| after step).* run again to go on",
                        rest.strip().splitlines()[-1])  # fmt: skip
    # of a file that an import was reading, which the tests' own -W error tells of
    rest = re.sub(r"Exception ignored in: <_io.*?\nResourceWarning: [^\n]*\n", "", rest, flags=re.S)
    assert "Traceback" not in rest


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="tells what is caught")
@pytest.mark.parametrize("moment_s", [0.0, 0.2, 0.6, 1.5])
def test_at_any_moment_of_its_start_sigint_ends_it_with_a_sentence(
    start, chain, tmp_path, moment_s
):
    process = start("-m", "mmalign", f"--config={chain}", f"--workdir={tmp_path / 'run'}")
    status = pathlib.Path(f"/proc/{process.pid}/status")
    caught = lambda: int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16)
    while not caught() >> (signal.SIGTERM - 1) & 1:  # Python itself is still starting
        assert process.poll() is None
        time.sleep(0.002)
    time.sleep(moment_s)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signal.SIGINT, output
    assert "Traceback" not in output
    assert re.match(r"stopped by SIGINT(; nothing had begun$|; what was|.* run again)",
                    output.strip().splitlines()[-1])  # fmt: skip


@pytest.mark.slow
def test_cut_off_again_and_again_at_random_files_it_ends_in_the_same_results(
    attempt, unbroken, tmp_path
):
    seed, apart = (
        int(os.environ.get(f"MMALIGN_CUTS_{x}", y)) for x, y in (("SEED", 0), ("APART", 330))
    )
    rng, cuts, ended = np.random.default_rng(seed), [], False
    while not ended:
        by = signal.Signals[str(rng.choice(["SIGKILL", "SIGTERM", "SIGINT"]))]
        run = attempt(tmp_path / "run", "files", rng.integers(1, apart), by.name)
        if ended := run.code == 0:
            continue
        assert run.code in (-by, 128 + by), run.output
        assert by == signal.SIGKILL or "Traceback" not in run.output, run.output
        cuts.append(by.name)
    print("cut off by", *cuts)
    assert len(cuts) > 1
    same_results(tmp_path / "run", unbroken)

"""One run on several processes: the same results, one writer, and none that outlives another."""

import json
import signal
import socket
import time

import numpy as np
import pytest

from mmalign import processes


@pytest.fixture
def together(start, chain):
    """Starts a run on some processes of so many devices each: (folder, count, devices) -> list."""

    def run(folder, count, devices=1):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            address = f"localhost:{free.getsockname()[1]}"
        return [
            start("-m", "mmalign.main", f"--config={chain}", f"--workdir={folder}",
                  *([f"--distributed={address},{count},{number}"] if count > 1 else []),
                  JAX_NUM_CPU_DEVICES=str(devices))
            for number in range(count)
        ]  # fmt: skip

    return run


def numbers(folder):
    """{(row, part, protocol): macro-F1} of a run, and its losses."""
    results = json.loads((folder / "results.json").read_text())
    scores = {(r["row"], r["part"], r["protocol"]): r["macro_f1"] for r in results["records"]}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [x for line in lines for key, x in sorted(line.items()) if key.endswith("/loss")]
    return scores, losses


@pytest.mark.slow
def test_several_processes_find_what_one_does(together, tmp_path):
    found = {}
    for name, count, devices in (("one", 1, 4), ("two", 2, 2)):
        started = together(tmp_path / name, count, devices)
        outputs = [process.communicate(timeout=300)[0] for process in started]
        assert [process.returncode for process in started] == [0] * count, "\n".join(outputs)
        found[name] = numbers(tmp_path / name)
        assert sum("Report: " in said for said in outputs) == 1  # the first alone tells
    (scores, losses), (others_scores, others_losses) = found["one"], found["two"]
    np.testing.assert_allclose(others_losses, losses, rtol=2e-4)
    assert others_scores.keys() == scores.keys()
    apart = [abs(others_scores[key] - scores[key]) for key in scores]
    assert np.mean(apart) < 0.02, apart


@pytest.mark.slow
def test_a_process_that_dies_takes_the_others_down_within_a_minute(together, tmp_path):
    first, second = together(tmp_path / "run", 2)
    while "training pretrain" not in (line := first.stdout.readline()):
        assert line
    second.send_signal(signal.SIGKILL)
    asked = time.monotonic()
    said = first.communicate(timeout=90)[0]
    assert time.monotonic() - asked < 60 and first.returncode != 0
    assert "another process of this run has ended" in said or "distributed service" in said, said


@pytest.mark.parametrize("how", ["here", "localhost:1,2", "localhost,2,0", "localhost:1,two,0"])
def test_what_joins_no_processes_is_named(how):
    with pytest.raises(ValueError, match="--distributed must be 'auto', 'off' or 'ADDRESS:PORT"):
        processes.join(how)


@pytest.mark.parametrize(
    ("variables", "several"),
    [
        ({}, False), ({"SLURM_NTASKS": "4"}, False),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "1"}, True),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, False),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True), ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "2"}, True),
    ],
)  # fmt: skip
def test_a_cluster_is_seen_by_its_variables(variables, several, monkeypatch):
    for name in ("SLURM_NTASKS", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "OMPI_COMM_WORLD_SIZE",
                 "TPU_WORKER_HOSTNAMES", "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    joined = []
    monkeypatch.setattr(processes.jax.distributed, "initialize", lambda **how: joined.append(how))
    processes.join()
    processes.join(processes.OFF)
    assert len(joined) == several

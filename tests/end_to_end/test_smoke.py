"""The main job on two steps a stage, from the command line to embeddings."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import mmalign
from mmalign import main as program
from mmalign.data import synthetic

ROOT = pathlib.Path(__file__).parents[2]
ROWS = {
    "chance": "Chance", "random_encoder": "Random encoder", "pretrain": "Unaligned concatenation",
    "align": "InfoMAE",
}  # fmt: skip
# Some of the config; for all of them see test_walk.


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """Of the command."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    return ("--config=configs/infomae.py:smoke", f"--config.rows={tuple(ROWS)}",
            "--config.augment.pool=('scaling',)", f"--workdir={folder}")  # fmt: skip


@pytest.fixture(scope="module")
def job(flags):
    """(workdir, what the command printed) of one run in a new process, on one device."""
    command = [sys.executable, "-m", "mmalign.main", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(flags[-1].removeprefix("--workdir=")), done.stdout


def test_a_run_leaves_its_record_and_prints_its_table(job):
    folder, printed = job
    for name in ("config.json", "data.json", "metrics.jsonl", "report.html", "results.json"):
        assert (folder / name).stat().st_size
    results = json.loads((folder / "results.json").read_text())
    linear = {(r["row"], r["fraction"]) for r in results["records"] if r["part"] == "joint"}
    assert linear == {(row, f) for row in ROWS.values() for f in (0.01, 0.1, 1.0)}
    assert set(results["information"]) == {"shared", "private", "joint"}
    sets = {(r["row"], tuple(r["present"])) for r in results["missing"]["sets"]}
    assert {kept for _, kept in sets} == {("acc", "emg"), ("acc",), ("emg",)}
    assert {row for row, _ in sets} == set(ROWS.values()) - {"Chance"}
    assert all(row in printed for row in ROWS.values())
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert lines and all(json.loads(line)["step"] == 2 for line in lines)


def test_a_trained_model_embeds_also_with_a_sensor_missing(job):
    folder, _ = job
    model = mmalign.load(folder)
    data = synthetic.make(subjects=8, windows=32, test_subjects=2)
    windows = {m: x[:5] for m, x in data.inputs.items()}
    whole, alone = model.embed(windows), model.embed({"acc": windows["acc"]})
    assert {p: z.shape for p, z in whole.items()} == {p: z.shape for p, z in alone.items()}
    np.testing.assert_allclose(whole["acc"], alone["acc"], rtol=1e-5, atol=1e-6)
    assert not alone["emg"].any() and np.isfinite(alone["joint"]).all()
    with pytest.raises(ValueError, match=r"'gyro'.*knows 'acc', 'emg'"):
        model.embed({"gyro": windows["acc"]})


def test_the_same_command_again_changes_nothing_and_another_config_trains_what_differs(
    job, flags, parsed, devices, monkeypatch, capsys
):
    devices(1)
    monkeypatch.chdir(ROOT)
    folder, _ = job
    before = json.loads((folder / "results.json").read_text())
    program.main(parsed(*flags))
    after = json.loads((folder / "results.json").read_text())
    assert before["records"] == after["records"]
    capsys.readouterr()
    program.main(parsed(*flags, "--config.evaluation.missing.limit=2"))
    said = capsys.readouterr().out
    assert "holds a run of another config" in said and '"limit": 2' in said
    trainings = list((folder / "artifacts").glob("training-*"))
    assert len(trainings) == len(after["seconds"])  # none again

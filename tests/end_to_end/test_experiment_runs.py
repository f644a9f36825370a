"""Two steps of the experiments with CroSSL, from their configs to their pages."""

import json
import re

import pytest

import mmalign
from experiments import canonical, masking, missing_sensors, tables
from mmalign import plan
from mmalign.data import catalogue


@pytest.fixture(autouse=True)
def results_folder(tmp_path, monkeypatch, devices):
    """Where results are written; runs use one device."""
    devices(1)
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def shrink(config):
    """Two steps of a small encoder on few windows."""
    config.data.options = dict(subjects=8, windows=16, test_subjects=2)
    config.data.update(folds=4)
    config.encoder.update(dim=8, kernels=(2, 2, 2), strides=(8, 4, 2))
    config.augment.pool = ("scaling",)
    for name in (row for row in config.rows if row in config and "steps" in config[row]):
        config[name].update(steps=2, batch_size=16)
        config[name].optim.warmup_steps = 0
    return config


@pytest.mark.slow
def test_missing_sensors_in_two_steps(tmp_path, results_folder, capsys):
    config = shrink(missing_sensors.experiment("synthetic", 2, strategies=("spatial",),
                                               baselines=()))  # fmt: skip
    found = mmalign.run(config, tmp_path / "run")
    missing_sensors.write("test", [found])
    stored = json.loads((results_folder / "test.json").read_text())
    rows = {(c["row"], c["fraction"]) for c in stored["cells"] if c["protocol"] == "network"}
    names = ("From scratch", "CroSSL, spatial masks, fine-tuned")
    assert rows == {(n, f) for n in names for f in (0.1, 1.0)} | {
        (f"{n}, sensors hidden", 1.0) for n in names
    }
    assert {c["sensors"] for c in stored["by_count"]} == {"1", "2", "worst"}
    assert len(stored["orderings"]) == 4  # scratch alone is there to be compared
    page = (results_folder / "test.md").read_text()
    for pattern in (r"\| Chance \| ", r"\| Random encoder, frozen \| ",
                    r"above training from scratch \| \+3.2 % \| [+-]"):  # fmt: skip
        assert re.search(pattern, page)
    assert page in capsys.readouterr().out
    assert (results_folder / "test.png").stat().st_size > 1000
    # what the page says of a row is what the run found
    f1 = next(r["macro_f1"] for r in found["records"]
              if (r["row"], r["fraction"]) == (names[1], 0.1))  # fmt: skip
    line = next(x for x in page.splitlines() if x.startswith(f"| {names[1]} |"))
    assert f"/ {100 * f1:.1f} ± 0.0 |" in line


def test_every_training_of_both_experiments_fits():
    for experiment, trainings in ((missing_sensors, 5 + 3 * 6), (masking, 20)):
        config = shrink(experiment.experiment("synthetic", 0))
        assert len(plan.plan(config, catalogue.load(config.data)).stages) == trainings + 1  # random


@pytest.mark.slow
def test_a_grid_of_masks_in_two_steps(tmp_path, results_folder, capsys):
    config = shrink(masking.experiment("synthetic", 0, strategies=("spatial",), keep=(0.5,),
                                       weights=("25/25/1",)))  # fmt: skip
    found = mmalign.run(config, tmp_path / "run")
    masking.write("test", [(found, tmp_path / "run")])
    out = json.loads((results_folder / "test.json").read_text())
    assert [(c["strategy"], c["keep"]) for c in out["cells"]] == [
        ("Random encoder", 1.0), ("spatial", 0.5), ("none", 1.0)
    ]  # fmt: skip
    probes = {r["row"]: r["macro_f1"] for r in found["records"]
              if (r["part"], r["protocol"], r["fraction"]) == ("joint", "linear", 1.0)}  # fmt: skip
    assert out["cells"][1]["macro_f1"] == [probes["spatial, 0.5 kept, 25/25/1"], 0.0]
    assert out["cells"][0]["z_std_complete"] is None
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    last = next(x for x in map(json.loads, reversed(lines)) if "none_100_25_25_1/loss" in x)
    assert out["cells"][2]["effective_rank"][0] == last["none_100_25_25_1/effective_rank"]
    page = (results_folder / "test.md").read_text()
    assert "| spatial | 0.5 | 25/25/1 | " in page and "| none | - | 25/25/1 | " in page
    assert page in capsys.readouterr().out
    assert (results_folder / "test.png").stat().st_size > 1000


def test_the_closed_form_of_a_finished_run_is_probed_as_its_rows_are(tiny_run):
    found = canonical.records(tiny_run.config, tiny_run.folder / "artifacts")
    beside = [
        r for r in tiny_run.results["records"]
        if (r["row"], r["part"], r["protocol"]) == ("InfoMAE", "joint", "linear")
    ]  # fmt: skip
    for key in ("fraction", "train_windows", "test_windows", "people"):
        assert [r[key] for r in found] == [r[key] for r in beside], key
    assert {r["row"] for r in found} == {canonical.LABEL}
    assert all(0 < r["macro_f1"] < 1 for r in found)

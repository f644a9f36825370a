"""A grid of runs as one command: shared, resumed, and the same numbers as each run alone."""

import collections
import csv
import json
import pathlib

import jax
import numpy as np
import pytest

import mmalign
from experiments import comparison, tables
from mmalign import compare, fit, grid, plan
from mmalign import main as program
from mmalign.data import catalogue, feed
from mmalign.grid import Cell

HERE = pathlib.Path(__file__).parent
SAME = ("records", "rankings", "missing", "advice", "people")


@pytest.fixture(scope="module")
def config():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        import compared

        return compared.get_config()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compare") / "run"


@pytest.fixture
def results(config, folder, devices):
    """Of one comparison in this process, run once."""
    devices(1)
    if not (folder / "results.json").exists():
        mmalign.run(config, folder)
    return json.loads((folder / "results.json").read_text())


def test_every_setting_is_ranked_and_every_record_a_line(results, folder):
    settings = [(r["pairs"], r["fraction"]) for r in results["rankings"]]
    assert settings == [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0), (0.5, 0.5)]
    rows = {"Chance", "Window statistics", "Random forest on window statistics", "CMC",
            "Autoencoder"}  # fmt: skip
    for ranking in results["rankings"]:
        assert {row["row"] for row in ranking["rows"]} == rows
        f1 = [row["mean"]["macro_f1"] for row in ranking["rows"]]
        assert f1 == sorted(f1, reverse=True)
    assert {s["row"] for s in results["missing"]["summary"]} == {
        "Window statistics", "CMC", "Autoencoder"
    }  # fmt: skip
    assert results["people"] == 2 and results["seeds"] == [0] and results["dropped"] == []
    cost = results["cost"]
    assert set(cost) == {"CMC", "Autoencoder"} and cost["CMC"]["steps"] == 12  # with its start
    assert all(of["memory"] > 1000 and of["parameters"] > 100 for of in cost.values())
    with (folder / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(results["records"])
    page = (folder / "report.html").read_text()
    assert results["advice"][0].split(":")[0] in page


def test_its_page_has_a_table_for_each_share_of_the_labels(results, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    comparison.write("test", results)
    page = (tmp_path / "test.md").read_text()
    for share in ("100 %", "50 %"):
        assert f"## Macro-F1 in % with {share} of the labels" in page
    assert results["advice"][0] in page and "of the pairs | 50 % of the pairs" in page
    best = results["rankings"][0]["rows"][0]
    low, high = (f"{100 * x:.0f}" for x in best["interval"]["macro_f1"])
    assert f"**{100 * best['mean']['macro_f1']:.1f} ({low}-{high})**" in page
    assert (tmp_path / "test.png").stat().st_size > 1000


def test_what_cells_share_is_computed_once_and_nothing_again(results, config, folder, monkeypatch):
    trainings = [path.name.rpartition("-")[0] for path in folder.glob("artifacts/training-*")]
    assert sorted(trainings) == ["training-align", "training-align", "training-pretrain"]
    monkeypatch.setattr(fit, "fit", lambda *args: pytest.fail("trained again"))
    again = mmalign.run(config, folder)
    assert {key: again[key] for key in SAME} == {key: results[key] for key in SAME}


def test_a_cell_has_the_numbers_of_its_run_alone(results, config, tmp_path, devices):
    devices(1)
    alone = mmalign.run(grid.run_of(config, Cell(0, None, 0.5)), tmp_path / "run")
    told = lambda r: (r["row"], r["part"], r["protocol"], r["fraction"], r["macro_f1"])
    of_cell = [told(r) for r in results["records"] if r["pairs"] == 0.5]
    assert of_cell == [told(r) for r in alone["records"]]


def test_folds_share_their_windows_and_each_is_measured_once(config, monkeypatch):
    config, read = config.copy_and_resolve_references(), []
    config.compare.update(methods=("pretrain",), folds=2, seeds=(0, 1), ratios=(1.0, 0.5))
    for module, name in ((catalogue, "read"), (plan, "fingerprint"), (feed, "statistics")):
        function = getattr(module, name)
        counted = lambda x, name=name, function=function: read.append(name) or function(x)
        monkeypatch.setattr(module, name, counted)
    cells = grid.cells(config.compare.to_dict())
    plans = compare.planned(config, cells, [])
    assert collections.Counter(read) == {"read": 1, "fingerprint": 2, "statistics": 2}
    assert len(plans) == 8 and len({id(of.dataset.inputs["acc"]) for of in plans.values()}) == 1
    run = grid.run_of(config, cells[-1])
    alone, of = plan.plan(run, catalogue.load(run.data)), plans[cells[-1]]
    assert of.report.digest == alone.report.digest
    np.testing.assert_array_equal(of.dataset.split, alone.dataset.split)
    jax.tree.map(np.testing.assert_array_equal, of.statistics, alone.statistics)


def test_its_first_cell_can_be_loaded(results, config, folder):
    windows = {m: x[:3] for m, x in catalogue.load(config.data).inputs.items()}
    assert mmalign.load(folder, "align").embed(windows)["joint"].shape[0] == 3


@pytest.mark.slow
def test_killed_half_way_it_goes_on_and_ends_alike(start, tmp_path):
    flags = (f"--config={HERE / 'compared.py'}", f"--workdir={tmp_path / 'run'}")
    environment = {"PYTHONPATH": f"{HERE.parents[1]}:{HERE}"}
    killed = start(HERE / "interrupt.py", "files", 260, "SIGKILL", *flags, **environment)
    assert killed.wait() == -9, killed.communicate()[0]
    finished = [*(tmp_path / "run" / "artifacts").glob("*/complete.json")]
    assert 0 < len(finished) < 15 and not (tmp_path / "run" / "results.json").exists()
    before = {path: path.stat().st_mtime_ns for path in finished}
    two = "--config.compare.side_by_side=2"
    second = start("-m", "mmalign.main", *flags, two, **environment)
    output = second.communicate()[0]
    assert second.returncode == 0, output
    other = (tmp_path / "run" / "process-1.log").read_text()
    assert "50 % of the pairs: " in other and "Traceback" not in other
    assert {path: path.stat().st_mtime_ns for path in finished} == before
    unbroken = start(
        "-m", "mmalign.main", flags[0], f"--workdir={tmp_path / 'other'}", **environment
    )
    output = unbroken.communicate()[0]
    assert unbroken.returncode == 0, output
    found, want = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("run", "other")
    )
    assert {key: found[key] for key in SAME} == {key: want[key] for key in SAME}


@pytest.mark.slow
def test_windows_of_ones_own_need_no_more_than_their_path(parsed, devices, tmp_path, capsys):
    """Two sensors of made-up names and rates, labels and people in words."""
    devices(1)
    rng, n = np.random.default_rng(0), 160
    act = np.array(["rest", "stir"])[np.arange(n) % 2]
    strength = np.where(act == "stir", 2.0, 1.0)[:, None, None]
    np.savez(
        tmp_path / "mine.npz", label=act, group=np.repeat([f"p{i}" for i in range(8)], n // 8),
        left_sock=rng.standard_normal((n, 40, 2)) * strength, rate_hz_left_sock=20.0,
        hat=rng.standard_normal((n, 66, 1)) * strength, rate_hz_hat=33.0,
    )  # fmt: skip
    few = ("--config.compare.methods=('simclr',)", "--config.compare.ratios=(1.0,0.001)",
           "--config.rows=('chance','window_statistics')", "--config.simclr.steps=2",
           "--config.evaluation.fractions=(1.0,)", "--config.compare.seeds=(0,)",
           "--config.compare.minutes=30")  # fmt: skip
    program.main(parsed(f"--config={HERE.parents[1] / 'configs/compare.py'}",
                        f"--config.data.path={tmp_path / 'mine.npz'}",
                        f"--workdir={tmp_path / 'run'}", *few))  # fmt: skip
    said = capsys.readouterr().out
    assert "left_sock: series 40 x 2 at 20 Hz" in said and "2 classes" in said
    assert "Left out, seed 0, 0.1 % of the pairs: stage 'simclr': there are" in said
    assert "1 cells, 8 trainings and evaluations (4 are there), about " in said
    assert "Report: " in said


def test_a_budget_leaves_seeds_out_first_then_shares_of_pairs():
    from mmalign.compare import _smaller

    cells = grid.cells({"methods": ("a",), "ratios": (0.1, 0.5, 1.0), "people": (), "seeds": (0, 1),
                        "folds": None, "minutes": None, "side_by_side": 1})  # fmt: skip
    kept = [{(c.seed, c.pairs) for c in some} for some in _smaller(list(cells))]
    all_pairs = (0.1, 0.5, 1.0)
    assert kept == [
        {(s, p) for s in (0, 1) for p in all_pairs}, {(0, p) for p in all_pairs},
        {(0, 1.0), (0, 0.1)}, {(0, 1.0)},
    ]  # fmt: skip

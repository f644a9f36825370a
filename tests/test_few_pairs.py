"""InfoMAE beside others from few pairs: the grid fits, and the page says what was found."""

import json

import numpy as np
import pytest

from experiments import few_pairs, tables
from experiments.baselines import STEPS
from mmalign import grid, plan
from mmalign.data import catalogue
from mmalign.evaluation.ranking import standings


@pytest.fixture
def config(tmp_path):
    """The experiment's, of the watch, which are 24 windows of each of six people."""
    rng, people = np.random.default_rng(0), 6
    recordings = [rng.standard_normal((24 * STEPS, 6)) for _ in range(people)]
    stored = {"X": recordings, "y": [0, 1] * (people // 2), "subject": [*range(people)],
              "y_labels": ["still", "moving"]}  # fmt: skip
    np.save(tmp_path / "watch_dataset.npy", np.array(stored, dtype=object), allow_pickle=True)
    return few_pairs.configured(few_pairs.WATCH, tmp_path, tmp_path)


def test_joint_pretraining_and_cmc_have_the_pairs_of_the_alignment(config):
    cells = grid.cells(config.compare.to_dict())
    people = {"1 person" if n == 1 else f"{n} people" for n in few_pairs.PEOPLE}
    assert {cell.pairs for cell in cells} == people | {*few_pairs.SHARES}
    assert {cell.fold for cell in cells} == {0, 1, 2}
    cell = next(cell for cell in cells if cell.pairs == "2 people")
    run = grid.run_of(config, cell)
    stages = plan.plan(run, catalogue.load(run.data)).stages
    paired = [stages[name].sampler for name in few_pairs.ROWS if name not in ("mixed", "pretrain")]
    rows = [np.unique([sampler.rows(step)["acc"] for step in range(9)]) for sampler in paired]
    assert all(np.isin(x, rows[0]).all() for x in rows) and len(rows[0]) <= 2 * 24
    assert stages["mixed"].sampler.paired is not None
    assert stages["joint_long"].block["steps"] > stages["align"].block["steps"]
    assert stages["aligned_cmc"].source == stages["align"].source == "pretrain"


def test_embedded_data_have_the_settings_of_the_first_command():
    config = few_pairs.configured("synthetic", None, None)
    cell = next(iter(grid.cells(config.compare.to_dict())))
    stages = plan.plan(grid.run_of(config, cell), catalogue.load(config.data)).stages
    steps = {name: stages[name].block["steps"] for name in (*few_pairs.SHOWN[1:], "joint_long")}
    assert steps == {"pretrain": 500, "align": 700, "joint_pretrain": 700, "joint_long": 1050}
    assert stages["align"].block["method"]["independence"] == "canonical"


def record(row, pairs, taken):
    """One that `standings` reads: two people, two windows of each class."""
    return {
        "row": row, "pairs": pairs, "fraction": 0.1, "part": "joint", "protocol": "linear",
        "seed": 0, "fold": 0, "people": [3, 4], "confusion": [[0, 0], [0, 0]],
        "taken": [[who, label, taken(label), 2] for who in (0, 1) for label in (0, 1)],
    }  # fmt: skip


def test_the_page_tells_each_row_and_how_far_the_method_is_from_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    records = [
        record(row, pairs, taken)
        for pairs, better in ((0.25, False), ("2 people", True), ("1 person", True))
        for row, taken in (("InfoMAE", lambda label, better=better: label if better else 0),
                           ("Joint pretraining", lambda label: 0))
    ]  # fmt: skip
    rankings = [
        {"pairs": pairs, "fraction": 0.1,
         "rows": [x._asdict() for x in standings([r for r in records if r["pairs"] == pairs])]}
        for pairs in (0.25, "2 people", "1 person")
    ]  # fmt: skip
    few_pairs.write("test", {
        "people": 2, "seeds": [0], "dropped": [], "rankings": rankings, "records": records,
        "cost": {"InfoMAE": {"seconds": 90.0}}, "config": {"data": {}},
    })  # fmt: skip
    page = (tmp_path / "test.md").read_text()
    assert "| pairs of 1 person | pairs of 2 people | 25 % of the pairs |" in page
    assert "| InfoMAE | 100.0 | 100.0 | 33.3 |" in page
    more, level = "+66.7 (+66.7 to +66.7)", "+0.0 (+0.0 to +0.0)"
    assert f"| InfoMAE - Joint pretraining | {more} | {more} | {level} |" in page
    assert "InfoMAE 1.5" in page and (tmp_path / "test.png").stat().st_size > 1000
    assert len(json.loads((tmp_path / "test.json").read_text())["differences"]) == 3

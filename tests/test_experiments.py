"""Several seeds as one table: means, spreads, files."""

import json

import pytest

from experiments import infomae, infomae_settings, protocol, selecting, tables


def run(accuracy, seconds):
    """A run's results: one row at two shares of labels, and one sensor alone; beside it another.

    Two people, two windows each: the method takes all for what they are, the other half of them.
    """
    record = {"row": "InfoMAE", "part": "joint", "protocol": "linear", "macro_f1": accuracy / 2,
              "people": [3, 4], "confusion": [[0, 0], [0, 0]],
              "taken": [[who, label, label, 1] for who in (0, 1) for label in (0, 1)]}  # fmt: skip
    other = record | {
        "row": "Other", "fraction": 1.0, "accuracy": 0.5,
        "taken": [[who, label, 0, 1] for who in (0, 1) for label in (0, 1)],
    }  # fmt: skip
    return {
        "records": [
            record | {"fraction": 0.1, "accuracy": accuracy},
            record | {"fraction": 1.0, "accuracy": 0.9},
            record | {"part": "acc", "fraction": 1.0, "accuracy": 0.7},
            other | {"fraction": 0.1},
            other,
        ],
        "seconds": {"pretrain": seconds, "align": 60.0},
        "config": {"seed": 5, "data": {"name": "synthetic", "dir": "FOLDER"}, "steps": 3},
    }


def test_cells_are_means_and_sample_deviations_over_seeds():
    cells = tables.summarise([run(0.5, 1), run(0.7, 1), run(0.6, 1)])
    assert [(c["part"], c["fraction"]) for c in cells] == [
        ("joint", 0.1), ("joint", 1.0), ("acc", 1.0), ("joint", 0.1), ("joint", 1.0)
    ]  # fmt: skip
    assert cells[0]["accuracy"] == pytest.approx([0.6, 0.1])
    assert cells[0]["macro_f1"] == pytest.approx([0.3, 0.05])
    assert tables.summarise([run(0.5, 1)])[0]["accuracy"] == [0.5, 0.0]


def test_what_is_written_agrees_and_names_no_folder_of_the_user(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results")
    r2 = {"shared": {"common": 0.9, "own": 0.1}, "private": {"common": 0.2, "own": 0.8}}
    first, second = run(0.5, 60) | {"information": r2}, run(0.7, 180)
    second["config"]["seed"] = 6
    infomae.write("test", [first, second])
    stored = json.loads((tmp_path / "results" / "test.json").read_text())
    assert stored["seeds"] == 2 and stored["training_seconds_per_seed"] == [120.0, 240.0]
    assert stored["config"]["steps"] == 3 and "FOLDER" not in json.dumps(stored)
    page = (tmp_path / "results" / "test.md").read_text()
    assert "| InfoMAE | 60.0 ± 14.1 / 30.0 ± 7.1 | 90.0 ± 0.0 / 30.0 ± 7.1 |" in page
    assert "| InfoMAE | 70.0 ± 0.0 |" in page  # the sensor alone
    assert stored["method"] == "InfoMAE" and len(stored["differences"]) == 2
    less = "+66.7 (+66.7 to +66.7)"  # macro-F1 1 and 1/3
    assert f"| Other | {less} | {less} |" in page
    assert "| private | 0.20 ± 0.00 | 0.80 ± 0.00 |" in page
    assert "2.0 to 4.0 minutes per seed" in page and page in capsys.readouterr().out
    assert (tmp_path / "results" / "test.png").stat().st_size > 1000


def test_settings_are_compared_without_the_people_of_the_test():
    config = infomae_settings.settings("uci_har", fold=1)
    assert config.data.folds_of == "train" and config.data.fold == 1
    assert config.rows[len(protocol.UNTRAINED) :] == ("joint_pretrain", *config.stages)
    blocks = [config[name].to_dict() for name in config.stages[1:]]
    labels = [block.pop("label") for block in blocks]
    more = ["Twice the steps", "Autoencoders alone", "From autoencoders alone"]
    assert labels == [*infomae_settings.VARIANTS, *more]
    assert blocks[labels.index("Twice the steps")]["steps"] == 600
    usual, start = blocks[0] | {"source": "plain"}, config.pretrain.to_dict()
    assert blocks[-1] == usual and blocks[-2]["method"]["lam"] == 0 < start["method"]["lam"]
    assert all(block != other for i, block in enumerate(blocks) for other in blocks[:i])
    lone = labels.index("Nothing shared")
    assert blocks[lone]["method"].pop("information") == 0 and blocks[0]["method"].pop("information")
    assert blocks[0] == blocks[lone]  # one thing changes


def test_of_embedded_data_variants_that_change_nothing_are_left_out():
    config = infomae_settings.settings("synthetic")
    blocks = [config[name].to_dict() for name in config.stages[1:]]
    labels = [block.pop("label") for block in blocks]
    gone = {*infomae_settings.VARIANTS} - {*labels}
    assert gone == {"Codes alone", "Temperature 0.5", "Contrast x 0.3"}
    assert all(block != other for i, block in enumerate(blocks) for other in blocks[:i])
    assert labels[-1] == "Twice the steps" and "plain" not in config.stages


def test_what_would_choose_a_setting_without_labels_is_told_by_rank():
    rows = [f"setting {i}" for i in range(6)]
    records = [
        {"row": row, "part": "joint", "protocol": "linear", "fraction": f, "macro_f1": sign * i}
        for i, row in enumerate(rows) for f, sign in ((0.1, 1), (1.0, -1))
    ]  # fmt: skip
    run = {
        "records": records,
        "label_free": {
            row: {m: sign * i**3 for m, sign in selecting.OF_ALL.items()}
            for i, row in enumerate(rows)
        },
        "across": {
            row: [{m: sign * i for m, sign in selecting.OF_SENSORS.items()}] * 2
            for i, row in enumerate(rows)
        },
    }
    found = selecting.rank_correlations(run, [*rows, "of no sensors"])
    measures = {**selecting.OF_ALL, **selecting.OF_SENSORS}
    assert found == {name: {0.1: 1.0, 1.0: -1.0} for name in measures}
    assert "| rankme | +1.00 | -1.00 |" in selecting.markdown([run], rows)
    assert selecting.rank_correlations(run, rows[:4]) == {}
    assert selecting.markdown([run], rows[:4]) == []

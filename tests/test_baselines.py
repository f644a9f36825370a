"""Folds of people as one table, and a file of recordings as windows."""

import json

import numpy as np
import pytest

from experiments import baselines, tables
from mmalign.configs import infomae
from mmalign.data import npz
from mmalign.evaluation.people import by_person

LABELS = {"window_statistics": "Window statistics", "simclr": "SimCLR",
          "supervised": baselines.NETWORK, "chance": "Chance"}  # fmt: skip


def fold(people, right):
    """Results of a fold: `right` of ten windows of each person are told, by row."""
    group = np.repeat(people, 10)
    label = np.tile(np.arange(10) % 2, len(people))
    records = []
    for row, count in right.items():
        answers = np.where(np.tile(np.arange(10) < count, len(people)), label, 1 - label)
        taken = by_person(label, answers, group, 2)
        for part, protocol in (("joint", "linear"), ("joint", "knn"), ("acc", "linear")):
            records.append({"row": LABELS[row], "part": part, "protocol": protocol, "fraction": 1.0,
                            "confusion": [[0, 0], [0, 0]], **taken})  # fmt: skip
    return {"records": records, "seconds": {"simclr": 60.0}, "evaluation_seconds": 30.0,
            "config": {"seed": 0, "data": {"name": "x", "dir": "FOLDER", "folds": 3}}}  # fmt: skip


@pytest.fixture
def runs():
    right = {"chance": 5, "window_statistics": 6, "simclr": 8, "supervised": 10}
    return [fold([1, 2, 3], right), fold([4, 5], right | {"simclr": 10})]


def test_the_people_of_all_folds_are_one_table(runs):
    cells = {cell["row"]: cell for cell in baselines.pooled(runs)}
    assert {row: cell["people"] for row, cell in cells.items()} == dict.fromkeys(cells, 5)
    assert cells["SimCLR"]["accuracy"] == pytest.approx((3 * 0.8 + 2 * 1.0) / 5)
    low, high = cells["SimCLR"]["intervals"]["accuracy"]
    assert low < cells["SimCLR"]["accuracy"] < high


def test_runs_on_the_same_people_are_seeds_and_make_no_people(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    right = {"window_statistics": 6, "supervised": 10}
    runs = [fold([7], right | {"simclr": count}) for count in (6, 7, 8)]
    for run in runs:
        run["config"]["data"]["folds"] = None
    cells = {cell["row"]: cell for cell in baselines.pooled(runs)}
    assert cells["SimCLR"]["people"] == 1 and cells["SimCLR"]["counts"].shape[:2] == (3, 1)
    assert cells["SimCLR"]["accuracy"] == pytest.approx(0.7)
    low, high = cells["SimCLR"]["intervals"]["accuracy"]
    assert high - 0.7 == pytest.approx(0.7 - low) == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)
    baselines.write("baselines-x", runs)
    assert (tmp_path / "baselines-x.md").read_text().startswith("# baselines-x: 3 seed(s)\n")


def test_the_network_and_the_best_embedding_are_set_against_the_statistics(runs):
    found = baselines.differences(baselines.pooled(runs))
    assert [(d["row"], d["other"]) for d in found] == [
        ("Supervised network", "Window statistics"), ("SimCLR", "Window statistics")
    ]  # fmt: skip
    assert found[1]["interval"]["accuracy"][0] > 0


def test_the_page_says_both_and_names_no_folder(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    baselines.write("baselines-x", runs)
    page = (tmp_path / "baselines-x.md").read_text()
    assert "2 fold(s), 5 people tested" in page and "1.0 + 0.5, 1.0 + 0.5" in page
    assert "| Supervised network - Window statistics | 100 % | +40." in page
    assert "FOLDER" not in json.dumps(json.loads((tmp_path / "baselines-x.json").read_text()))


def test_recordings_of_the_watch_are_windows_of_a_file_that_is_read_as_a_user_s(tmp_path):
    rng = np.random.default_rng(0)
    stored = {"X": [rng.normal(size=(n, 6)) for n in (450, 399, 600)], "y": [3, 5, 3],
              "subject": [1, 1, 2], "y_labels": ["a", "b"]}  # fmt: skip
    np.save(tmp_path / "watch_dataset.npy", np.array(stored, dtype=object))
    dataset = npz.load(baselines.watch_windows(tmp_path, tmp_path / "runs" / "watch.npz"))
    assert {m: x.shape for m, x in dataset.inputs.items()} == {
        "acc": (6, 200, 3), "gyro": (6, 200, 3)
    }  # fmt: skip
    assert dataset.recording.tolist() == [0, 0, 1, 2, 2, 2]
    assert dataset.label.tolist() == [0, 0, 1, 0, 0, 0]
    np.testing.assert_allclose(dataset.inputs["gyro"][1], stored["X"][0][200:400, 3:], rtol=1e-6)


@pytest.mark.parametrize("data", baselines.DATA)
def test_all_sets_take_the_defaults_as_they_are(data, tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "watch_windows", lambda folder, path: path)
    config = baselines.configured(data, 2, "FOLDER", tmp_path)
    assert config.encoder == infomae.get_config("npz").encoder
    assert config.rows == baselines.ROWS and config.seed == 2
    assert all(config[row].steps is None for row in baselines.ROWS if row in config)
    assert config.data.folds == (None if data == "emg_imu_lis" else baselines.FOLDS)

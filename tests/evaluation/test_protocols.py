"""Records: every contender on the same windows, with its protocol beside the number."""

import numpy as np
import pytest

from mmalign.data.dataset import TEST, TRAIN, Dataset, Description
from mmalign.evaluation import Cell, chance, evaluate, labelled_rows, protocols, record


def make(label=None, split=None):
    n = 240
    number = np.arange(n, dtype=np.int32)
    label = number % 3 if label is None else label
    group = number // 12
    split = np.where(group < 14, TRAIN, TEST).astype(np.int8) if split is None else split
    zeros = {m: np.zeros((n, 2, 1), np.float32) for m in ("a", "b")}
    here = {m: np.ones(n, bool) for m in zeros}
    description = Description("toy", {}, {}, {}, ("x", "y", "z"))
    return Dataset(zeros, here, {"label": label}, group, split, number, number, description)


def parts(rng, dataset, noise=0.1):
    z = np.eye(3)[dataset.label] + noise * rng.standard_normal((len(dataset), 3))
    return {"a": z[:, :2], "b": z[:, 2:], "joint": z, "extra": z}


def test_default_cells_come_for_every_row(rng):
    dataset = make()
    records = evaluate({"Good": parts(rng, dataset), "Joint only": {"joint": np.ones((240, 2))}},
                       dataset)  # fmt: skip
    cells = [(r["row"], r["part"], r["protocol"], r["fraction"]) for r in records]
    joint = [("joint", "linear", f) for f in (0.01, 0.1, 1.0)] + [("joint", "knn", 1.0)]
    want = [("Good", *c) for c in [*joint, ("a", "linear", 1.0), ("b", "linear", 1.0)]]
    want += [("Joint only", *c) for c in joint]
    assert cells == want
    good = {c[1:]: r for c, r in zip(cells, records, strict=True) if c[0] == "Good"}
    assert good["joint", "linear", 1.0]["accuracy"] == 1.0
    assert good["b", "linear", 1.0]["accuracy"] < 0.9
    assert [r["train_windows"] for r in records[:3]] == [3, 18, 168]


def test_chance_is_the_most_frequent_class_at_each_fraction():
    records = chance("Chance", make())
    cells = [(r["row"], r["part"], r["protocol"], r["fraction"]) for r in records]
    assert cells == [("Chance", "joint", "majority", f) for f in (0.01, 0.1, 1.0)]
    assert [r["train_windows"] for r in records] == [3, 18, 168]
    assert records[0]["accuracy"] == pytest.approx(1 / 3)


def test_confusion_counts_true_by_predicted(rng):
    dataset = make()
    test = dataset.label[protocols.test_rows(dataset)]
    answers = {"predictions": np.where(test == 1, 0, test), "strength": 3.0}
    made = record("Net", Cell("joint", "network", 1.0), dataset, answers, 9, 4)
    assert made["confusion"] == [[24, 0, 0], [24, 0, 0], [0, 0, 24]]
    assert made["people"] == list(range(14, 20)) and len(made["taken"]) == 6 * 3
    assert made["intervals"]["accuracy"] == (2 / 3, 2 / 3)  # everybody is taken alike
    assert (made["strength"], made["train_windows"], made["seed"]) == (3.0, 9, 4)
    assert "predictions" not in made
    linear = evaluate({"r": parts(rng, dataset)}, dataset, cells=[("joint", "linear", 1.0)])[-1]
    assert np.trace(linear["confusion"]) == linear["accuracy"] * linear["test_windows"]


def test_every_row_learns_from_the_same_windows(rng, monkeypatch):
    dataset, seen = make(), []
    monkeypatch.setattr(protocols, "fit_linear", lambda x, *_, **more: seen.append(x[:, 0]))
    monkeypatch.setattr(protocols.probe, "linear_outcome", lambda *rest: {"predictions": rest[2]})
    number = np.arange(240.0)[:, None]
    evaluate({"one": {"joint": number}, "two": {"joint": number}}, dataset,
             cells=[("joint", "linear", 0.1)], seed=5)  # fmt: skip
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], labelled_rows(dataset, 0.1, 5))


def test_test_windows_and_unlabelled_ones_are_never_learned_from(rng):
    label = np.where(np.arange(240) % 5 == 0, -1, np.arange(240) % 3)
    dataset = make(label)
    rows = labelled_rows(dataset, 1.0, 0)
    assert (dataset.split[rows] == TRAIN).all() and (label[rows] >= 0).all()
    z = parts(rng, dataset)
    z["joint"][label < 0] = np.nan
    records = evaluate({"r": z}, dataset, cells=[Cell("joint", "linear", 1.0)])
    assert records[-1]["test_windows"] == np.sum((dataset.split == TEST) & (label >= 0))


def test_progress_sees_each_record(rng):
    dataset, seen = make(), []
    records = evaluate({"r": parts(rng, dataset)}, dataset, progress=seen.append)
    assert seen == records


def test_what_cannot_be_evaluated_is_refused(rng):
    dataset = make()
    with pytest.raises(ValueError, match="row 'r', part 'joint': 7 embeddings for 240 windows"):
        evaluate({"r": {"joint": np.ones((7, 2))}}, dataset)
    with pytest.raises(ValueError, match=r'"knn" or "forest", got .tree'):
        evaluate({"r": parts(rng, dataset)}, dataset, cells=[("joint", "tree", 1.0)])
    with pytest.raises(ValueError, match="'toy' has no labelled test window"):
        evaluate({}, make(split=np.full(240, TRAIN, np.int8)))
    with pytest.raises(ValueError, match="no labelled window"):
        evaluate({}, make(label=np.where(np.arange(240) < 168, -1, 1)))

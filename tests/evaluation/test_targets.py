import dataclasses

import numpy as np
import pytest

from mmalign.data import trifeature
from mmalign.data import trifeature_images as images
from mmalign.data.dataset import Dataset, Description, Task
from mmalign.evaluation import probe_targets

N = 400


@pytest.fixture(scope="module")
def dataset():
    """Windows with a target of every kind; some of each are not known."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, N).astype(np.int32)
    age = rng.normal(size=N).astype(np.float32)
    tags = (rng.random((N, 3)) < 0.4).astype(np.int8)
    label[::7], age[::9], tags[::11, 1] = -1, np.nan, -1
    return Dataset(
        inputs={"acc": np.zeros((N, 2), np.float32)},
        present={"acc": np.ones(N, bool)},
        targets={"label": label, "age": age, "tags": tags},
        group=(np.arange(N) // 20).astype(np.int32),
        split=(np.arange(N) >= 300).astype(np.int8),
        recording=np.arange(N, dtype=np.int32),
        position=np.zeros(N, np.int32),
        description=Description(
            "toy", {}, {}, {}, kind={"acc": "vector"},
            targets={"age": Task("real", 1), "tags": Task("multi_hot", 3)},
        ),
    )  # fmt: skip


def test_every_kind_of_target_has_its_scores(dataset):
    rng = np.random.default_rng(1)
    known = lambda x: np.nan_to_num(np.asarray(x, float)).reshape(N, -1)
    parts = [
        np.eye(4)[dataset.label.clip(0)],
        known(dataset.targets["age"]),
        dataset.targets["tags"],
    ]
    z = np.concatenate(parts, axis=1) + 0.05 * rng.normal(size=(N, 8))
    found = {r["task"]: r for r in probe_targets(z, dataset)}
    assert [r["kind"] for r in found.values()] == ["classes", "real", "multi_hot"]
    assert found["label"]["balanced_accuracy"] == found["label"]["auroc"] == 1
    assert sum(found["label"]["predicted"]) == pytest.approx(1)
    assert (
        found["age"]["r2"] > 0.98 and found["age"]["pearson"] > 0.99 and found["age"]["mse"] < 0.02
    )
    assert found["tags"]["macro_f1"] > 0.98 and found["tags"]["weighted_f1"] > 0.98
    test = dataset.split == 1
    for task, unknown in (("label", dataset.label < 0), ("age", np.isnan(dataset.targets["age"])),
                          ("tags", (dataset.targets["tags"] < 0).any(axis=1))):  # fmt: skip
        counts = ((~unknown & ~test).sum(), (~unknown & test).sum())
        assert (found[task]["train_windows"], found[task]["test_windows"]) == counts


def test_a_label_that_no_test_window_has_is_left_out_of_the_mean(dataset):
    tags = np.abs(dataset.targets["tags"])
    z = tags + 0.05 * np.random.default_rng(1).normal(size=(N, 3))
    scored = lambda tags: next(
        r for r in probe_targets(z, dataclasses.replace(dataset, targets={"tags": tags}))
    )
    tags[dataset.split == 1, 2] = 0
    assert scored(tags)["macro_f1"] == scored(tags)["weighted_f1"] == 1
    tags[dataset.split == 1] = 0
    assert scored(tags)["macro_f1"] is None


def test_noise_says_nothing(dataset):
    z = np.random.default_rng(2).normal(size=(N, 6))
    found = {r["task"]: r for r in probe_targets(z, dataset)}
    assert abs(found["label"]["balanced_accuracy"] - 0.25) < 0.15
    assert abs(found["label"]["auroc"] - 0.5) < 0.15
    assert found["age"]["r2"] < 0.1


def test_what_nobody_knows_is_left_out(dataset):
    label = np.where(dataset.split == 1, -1, dataset.label)
    some = dataclasses.replace(dataset, targets={**dataset.targets, "label": label})
    assert [r["task"] for r in probe_targets(np.ones((N, 2)), some)] == ["age", "tags"]


def test_a_match_is_seen_only_by_what_tells_of_both_pictures_at_once(monkeypatch):
    """Sums of what each picture says leave the probe at chance; the match itself does not."""
    blank = lambda *features, size, seed: np.zeros((len(features[0]), 1, 1, 3), np.uint8)
    monkeypatch.setattr(images, "render", blank)
    pairs = trifeature.make(pairs=3000, test_pairs=2000, task="match")
    train = pairs.split == 0
    first = pairs.targets["texture_1"].clip(0)
    # the colour of the second picture, as the mapping tells it of pairs that match
    rng, matching = np.random.default_rng(0), trifeature.mapping()
    colour = np.where(
        pairs.label == 1,
        matching[first],
        (matching[first] + 1 + rng.integers(0, 9, len(first))) % 10,
    )
    alone = np.concatenate([np.eye(10)[first], np.eye(10)[colour]], axis=1)
    alone += 0.1 * rng.normal(size=alone.shape)
    match = lambda z: next(r for r in probe_targets(z, pairs) if r["task"] == "label")
    assert match(alone)["balanced_accuracy"] < 0.53
    both = np.concatenate(
        [alone, (pairs.label == 1)[:, None] + 0.1 * rng.normal(size=(len(train), 1))], axis=1
    )
    assert match(both)["balanced_accuracy"] > 0.9

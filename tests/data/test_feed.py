"""From rows to a normalised batch: its scale, what is known of it, host against device."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.data import feed, samplers
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description, Task

N = 96


@pytest.fixture(scope="module")
def dataset():
    """Two sensors of different length and scale, either absent from some windows (NaN there)."""
    rng = np.random.default_rng(0)
    inputs = {
        "acc": rng.normal(3, 2, (N, 6, 3)).astype(np.float32),
        "emg": rng.normal(-40, 9, (N, 10, 2)).astype(np.float32),
    }
    inputs["acc"][..., 2] = 7.25  # a dead channel
    present = {"acc": np.arange(N) % 5 != 0, "emg": np.arange(N) % 7 != 0}
    for m in inputs:
        inputs[m][~present[m]] = np.nan
    return Dataset(
        inputs=inputs,
        present=present,
        targets={"label": rng.integers(0, 4, N).astype(np.int32)},
        group=(np.arange(N) // 12).astype(np.int32),
        split=np.where(np.arange(N) < 72, TRAIN, TEST).astype(np.int8),
        recording=(np.arange(N) // 6).astype(np.int32),
        position=(np.arange(N) % 6).astype(np.int32),
        description=Description("toy", {}, {}, {}),
    )


@pytest.fixture(scope="module")
def data(dataset):
    return feed.arrays(dataset, feed.statistics(dataset))


gather = jax.jit(feed.gather)


def training_windows(dataset, m):
    return dataset.inputs[m][(dataset.split == TRAIN) & dataset.present[m]]


def test_training_windows_come_out_standardised(dataset, data):
    rows = np.flatnonzero(dataset.split == TRAIN).astype(np.int32)
    batch = gather(data, dict.fromkeys(dataset.modalities, rows))
    for m, x in batch["inputs"].items():
        x = np.asarray(x)[dataset.present[m][rows]]
        np.testing.assert_allclose(x.mean(axis=(0, 1))[:2], 0, atol=1e-5)
        np.testing.assert_allclose(x.std(axis=(0, 1))[:2], 1, rtol=1e-5)
    np.testing.assert_array_equal(batch["inputs"]["acc"][..., 2], 0)  # centred, not blown up


def test_a_signal_in_volts_is_standardised_too(dataset):
    small = {m: x * np.float32(1e-7) for m, x in dataset.inputs.items()}
    for m, stats in feed.statistics(dataclasses.replace(dataset, inputs=small)).items():
        want = training_windows(dataset, m).std(axis=(0, 1), dtype=np.float64)[:2] * 1e-7
        np.testing.assert_allclose(stats["std"][:2], want, rtol=1e-5)


def test_statistics_are_those_of_present_training_windows_alone(dataset):
    want = feed.statistics(dataset)
    for m in dataset.modalities:
        train = training_windows(dataset, m).astype(np.float64)
        np.testing.assert_allclose(want[m]["mean"], train.mean(axis=(0, 1)), rtol=1e-6)
        std = train.std(axis=(0, 1))
        np.testing.assert_allclose(want[m]["std"], np.where(std > 0, std, 1), rtol=1e-6)
        assert want[m]["mean"].dtype == want[m]["std"].dtype == np.float32
    inputs = {m: x.copy() for m, x in dataset.inputs.items()}
    for m, x in inputs.items():
        x[dataset.split == TEST] *= 100
        x[~dataset.present[m]] = -1e30
    jax.tree.map(
        np.testing.assert_array_equal,
        feed.statistics(dataclasses.replace(dataset, inputs=inputs)),
        want,
    )


def test_a_sensor_without_a_training_window_is_refused(dataset):
    gone = {**dataset.present, "emg": dataset.present["emg"] & (dataset.split == TEST)}
    with pytest.raises(ValueError, match="'emg' is present in no training window"):
        feed.statistics(dataclasses.replace(dataset, present=gone))


def test_paired_rows_know_their_label_subject_and_number(dataset, data):
    rows = np.array([3, 50, 3, 95], np.int32)
    batch = gather(data, {"acc": rows, "emg": rows})
    np.testing.assert_array_equal(batch["targets"]["label"], dataset.label[rows])
    np.testing.assert_array_equal(batch["group"], dataset.group[rows])
    for m, x in batch["inputs"].items():
        stats, here = data["statistics"][m], dataset.present[m][rows]
        np.testing.assert_array_equal(batch["present"][m], here)
        np.testing.assert_array_equal(batch["row"][m], np.where(here, rows, -1))
        want = (dataset.inputs[m][rows] - stats["mean"]) / stats["std"]
        np.testing.assert_allclose(x, np.where(here[:, None, None], want, 0), rtol=1e-5, atol=1e-5)


def test_rows_of_different_windows_know_what_is_said_of_both(dataset, data):
    acc, emg = np.array([3, 50, 8, 13], np.int32), np.array([26, 50, 9, 14], np.int32)
    label = dataset.label.copy()
    label[[3, 26]] = 2  # of two people
    label[[8, 9]] = 1, 3  # of one
    label[[13, 14]] = 0
    batch = gather(data | {"targets": {"label": label}}, {"acc": acc, "emg": emg})
    np.testing.assert_array_equal(batch["targets"]["label"], [2, label[50], -1, 0])
    np.testing.assert_array_equal(batch["group"], [-1, 4, 0, 1])
    for m, rows in (("acc", acc), ("emg", emg)):
        rows = np.where(dataset.present[m][rows], rows, -1)
        np.testing.assert_array_equal(batch["row"][m], rows)


def test_targets_of_every_kind_are_kept_where_rows_agree(data):
    nan = np.nan
    targets = {
        "age": np.array([31, 31, 40, nan], np.float32),
        "place": np.array([[1, 2], [1, 5], [nan, 2], [1, 2]], np.float32),
        "tags": np.array([[1, 0, 1], [1, 1, 1], [0, -1, 1], [1, 0, 1]], np.int8),
    }
    rows = {
        "acc": np.array([0, 0, 2, 3, -1], np.int32),
        "emg": np.array([0, 1, 3, -1, -1], np.int32),
    }
    for batch in (
        gather(data | {"targets": targets}, rows),
        feed.take(data | {"targets": targets}, rows),
    ):
        said = batch["targets"]
        np.testing.assert_array_equal(said["age"], [31, 31, nan, nan, nan])
        np.testing.assert_array_equal(
            said["place"], [[1, 2], [1, nan], [nan, 2], [1, 2], [nan, nan]]
        )
        np.testing.assert_array_equal(
            said["tags"], [[1, 0, 1], [1, -1, 1], [-1, -1, 1], [1, 0, 1], [-1, -1, -1]]
        )
        assert {task: x.dtype for task, x in said.items()} == {
            t: x.dtype for t, x in targets.items()
        }


def test_a_row_of_minus_one_is_an_absent_window(dataset, data):
    acc, emg = np.array([3, -1, 8, -1], np.int32), np.array([3, 6, -1, -1], np.int32)
    batch = gather(data, {"acc": acc, "emg": emg})
    np.testing.assert_array_equal(batch["present"]["acc"], [True, False, True, False])
    np.testing.assert_array_equal(batch["present"]["emg"], [True, True, False, False])
    np.testing.assert_array_equal(batch["inputs"]["acc"][np.array([1, 3])], 0)
    np.testing.assert_array_equal(batch["inputs"]["emg"][np.array([2, 3])], 0)
    np.testing.assert_array_equal(batch["row"]["acc"], [3, -1, 8, -1])
    np.testing.assert_array_equal(batch["row"]["emg"], [3, 6, -1, -1])
    np.testing.assert_array_equal(batch["targets"]["label"], [*dataset.label[[3, 6, 8]], -1])
    np.testing.assert_array_equal(batch["group"], [*dataset.group[[3, 6, 8]], -1])


def test_nothing_absent_reaches_a_batch(dataset, data):
    rows = np.arange(N, dtype=np.int32)
    batch = gather(data, {"acc": rows, "emg": rows})
    for m, x in batch["inputs"].items():
        assert np.isnan(dataset.inputs[m][~dataset.present[m]]).all()  # there is something to find
        assert np.isfinite(x).all()
        np.testing.assert_array_equal(x[~dataset.present[m]], 0)


def test_the_stream_yields_what_gather_does_and_starts_at_any_step(dataset, data):
    sampler = samplers.create({"kind": "unpaired"}, dataset, batch_size=8, seed=0)
    stream = feed.stream(data, sampler.rows, 5)
    normalise = jax.jit(feed.normalise)
    for start in (0, 3, 5):
        batches = list(stream(start))
        assert len(batches) == 5 - start
        for step, batch in zip(range(start, 5), batches, strict=True):
            jax.tree.map(
                np.testing.assert_array_equal,
                normalise(batch, data["statistics"]),
                gather(data, sampler.rows(step)),
            )


def test_the_stream_takes_its_rows_from_a_memory_map(dataset, data, tmp_path):
    np.save(tmp_path / "acc.npy", dataset.inputs["acc"])
    mapped = np.load(tmp_path / "acc.npy", mmap_mode="r")
    rows = {"acc": np.array([5, 2], np.int32), "emg": np.array([5, 2], np.int32)}
    on_disk = data | {"inputs": data["inputs"] | {"acc": mapped}}
    (batch,) = feed.stream(on_disk, lambda step: rows, 1)(0)
    np.testing.assert_array_equal(batch["inputs"]["acc"], dataset.inputs["acc"][[5, 2]])


def test_a_batch_has_weights_where_they_are_given(dataset, data):
    sampler = samplers.create({"kind": "paired"}, dataset, batch_size=8, seed=0)
    weights = lambda step: np.arange(8, dtype=np.float32) + step
    assert "weight" not in gather(data, sampler.rows(0))
    stream = feed.stream(data, sampler.rows, 3, weights_at=weights)
    for step, batch in enumerate(stream(0)):
        np.testing.assert_array_equal(batch["weight"], weights(step))
        there = gather(data, sampler.rows(step), weights(step))
        np.testing.assert_array_equal(there["weight"], weights(step))
        jax.tree.map(np.testing.assert_array_equal, batch["row"], there["row"])


def test_a_batch_says_which_rows_are_pairs_where_some_are_not(dataset, data):
    sampler = samplers.create({"kind": "paired", "unpaired": 0.5}, dataset, batch_size=8, seed=0)
    stream = feed.stream(data, sampler.rows, 3, paired=sampler.paired)
    for step, batch in enumerate(stream(0)):
        there = gather(data, **sampler.at(step))
        np.testing.assert_array_equal(there["paired"], [True] * 4 + [False] * 4)
        jax.tree.map(np.testing.assert_array_equal, batch["row"], there["row"])
        np.testing.assert_array_equal(batch["paired"], there["paired"])
        alone = {m: row[4:] for m, row in there["row"].items()}
        same = dataset.group[alone["acc"]] == dataset.group[alone["emg"]]
        np.testing.assert_array_equal(there["group"][4:] >= 0, same)
    assert "paired" not in gather(data, sampler.rows(0))


SHAPES = {"ecg": (20, 2), "face": (4, 5, 3), "age": (6,), "words": (7, 8)}
KIND = {"face": "image", "age": "vector", "words": "sequence"}


@pytest.fixture(scope="module")
def mixed(dataset):
    """A series with gaps, an image, a vector and a sequence."""
    rng = np.random.default_rng(1)
    inputs = {m: rng.normal(5, 3, (N, *shape)).astype(np.float32) for m, shape in SHAPES.items()}
    present = {m: rng.random(N) < 0.8 for m in SHAPES}
    valid = {"ecg": (rng.random((N, 20)) < 0.7) & present["ecg"][:, None]}
    for m, x in inputs.items():
        x[~present[m]] = np.nan
    inputs["ecg"][~valid["ecg"]] = np.nan
    description = Description("mixed", {"ecg": 50.0}, {}, {}, kind=KIND)
    return dataclasses.replace(
        dataset, inputs=inputs, present=present, valid=valid, description=description
    )


def test_any_rank_is_standardised_over_its_last_axis(mixed):
    stats = feed.statistics(mixed)
    rows = np.flatnonzero(mixed.split == TRAIN).astype(np.int32)
    batch = gather(feed.arrays(mixed, stats), dict.fromkeys(SHAPES, rows))
    for m, shape in SHAPES.items():
        assert stats[m]["mean"].shape == stats[m]["std"].shape == shape[-1:]
        x = np.asarray(batch["inputs"][m])
        assert x.shape == (len(rows), *shape) and np.isfinite(x).all()
        seen = x[mixed.present[m][rows]] if m != "ecg" else x[mixed.valid[m][rows]]
        axes = tuple(range(seen.ndim - 1))
        np.testing.assert_allclose(seen.mean(axis=axes), 0, atol=1e-5)
        np.testing.assert_allclose(seen.std(axis=axes), 1, rtol=1e-4)
        np.testing.assert_array_equal(x[~mixed.present[m][rows]], 0)


def test_samples_that_are_not_valid_never_reach_a_batch(mixed):
    data = feed.arrays(mixed, feed.statistics(mixed))
    rows = np.array([0, 5, -1, 40, 7], np.int32)
    batch = gather(data, dict.fromkeys(SHAPES, rows))
    valid = mixed.valid["ecg"][rows] & (rows >= 0)[:, None]
    assert [*batch["valid"]] == ["ecg"]  # the others have no gaps
    np.testing.assert_array_equal(batch["valid"]["ecg"], valid)
    np.testing.assert_array_equal(batch["inputs"]["ecg"][~valid], 0)
    assert (np.asarray(batch["inputs"]["ecg"])[valid] != 0).all()
    altered = np.where(mixed.valid["ecg"][:, :, None], mixed.inputs["ecg"], 1e30)
    again = data | {"inputs": data["inputs"] | {"ecg": altered}}
    jax.tree.map(np.testing.assert_array_equal, gather(again, dict.fromkeys(SHAPES, rows)), batch)


def test_without_gaps_a_batch_says_nothing_of_them(dataset, data):
    rows = np.arange(4, dtype=np.int32)
    assert "valid" not in gather(data, {"acc": rows, "emg": rows})


def test_take_is_the_same_on_the_host_and_in_a_program(mixed):
    targets = {
        "label": mixed.label,
        "mood": np.random.default_rng(2).normal(size=(N, 2)).astype(np.float32),
    }
    description = dataclasses.replace(mixed.description, targets={"mood": Task("real", 2)})
    mixed = dataclasses.replace(mixed, targets=targets, description=description)
    data = feed.arrays(mixed, feed.statistics(mixed))
    rng = np.random.default_rng(3)
    rows = {m: rng.integers(-1, N, 32).astype(np.int32) for m in SHAPES}
    weight = rng.random(32).astype(np.float32)
    host = feed.take(data, rows, np, weight)
    program = jax.jit(lambda data, rows, weight: feed.take(data, rows, jnp, weight))
    device = program(data, rows, weight)
    jax.tree.map(np.testing.assert_array_equal, host, device)
    assert jax.tree.map(lambda x: x.dtype, host) == jax.tree.map(lambda x: x.dtype, device)

"""From rows to a normalised batch: its scale, what is known of it, host against device."""

import dataclasses

import jax
import numpy as np
import pytest

from mmalign.data import feed, views
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description

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
        label=rng.integers(0, 4, N).astype(np.int32),
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
    np.testing.assert_array_equal(batch["row"], rows)
    np.testing.assert_array_equal(batch["label"], dataset.label[rows])
    np.testing.assert_array_equal(batch["group"], dataset.group[rows])
    for m, x in batch["inputs"].items():
        stats, here = data["statistics"][m], dataset.present[m][rows]
        np.testing.assert_array_equal(batch["present"][m], here)
        want = (dataset.inputs[m][rows] - stats["mean"]) / stats["std"]
        np.testing.assert_allclose(x, np.where(here[:, None, None], want, 0), rtol=1e-5, atol=1e-5)


def test_rows_of_different_windows_are_nobody(dataset, data):
    acc, emg = np.array([3, 50, 8], np.int32), np.array([4, 50, 9], np.int32)
    batch = gather(data, {"acc": acc, "emg": emg})
    np.testing.assert_array_equal(batch["row"], [-1, 50, -1])
    np.testing.assert_array_equal(batch["label"], [-1, dataset.label[50], -1])
    np.testing.assert_array_equal(batch["group"], [-1, dataset.group[50], -1])
    alone = gather(data, {"acc": acc, "emg": acc})
    np.testing.assert_array_equal(batch["inputs"]["acc"], alone["inputs"]["acc"])


def test_a_row_of_minus_one_is_an_absent_window(dataset, data):
    acc, emg = np.array([3, -1, 8, -1], np.int32), np.array([3, 6, -1, -1], np.int32)
    batch = gather(data, {"acc": acc, "emg": emg})
    np.testing.assert_array_equal(batch["present"]["acc"], [True, False, True, False])
    np.testing.assert_array_equal(batch["present"]["emg"], [True, True, False, False])
    np.testing.assert_array_equal(batch["inputs"]["acc"][np.array([1, 3])], 0)
    np.testing.assert_array_equal(batch["inputs"]["emg"][np.array([2, 3])], 0)
    np.testing.assert_array_equal(batch["row"], [3, 6, 8, -1])  # the sensors there agree on one
    np.testing.assert_array_equal(batch["label"], [*dataset.label[[3, 6, 8]], -1])


def test_nothing_absent_reaches_a_batch(dataset, data):
    rows = np.arange(N, dtype=np.int32)
    batch = gather(data, {"acc": rows, "emg": rows})
    for m, x in batch["inputs"].items():
        assert np.isnan(dataset.inputs[m][~dataset.present[m]]).all()  # there is something to find
        assert np.isfinite(x).all()
        np.testing.assert_array_equal(x[~dataset.present[m]], 0)


def test_the_stream_yields_what_gather_does_and_starts_at_any_step(dataset, data):
    view = views.create({"kind": "unpaired"}, dataset, batch_size=8, seed=0)
    stream = feed.stream(data, view.rows, 5)
    normalise = jax.jit(feed.normalise)
    for start in (0, 3, 5):
        batches = list(stream(start))
        assert len(batches) == 5 - start
        for step, batch in zip(range(start, 5), batches, strict=True):
            jax.tree.map(
                np.testing.assert_array_equal,
                normalise(batch, data["statistics"]),
                gather(data, view.rows(step)),
            )


def test_the_stream_takes_its_rows_from_a_memory_map(dataset, data, tmp_path):
    np.save(tmp_path / "acc.npy", dataset.inputs["acc"])
    mapped = np.load(tmp_path / "acc.npy", mmap_mode="r")
    rows = {"acc": np.array([5, 2], np.int32), "emg": np.array([5, 2], np.int32)}
    on_disk = data | {"inputs": data["inputs"] | {"acc": mapped}}
    (batch,) = feed.stream(on_disk, lambda step: rows, 1)(0)
    np.testing.assert_array_equal(batch["inputs"]["acc"], dataset.inputs["acc"][[5, 2]])

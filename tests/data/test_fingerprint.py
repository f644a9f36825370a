"""A fingerprint changes with everything that a result depends on, and with nothing else."""

import dataclasses

import numpy as np
import pytest

from mmalign.data import fingerprint as module
from mmalign.data import synthetic
from mmalign.data.dataset import Task
from mmalign.data.fingerprint import fingerprint

TINY = {"subjects": 4, "windows": 8, "test_subjects": 1}


@pytest.fixture(scope="module")
def dataset():
    """Synthetic windows with everything that a data set may hold."""
    data = synthetic.make(**TINY)
    n = len(data)
    return dataclasses.replace(
        data,
        targets={**data.targets, "age": np.arange(n, dtype=np.float32)},
        valid={"acc": np.ones(data.inputs["acc"].shape[:2], bool)},
        source=np.zeros(n, np.int32),
        untold=np.zeros(n, np.int32),
        description=dataclasses.replace(data.description, targets={"age": Task("real", 1)}),
    )


def altered(dataset, name, key=None):
    """The data set with one element of one array changed."""
    column = getattr(dataset, name)
    x = (column if key is None else column[key]).copy()
    x.flat[-1] = ~x.flat[-1] if x.dtype == bool else x.flat[-1] + 1
    return dataclasses.replace(dataset, **{name: x if key is None else {**column, key: x}})


def described(dataset, **change):
    description = dataclasses.replace(dataset.description, **change)
    return dataclasses.replace(dataset, description=description)


def test_the_same_data_have_the_same_digest(dataset):
    digest = fingerprint(dataset)
    assert digest == fingerprint(dataset) and len(digest) == 64 and int(digest, 16)
    assert fingerprint(synthetic.make(**TINY)) == fingerprint(synthetic.make(**TINY))
    assert fingerprint(dataset) == fingerprint(dataset.select(np.arange(len(dataset))))


ARRAYS = [("inputs", "acc"), ("inputs", "emg"), ("present", "emg"), ("valid", "acc"),
          ("targets", "label"), ("targets", "age"), ("factors", "shared"), ("group", None),
          ("split", None), ("recording", None), ("position", None), ("source", None),
          ("untold", None)]  # fmt: skip


@pytest.mark.parametrize(("name", "key"), ARRAYS)
def test_one_element_changes_it(dataset, name, key):
    assert fingerprint(altered(dataset, name, key)) != fingerprint(dataset)


def test_every_array_of_a_data_set_is_among_those_that_change_it(dataset):
    named = {name for name, _ in ARRAYS}
    assert named == {f.name for f in dataclasses.fields(dataset)} - {"description"}


def test_order_names_kinds_rates_types_and_shapes_change_it(dataset):
    inputs, rates = dataset.inputs, dataset.description.rate_hz
    turned = {"emg": inputs["emg"], "acc": inputs["acc"]}
    longer = {**inputs, "acc": inputs["acc"].reshape(len(dataset), -1, 1)}
    renamed = {"acc": inputs["acc"], "ecg": inputs["emg"]}
    fewer = {task: x for task, x in dataset.targets.items() if task != "age"}
    double = {**inputs, "acc": inputs["acc"].astype(np.float64)}
    digests = [
        fingerprint(data)
        for data in (
            dataset,
            *(dataclasses.replace(dataset, inputs=x) for x in (turned, longer, renamed, double)),
            dataclasses.replace(dataset, targets=fewer),
            dataclasses.replace(dataset, valid={}),
            dataclasses.replace(dataset, source=None),
            dataset.select(np.arange(len(dataset) - 1)),
            described(dataset, rate_hz={**rates, "acc": 51.0}),
            described(dataset, kind={"acc": "sequence"}),
            described(dataset, stride_s=1.0),
            described(dataset, stride_s=2.0),
            described(dataset, class_names=tuple("abcdefg")),  # one class more
            described(dataset, targets={"age": Task("real", 2)}),
        )
    ]
    assert len(set(digests)) == len(digests)


def test_words_change_nothing(dataset):
    same = described(
        dataset,
        name="other",
        unit={},
        channels={},
        citation="me",
        licence="none",
        class_names=tuple("abcdef"),
        targets={"age": Task("real", 1, ("years",))},
    )
    assert fingerprint(same) == fingerprint(dataset)


def test_memory_maps_slices_and_pieces_give_the_same(dataset, tmp_path, monkeypatch):
    np.save(tmp_path / "acc.npy", dataset.inputs["acc"])
    mapped = np.load(tmp_path / "acc.npy", mmap_mode="r")
    wide = np.repeat(dataset.inputs["acc"], 2, axis=2)[:, :, ::2]  # not contiguous
    assert not wide.flags.c_contiguous
    for piece in (module.PIECE, 1, 5000):
        monkeypatch.setattr(module, "PIECE", piece)
        for x in (mapped, wide):
            other = dataclasses.replace(dataset, inputs={**dataset.inputs, "acc": x})
            assert fingerprint(other) == fingerprint(dataset)


def test_big_arrays_are_not_copied(tmp_path):
    import tracemalloc

    data = synthetic.make(**TINY)
    x = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.float32, (32, 1 << 18, 4))
    data = dataclasses.replace(data, inputs={"acc": x}, present={"acc": data.present["acc"]})
    tracemalloc.start()
    fingerprint(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20 < x.nbytes

"""Batches of pairs and of windows without a partner."""

import dataclasses

import numpy as np
import pytest

from mmalign.data import samplers
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description

SUBJECTS, EACH = 8, 24
N = SUBJECTS * EACH
MODALITIES = ("acc", "emg")


@pytest.fixture(scope="module")
def dataset():
    """Two recordings a person, the last two people are the test; a fifth has no emg."""
    number = np.arange(N)
    present = {"acc": np.ones(N, bool), "emg": number % 5 != 0}
    return Dataset(
        inputs={m: np.zeros((N, 4, 1), np.float32) for m in MODALITIES},
        present=present,
        targets={},
        group=(number // EACH).astype(np.int32),
        split=np.where(number // EACH < SUBJECTS - 2, TRAIN, TEST).astype(np.int8),
        recording=(number // 12).astype(np.int32),
        position=(number % 12).astype(np.int32),
        description=Description("toy", dict.fromkeys(MODALITIES, 4.0), {}, {}),
    )


def create(dataset, batch_size=16, seed=0, **config):
    return samplers.create({"kind": "paired", **config}, dataset, batch_size=batch_size, seed=seed)


def test_pairs_come_first_and_behind_them_windows_of_anyone_that_are_no_pairs(dataset):
    sampler = create(dataset, people=1, unpaired=0.5)
    np.testing.assert_array_equal(sampler.paired, np.arange(16) < 8)
    assert sampler.gives == {"some_pairs", "sequences"}
    seen = {m: [] for m in MODALITIES}
    for step in range(60):
        at = sampler.at(step)
        assert set(at) == {"rows", "paired"} and at["paired"] is sampler.paired
        rows = at["rows"]
        np.testing.assert_array_equal(rows["acc"][:8], rows["emg"][:8])
        assert (rows["acc"][8:] != rows["emg"][8:]).any()
        for m, row in rows.items():
            assert row.dtype == np.int32 and len(row) == 16 == len(set(row))
            seen[m].append(row)
    pairs = {int(r) for row in seen["acc"] for r in row[:8]}
    (person,) = set(dataset.group[list(pairs)])
    for m in MODALITIES:
        alone = {int(r) for row in seen[m] for r in row[8:]}
        here = (dataset.split == TRAIN) & dataset.present[m]
        assert alone == set(np.flatnonzero(here)) - pairs
    assert len(pairs) == sum(dataset.present["emg"] & (dataset.group == person))
    assert len({int(r) for row in seen["emg"] for r in row}) == sampler.windows


def test_a_batch_stays_as_large_where_pairs_are_few(dataset):
    """Runs of two: three of pairs, which need not be a power of two."""
    sampler = create(dataset, fraction=0.05, unpaired=0.5, length=2)
    assert sampler.batch_size == 16 and sampler.paired.sum() == 6
    for row in (sampler.rows(step)["emg"] for step in range(9)):
        runs = row.reshape(-1, 2)
        np.testing.assert_array_equal(dataset.recording[runs[:, 0]], dataset.recording[runs[:, 1]])
        assert len({tuple(run) for run in runs}) == 8


def test_where_all_windows_are_pairs_the_others_are_among_them(dataset):
    whole = dataclasses.replace(dataset, present={m: np.ones(N, bool) for m in MODALITIES})
    sampler = create(whole, unpaired=0.25)
    assert sampler.paired.sum() == 12 and sampler.batch_size == 16
    assert sampler.windows == (whole.split == TRAIN).sum()


def test_sensors_are_hidden_of_pairs_alone(dataset):
    hidden = create(dataset, unpaired=0.5, missing={"kind": "subsets"})
    for step in range(9):
        rows = hidden.rows(step)
        assert (rows["emg"][8:] >= 0).all() and (rows["acc"][8:] >= 0).all()
    assert any((hidden.rows(step)["emg"][:8] < 0).any() for step in range(9))


@pytest.mark.parametrize(
    ("said", "config"),
    [
        (r"unpaired must be in \(0, 1\), got 1.0: .*kind is 'unpaired'", {"unpaired": 1.0}),
        (r"unpaired must be in \(0, 1\), got 0", {"unpaired": 0}),
        (r"unpaired=0.9 makes 2 of the 16 .* must be 3 .* to 15: change it, raise batch_size",
         {"unpaired": 0.9}),
        (r"unpaired=0.01 makes 16 of the 16 sequences", {"unpaired": 0.01}),
        (r"there are 2 sequences of pairs, and sampler.unpaired needs 3 in a batch",
         {"unpaired": 0.5, "fraction": 0.02}),
        ("batch_size 16 must be a multiple of sampler.length 3", {"unpaired": 0.5, "length": 3}),
    ],
)  # fmt: skip
def test_a_batch_that_cannot_be_mixed_is_refused(dataset, said, config):
    with pytest.raises(ValueError, match=said):
        create(dataset, **config)

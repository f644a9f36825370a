"""Minutes of pairs: how much time windows cover, from whom, and in one piece."""

import dataclasses

import numpy as np
import pytest

from mmalign.data import samplers
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description
from mmalign.data.minutes import stretch

WINDOW_S, SUBJECTS, LENGTHS = 4.0, 6, (9, 6, 8)
EACH = sum(LENGTHS)
N = SUBJECTS * EACH


@pytest.fixture(scope="module")
def dataset():
    """Windows of 4 s every 2 s, in no order; the last subject is the test."""
    shuffle = np.random.default_rng(0).permutation(N)
    lengths = LENGTHS * SUBJECTS
    group = np.repeat(np.arange(SUBJECTS), EACH)[shuffle].astype(np.int32)
    inputs = {"acc": np.zeros((N, 8, 1), np.float32), "emg": np.zeros((N, 40, 1), np.float32)}
    return Dataset(
        inputs=inputs,
        present={m: np.ones(N, bool) for m in inputs},
        targets={},
        group=group,
        split=np.where(group < SUBJECTS - 1, TRAIN, TEST).astype(np.int8),
        recording=np.repeat(np.arange(len(lengths)), lengths)[shuffle].astype(np.int32),
        position=np.concatenate([np.arange(k) for k in lengths])[shuffle].astype(np.int32),
        description=Description("toy", {"acc": 2.0, "emg": 10.0}, {}, {}, stride_s=2.0),
    )


def with_stride(dataset, stride_s):
    about = dataclasses.replace(dataset.description, stride_s=stride_s)
    return dataclasses.replace(dataset, description=about)


def minutes_of(dataset, rows, stride_s):
    """Time under the windows, counted tenth of a second by tenth of a second."""
    covered = 0
    for recording in np.unique(dataset.recording[rows]):
        seconds = np.zeros(1000, bool)
        for i in dataset.position[rows][dataset.recording[rows] == recording]:
            start = round(10 * stride_s * i)
            seconds[start : start + round(10 * WINDOW_S)] = True
        covered += seconds.sum()
    return covered / 600


@pytest.mark.parametrize("stride_s", [2.0, 1.0, 5.0, None])
def test_the_time_that_windows_cover_is_what_is_asked_for_to_a_window(dataset, stride_s):
    """Overlaps count once, what lies between windows not at all."""
    data = with_stride(dataset, stride_s)
    side_by_side = WINDOW_S if stride_s is None else stride_s
    keep = (data.split == TRAIN) & (data.position != 3)  # a window is missing
    total = minutes_of(data, np.flatnonzero(keep), side_by_side)
    before = np.zeros(N, bool)
    for minutes in (WINDOW_S / 60, 0.3, 0.5, 1.0, 2.2, total):
        found = stretch(data, keep, minutes, seed=3)
        rows = np.flatnonzero(found)
        assert minutes - WINDOW_S / 60 < minutes_of(data, rows, side_by_side) < minutes + 1e-6
        assert not (found & ~keep).any() and not (before & ~found).any()
        before = found
    np.testing.assert_array_equal(found, keep)


def test_minutes_are_in_a_row_of_as_few_people_as_possible(dataset):
    keep = dataset.split == TRAIN
    starts = set()
    for seed in range(8):
        few = [samplers.create({"kind": "paired", "people": k}, dataset, batch_size=2, seed=seed)
               for k in (1, 2)]  # fmt: skip
        one, two = ({int(dataset.group[few[k].rows(step)["acc"]][0]) for step in range(99)}
                    for k in (0, 1))  # fmt: skip
        for minutes, people in ((0.3, one), (0.8, one), (1.2, two)):
            found = stretch(dataset, keep, minutes, seed)
            assert set(dataset.group[found].tolist()) == people
            cut = 0
            for recording in np.unique(dataset.recording[found]):
                places = np.sort(dataset.position[found & (dataset.recording == recording)])
                np.testing.assert_array_equal(places, np.arange(len(places)))
                cut += len(places) < LENGTHS[recording % len(LENGTHS)]
            assert cut <= 1  # whole recordings, but for the last
        starts.add(int(dataset.recording[stretch(dataset, keep, 0.1, seed)][0]) % len(LENGTHS))
    assert len(starts) > 1  # or all would begin with the first thing that people do


def test_people_nobody_knows_have_minutes_too(dataset):
    nobody = dataclasses.replace(dataset, group=np.full(N, -1, np.int32))
    found = stretch(nobody, dataset.split == TRAIN, 0.5, seed=0)
    assert 0 < minutes_of(nobody, np.flatnonzero(found), 2.0) <= 0.5
    some = dataclasses.replace(dataset, group=np.where(dataset.group == 2, 2, -1))
    assert set(some.group[stretch(some, dataset.split == TRAIN, 0.5, seed=0)]) == {2}  # known first


@pytest.mark.parametrize("length", [1, 4])
def test_a_sampler_shows_the_windows_of_its_minutes_in_runs_within_recordings(dataset, length):
    config = {"kind": "paired", "minutes": 1.2, "length": length}
    sampler = samplers.create(config, dataset, batch_size=8, seed=0)
    shown = [sampler.rows(step) for step in range(40)]
    chosen = stretch(dataset, dataset.split == TRAIN, 1.2, seed=0)
    assert {int(r) for rows in shown for r in rows["acc"]} == set(np.flatnonzero(chosen))
    assert sampler.windows == chosen.sum()
    for rows in shown:
        for run in rows["emg"].reshape(-1, length):
            assert len(set(dataset.recording[run])) == 1
            assert set(np.diff(dataset.position[run])) <= {0, 1}


def test_minutes_that_there_are_not_are_refused(dataset):
    create = lambda data, minutes: samplers.create(
        {"kind": "paired", "minutes": minutes}, data, batch_size=8, seed=0
    )
    with pytest.raises(
        ValueError, match=r"minutes=9, and there are 4.333 minutes of pairs .*no mor"
    ):
        create(dataset, 9)
    with pytest.raises(ValueError, match=r"sampler.minutes=0.01 is less than one window of 4 s"):
        create(dataset, 0.01)
    pictures = dataclasses.replace(
        dataset, description=dataclasses.replace(dataset.description, rate_hz={})
    )
    with pytest.raises(
        ValueError, match=r"no modality is a series .* sampler.fraction or .*people"
    ):
        create(pictures, 1)
    gone = dataclasses.replace(dataset, present={m: np.zeros(N, bool) for m in dataset.inputs})
    with pytest.raises(
        ValueError, match="no training window has two of acc, emg, as pairs have: record"
    ):
        create(gone, 1)

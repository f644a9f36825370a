"""So many minutes of the data, in a row: what somebody has who recorded for so long."""

import numpy as np

from mmalign.data.dataset import UNKNOWN, Dataset
from mmalign.data.subsets import people_in_order

_STARTS = (1 << 31) + 3  # a stream of random numbers apart from those of `subsets`
_ROUNDING = 1e-9  # of a sum of seconds


def stretch(dataset: Dataset, keep: np.ndarray, minutes: float, seed: int) -> np.ndarray:
    """The first `minutes` of the windows `keep`, bool [n] -> bool [n], right to a window.

    One person's recordings after the other, each from its first window on, then the next person's:
    as few people as possible, in the order of `of_people` (those who are not known come last), so
    that fewer minutes are among more of them. With which of their recordings each person begins is
    drawn; after the last one come those before it.

    What counts is the time that windows cover: where they overlap (`Description.stride_s`) every
    second once. Of windows whose stride is not known each counts as long as it is.

    Raises: ValueError for minutes that hold no window, or more than there are; or where no modality
      has a rate to count by.
    """
    rows = _visited(dataset, keep, seed)
    if not len(rows):
        return keep
    covered_s = np.cumsum(_added_s(dataset, rows)) * (1 - _ROUNDING)
    if not covered_s[0] <= 60 * minutes:
        raise ValueError(
            f"sampler.minutes={minutes:g} is less than one window of {covered_s[0]:.3g} s"
        )
    if 60 * minutes > covered_s[-1] * (1 + 2 * _ROUNDING):
        raise ValueError(
            f"sampler.minutes={minutes:g}, and there are {covered_s[-1] / 60:.4g} minutes of pairs "
            "to train on: ask for no more, or for all of them by sampler.fraction=1"
        )
    out = np.zeros(len(keep), bool)
    out[rows[covered_s <= 60 * minutes]] = True
    return out


def _visited(dataset, keep, seed):
    """Rows of the windows in the order in which a stretch takes them."""
    rows = np.lexsort((dataset.position, dataset.recording))
    rows = rows[keep[rows]]
    group, rng = dataset.group[rows], np.random.default_rng((seed, _STARTS))
    parts = [rows[:0]]
    for person in (*people_in_order(group, seed), UNKNOWN):
        mine = rows[group == person]
        if len(mine):
            recording = dataset.recording[mine]
            first = np.searchsorted(recording, rng.choice(np.unique(recording)))
            parts.append(np.roll(mine, -first))
    return np.concatenate(parts)


def _added_s(dataset, rows):
    """Seconds that each of the windows adds to those before it, float [rows]."""
    window_s = _window_s(dataset)
    stride_s = dataset.description.stride_s
    if stride_s is None:
        return np.full(len(rows), window_s)
    further = np.diff(dataset.position[rows], prepend=0)
    follows = (np.diff(dataset.recording[rows], prepend=-1) == 0) & (further > 0)
    return np.where(follows, np.minimum(window_s, stride_s * further), window_s)


def _window_s(dataset):
    """Length of a window: that of its longest series."""
    rates = dataset.description.rate_hz
    lengths_s = [x.shape[1] / rates[m] for m, x in dataset.inputs.items() if m in rates]
    if not lengths_s:
        raise ValueError(
            "sampler.minutes counts time, and no modality is a series with a rate_hz: choose pairs "
            "by sampler.fraction or sampler.people"
        )
    return max(lengths_s)

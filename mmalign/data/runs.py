"""Runs of windows that are neighbours in time."""

import numpy as np

from mmalign.data.dataset import TRAIN, Dataset


def sequences(dataset: Dataset, keep: np.ndarray, length: int) -> np.ndarray:
    """Runs of `length` windows that are neighbours in time: int32 [units, length].

    Recordings are cut into consecutive runs; the last of each is filled by repeating its final
    window, as in FOCAL's sampler. `keep` [n] bool: windows that may take part.
    """
    order = np.lexsort((dataset.position, dataset.recording))
    order = order[np.asarray(keep)[order]]
    if not len(order):
        return np.zeros((0, length), np.int32)
    gap = np.diff(dataset.recording[order]) != 0
    gap |= np.diff(dataset.position[order]) != 1  # neighbours only, also around a missing window
    cuts = np.flatnonzero(gap) + 1
    units = []
    for run in np.split(order, cuts):
        short = -len(run) % length
        units.append(np.concatenate([run, np.repeat(run[-1:], short)]).reshape(-1, length))
    return np.concatenate(units).astype(np.int32)


def usual_run(dataset: Dataset, most: int) -> int:
    """The longest of `most`, half of it, ... windows for which half the data has whole runs; or 1.

    Gestures that were recorded one by one have no neighbours in time.
    """
    order = np.lexsort((dataset.position, dataset.recording))
    order = order[dataset.split[order] == TRAIN]
    follows = np.diff(dataset.recording[order]) == 0
    follows &= np.diff(dataset.position[order]) == 1
    runs = np.diff(np.flatnonzero(np.concatenate([[True], ~follows, [True]])))
    while most > 1 and 2 * (runs // most * most).sum() < len(order):
        most //= 2
    return max(most, 1)

"""Means and deviations of channels; signals relative to the person who wears the sensor."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mmalign.data.dataset import UNKNOWN, Dataset

_MIN_STD = 1e-6  # of the mean: a channel that moves less is rounding errors; it is centred only
_PIECE = 1 << 24  # bytes of windows that are copied at once


def channel_moments(
    x: np.ndarray, valid: np.ndarray | None = None, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, [channels] in float64, of windows [n, ..., channels].

    Both may be memory maps, which are read in pieces.

    valid: bool [n, time], which samples of a series count; None: all.
    rows: int [k], windows that count; None: all.
    """
    rows = np.arange(len(x)) if rows is None else rows
    count, total = 0, np.zeros(x.shape[-1])
    for piece in _seen(x, valid, rows):
        count, total = count + len(piece), total + piece.sum(axis=0, dtype=np.float64)
    mean, squares = total / max(count, 1), np.zeros_like(total)
    for piece in _seen(x, valid, rows):
        squares += np.square(piece - mean).sum(axis=0)
    std = np.sqrt(squares / max(count, 1))
    return mean, np.where(std > _MIN_STD * np.abs(mean), std, 1.0)


def pieces(x: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """The rows in parts whose windows are small enough to be copied."""
    return np.array_split(rows, max(1, -(-len(rows) * x[:1].nbytes // _PIECE)))


def _seen(x, valid, rows):
    """Yields the samples that count, [any, channels] a piece."""
    for at in pieces(x, rows):
        piece = x[at] if valid is None else x[at][valid[at]]
        yield piece.reshape(-1, x.shape[-1])


def by_subject(dataset: Dataset) -> Dataset:
    """The data set with every channel at mean 0 and standard deviation 1 for each subject.

    What is left out is the level and gain of skin, heart and strap, which differ more between
    people than between what they do. No label is used, but all windows of a person, those of the
    test too: a score is that of a wearer whose recording is there already.

    Raises: ValueError where the subject of a window is unknown.
    """
    unknown = int(np.sum(dataset.group == UNKNOWN))
    if unknown:
        raise ValueError(
            f"data.standardise='subject' needs the subject of every window, but {unknown} of "
            f"{len(dataset)} windows are of nobody known; 'training' needs none"
        )
    inputs = relative(dataset.inputs, dataset.present, dataset.group, dataset.valid)
    return dataclasses.replace(dataset, inputs=inputs)


def relative(
    inputs: Mapping[str, np.ndarray],
    present: Mapping[str, np.ndarray],
    group: np.ndarray,
    valid: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """{modality: float32 [n, ..., channels]} at mean 0 and deviation 1 over each group's windows.

    Absent windows, and samples that are not valid, count for nothing and stay as they are.

    Args:
      inputs: {modality: [n, ..., channels]}; the last axis is what is standardised.
      present: {modality: bool [n]}.
      group: [n].
      valid: {modality: bool [n, time]} of series with gaps.
    """
    out = {m: np.array(x, np.float32) for m, x in inputs.items()}
    for subject in np.unique(group):
        for m, x in out.items():
            rows = np.flatnonzero((group == subject) & present[m])
            if not len(rows):
                continue
            known = valid.get(m) if valid else None
            mean, std = channel_moments(x, known, rows)
            observed = None if known is None else known[rows]
            scaled = (x[rows] - mean) / std
            x[rows] = scaled if observed is None else np.where(observed[..., None], scaled, x[rows])
    return out

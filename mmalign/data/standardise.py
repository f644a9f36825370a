"""Means and deviations of channels; signals relative to the person who wears the sensor."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mmalign.data.dataset import UNKNOWN, Dataset

_MIN_STD = 1e-6  # of the mean: a channel that moves less is rounding errors; it is centred only


def channel_moments(
    x: np.ndarray, valid: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, [channels] in float64, of windows [n, ..., channels].

    valid: bool [n, time], which samples of a series count; None: all.
    """
    if valid is not None:
        x = x[valid]
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axis=axes, dtype=np.float64)
    std = x.std(axis=axes, dtype=np.float64)
    return mean, np.where(std > _MIN_STD * np.abs(mean), std, 1.0)


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
            observed = valid[m][rows] if valid and m in valid else None
            if not len(rows):
                continue
            mean, std = channel_moments(x[rows], observed)
            scaled = (x[rows] - mean) / std
            x[rows] = scaled if observed is None else np.where(observed[..., None], scaled, x[rows])
    return out

"""Means and deviations of channels; signals relative to the person who wears the sensor."""

import dataclasses

import numpy as np

from mmalign.data.dataset import UNKNOWN

_MIN_STD = 1e-6  # of the mean: a channel that moves less is rounding errors; it is centred only


def channel_moments(x):
    """Mean and standard deviation, [channels] in float64, of windows [n, time, channels]."""
    mean = x.mean(axis=(0, 1), dtype=np.float64)
    std = x.std(axis=(0, 1), dtype=np.float64)
    return mean, np.where(std > _MIN_STD * np.abs(mean), std, 1.0)


def by_subject(dataset):
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
    inputs = relative(dataset.inputs, dataset.present, dataset.group)
    return dataclasses.replace(dataset, inputs=inputs)


def relative(inputs, present, group):
    """{modality: [n, time, channels]} at mean 0 and deviation 1 over each group's present windows.

    Absent windows stay as they are. `present`: {modality: bool [n]}; `group`: [n].
    """
    out = {m: np.array(x, np.float32) for m, x in inputs.items()}
    for subject in np.unique(group):
        for m, x in out.items():
            rows = np.flatnonzero((group == subject) & present[m])
            if len(rows):
                mean, std = channel_moments(x[rows])
                x[rows] = (x[rows] - mean) / std
    return out

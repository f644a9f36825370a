"""Signals relative to the person who wears the sensor."""

import dataclasses

import numpy as np

from mmalign.data.dataset import UNKNOWN


def by_subject(dataset):
    """The data set with every channel at mean 0 and standard deviation 1 for each subject.

    What is left out is the level and gain of skin, heart and strap, which differ more between
    people than between what they do. No label is used, but all windows of a person, those of the
    test too: a score is that of a wearer whose recording is there already. Absent windows stay as
    they are and count for nothing; a channel that does not move is centred alone.

    Raises: ValueError where the subject of a window is unknown.
    """
    unknown = int(np.sum(dataset.group == UNKNOWN))
    if unknown:
        raise ValueError(
            f"data.standardise='subject' needs the subject of every window, but {unknown} of "
            f"{len(dataset)} windows are of nobody known; 'training' needs none"
        )
    inputs = {m: np.array(x, np.float32) for m, x in dataset.inputs.items()}
    for subject in np.unique(dataset.group):
        for m, x in inputs.items():
            rows = np.flatnonzero((dataset.group == subject) & dataset.present[m])
            if len(rows):
                x[rows] = _standardised(x[rows].astype(np.float64))
    return dataclasses.replace(dataset, inputs=inputs)


def _standardised(x):
    mean, std = x.mean(axis=(0, 1)), x.std(axis=(0, 1))
    return (x - mean) / np.where(std > 1e-6 * np.abs(mean), std, 1)

"""Reference rows that need no network: raw windows, and the largest class."""

import numpy as np

from mmalign.data.dataset import TRAIN, Dataset
from mmalign.data.standardise import channel_moments, pieces


def raw_features(dataset: Dataset) -> dict[str, np.ndarray]:
    """Flattened windows, each channel standardised by its present training windows.

    An absent window, and a sample that is not valid, are zeros: the channel's mean.

    Args: dataset: Dataset, [n, ..., channels] a modality.
    Returns: {modality: float32 [n, size of a window], "joint": all of them side by side}.
    """
    parts = {}
    for name, windows in dataset.inputs.items():
        present, valid = np.asarray(dataset.present[name]), dataset.valid.get(name)
        seen = np.flatnonzero(present & (dataset.split == TRAIN))
        if not len(seen):
            raise ValueError(f"modality {name!r} is present in no training window")
        mean, std = channel_moments(windows, valid, seen)
        flat = np.zeros((len(windows), windows[0].size), np.float32)
        for at in pieces(windows, np.flatnonzero(present)):
            x = (windows[at] - mean) / std
            x = x if valid is None else np.where(valid[at][..., None], x, 0)
            flat[at] = x.reshape(len(at), -1)
        parts[name] = flat
    return {**parts, "joint": np.concatenate(list(parts.values()), axis=1)}


def majority(label: np.ndarray, count: int) -> np.ndarray:
    """Chance: `count` times the most frequent class of the training labels (ties: the smallest).

    This is the best guess that looks at no input, so its accuracy is the larger of the usual two
    readings of chance (a random guess by class frequency scores less).
    """
    if not len(label):
        raise ValueError("no labelled training windows: no class is the most frequent")
    return np.full(count, np.bincount(label).argmax(), np.int32)

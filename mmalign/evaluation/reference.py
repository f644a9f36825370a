"""Reference rows that need no network: raw windows, and the largest class."""

import numpy as np

from mmalign.data.dataset import TRAIN, Dataset


def raw_features(dataset: Dataset) -> dict[str, np.ndarray]:
    """Flattened windows, each channel standardised by its present training windows.

    An absent window is zeros, which is the channel's mean.

    Args: dataset: Dataset, [n, time, channels] a modality.
    Returns: {modality: float32 [n, time * channels], "joint": all of them side by side}.
    """
    parts = {}
    for name, windows in dataset.inputs.items():
        present = np.asarray(dataset.present[name])
        seen = windows[present & (dataset.split == TRAIN)]
        if not len(seen):
            raise ValueError(f"modality {name!r} is present in no training window")
        axes = tuple(range(windows.ndim - 1))
        mean, scale = seen.mean(axis=axes, dtype=float), seen.std(axis=axes, dtype=float)
        flat = np.zeros(windows.shape, np.float32)
        flat[present] = (windows[present] - mean) / np.where(scale > 0, scale, 1.0)
        parts[name] = flat.reshape(len(flat), -1)
    return {**parts, "joint": np.concatenate(list(parts.values()), axis=1)}


def majority(label: np.ndarray, count: int) -> np.ndarray:
    """Chance: `count` times the most frequent class of the training labels (ties: the smallest).

    This is the best guess that looks at no input, so its accuracy is the larger of the usual two
    readings of chance (a random guess by class frequency scores less).
    """
    if not len(label):
        raise ValueError("no labelled training windows: no class is the most frequent")
    return np.full(count, np.bincount(label).argmax(), np.int32)

"""What a probe can learn from, checked."""

import numpy as np
from numpy.typing import ArrayLike


def labelled_features(
    features: ArrayLike, label: ArrayLike, least_classes: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """(float32 [n, d], [n]) of labelled rows. ValueError where a probe cannot learn from them."""
    features, label = finite_rows(features), np.asarray(label)
    if label.shape != (len(features),):
        raise ValueError(f"need a label for each of {len(features)} rows, got shape {label.shape}")
    if not len(label):
        raise ValueError("no labelled training windows: a probe has nothing to learn from")
    if label.min() < 0:
        raise ValueError("label holds -1 (unknown); pass labelled rows only")
    classes = np.unique(label)
    if len(classes) < least_classes:
        raise ValueError(
            f"all {len(label)} training windows are of class {classes[0]}; a linear probe needs two"
        )
    return features, label


def finite_rows(features: ArrayLike) -> np.ndarray:
    """Float32 [n, d], contiguous. ValueError for another rank, NaN or infinity."""
    features = np.ascontiguousarray(features, np.float32)
    if features.ndim != 2:
        raise ValueError(f"features must be [n, d], got shape {features.shape}")
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features)).any(axis=1).sum())
        raise ValueError(f"features hold NaN or infinity in {bad} of {len(features)} rows")
    return features

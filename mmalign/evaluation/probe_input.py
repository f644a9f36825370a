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
    return finite_array(features, "features", dtype=np.float32)


def finite_array(
    values: ArrayLike, name: str, axes: str = "n, d", *, dtype: type | None = None
) -> np.ndarray:
    """Contiguous real array with these axes, of the dtype given or its own.

    Raises: ValueError, with `name`, for another rank, for what is not real, for NaN or infinity.
    """
    values = np.asarray(values, dtype, order="C")
    if values.ndim != axes.count(",") + 1:
        raise ValueError(f"{name} must be [{axes}], got shape {values.shape}")
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers, got {values.dtype}")
    wrong = ~np.isfinite(values)
    if wrong.any():
        bad = int(wrong.reshape(len(values), -1).any(axis=1).sum())
        raise ValueError(f"{name}: NaN or infinity in {bad} of {len(values)} rows")
    return values

"""A fitted linear probe as arrays, and what it answers: whoever loads it needs no scikit-learn."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.linear import LinearProbe

_BINS = 10


class StoredProbe(NamedTuple):
    """mean, scale: [d], of features. weight [d, classes], bias [classes]. classes: int [classes].

    calibration_error: on test windows, see `calibration_error`.
    """

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    classes: np.ndarray
    calibration_error: np.ndarray

    def probabilities(self, features: ArrayLike) -> np.ndarray:
        """[n, d] -> [n, classes], rows that sum to 1."""
        logits = (np.asarray(features, float) - self.mean) / self.scale @ self.weight + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def stored(probe: LinearProbe, features: ArrayLike, label: ArrayLike) -> StoredProbe:
    """The probe, with its calibration on test windows: [n, d] and int [n]."""
    weight, bias = probe.model.coef_.T, probe.model.intercept_
    if weight.shape[1] == 1:  # two classes have one column, of the second against the first
        weight, bias = (
            np.concatenate([0 * weight, weight], axis=1),
            np.concatenate([0 * bias, bias]),
        )
    made = StoredProbe(probe.scaler.mean_, probe.scaler.scale_, weight, bias,
                       probe.model.classes_, np.array(np.nan))  # fmt: skip
    odds = made.probabilities(features)
    right = made.classes[odds.argmax(axis=1)] == np.asarray(label)
    return made._replace(calibration_error=np.array(calibration_error(odds.max(axis=1), right)))


def restored(arrays: Mapping[str, np.ndarray]) -> StoredProbe:
    """Of what `StoredProbe._asdict` gave, read from a file."""
    return StoredProbe(**{name: arrays[name] for name in StoredProbe._fields})


def calibration_error(confidence: ArrayLike, right: ArrayLike) -> float:
    """Expected calibration error: how far shares of right answers are from what was said, 0 to 1.

    Args:
      confidence: [n], probability of the class that was answered. right: bool [n].
    Windows are binned by confidence, ten bins of equal width, and the distance of the mean
    confidence from the share that is right is averaged over them by their sizes (Guo et al. 2017,
    arXiv:1706.04599).
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    count = np.bincount(bins, minlength=_BINS)
    apart = np.bincount(bins, confidence - right, minlength=_BINS)
    return float(np.abs(apart).sum() / max(count.sum(), 1))

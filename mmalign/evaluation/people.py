"""What a score says beyond the people that it was measured on: one by one, and by an interval."""

from collections.abc import Mapping
from typing import Any

import numpy as np

DRAWS = 2000
LEVEL = 0.95


def by_person(
    label: np.ndarray, predictions: np.ndarray, group: np.ndarray, classes: int
) -> dict[str, list]:
    """How each person's windows were taken, in few numbers.

    Args: label, predictions, group: int [n], the true and the predicted class and the person.
    Returns: {"people": their numbers in `group`, "taken": [[which of them, true class, predicted
      class, windows], ...]}, see `confusions`.
    """
    people, owner = np.unique(group, return_inverse=True)
    cell = (owner * classes + label) * classes + predictions
    cells, count = np.unique(cell, return_counts=True)
    who, rest = np.divmod(cells, classes * classes)
    taken = np.stack([who, rest // classes, rest % classes, count], axis=1)
    return {"people": people.tolist(), "taken": taken.tolist()}


def confusions(record: Mapping[str, Any], classes: int) -> np.ndarray:
    """[people, true class, predicted class] counts of a record with what `by_person` says."""
    counts = np.zeros((len(record["people"]), classes, classes), int)
    who, label, predicted, count = np.asarray(record["taken"]).T
    counts[who, label, predicted] = count
    return counts


def accuracy_and_f1(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and macro-F1 of confusion matrices [..., true class, predicted class].

    The mean is over classes that a matrix has windows of, as in `scoring.scores`.
    """
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    true, guessed = counts.sum(axis=-1), counts.sum(axis=-2)
    f1 = 2 * hit / np.maximum(true + guessed, 1)
    accuracy = hit.sum(axis=-1) / np.maximum(true.sum(axis=-1), 1)
    return accuracy, np.where(true > 0, f1, 0).sum(axis=-1) / np.maximum((true > 0).sum(axis=-1), 1)


def intervals(counts: np.ndarray, seed: int = 0) -> dict[str, tuple[float, float]] | None:
    """95 % intervals of accuracy and macro-F1 over people, by a bootstrap that draws people.

    counts: [people, true class, predicted class].
    Returns: {"accuracy": (low, high), "macro_f1": (low, high)}; None for a single person, of whom
      nothing can be concluded about others.
    """
    if len(counts) < 2:
        return None
    drawn = accuracy_and_f1(_resampled(counts, seed))
    measured = accuracy_and_f1(counts.sum(axis=0))
    return {
        name: _interval(at, draws, len(counts), within=(0.0, 1.0))
        for name, at, draws in zip(("accuracy", "macro_f1"), measured, drawn)
    }


def difference(
    first: np.ndarray, second: np.ndarray, seed: int = 0
) -> dict[str, tuple[float, float]] | None:
    """95 % intervals of first - second, as `intervals`, both on the same draws of people."""
    if len(first) < 2:
        return None
    pairs = zip(*(accuracy_and_f1(_resampled(x, seed)) for x in (first, second)))
    measured = zip(*(accuracy_and_f1(x.sum(axis=0)) for x in (first, second)))
    return {
        name: _interval(m[0] - m[1], d[0] - d[1], len(first))
        for name, m, d in zip(("accuracy", "macro_f1"), measured, pairs)
    }


def _resampled(counts, seed):
    """Sums over people drawn with replacement, [DRAWS, true class, predicted class]."""
    people = len(counts)
    drawn = np.random.default_rng(seed).integers(0, people, (DRAWS, people))
    times = np.zeros((DRAWS, people))
    np.add.at(times, (np.arange(DRAWS)[:, None], drawn), 1)
    return (times @ counts.reshape(people, -1)).reshape(DRAWS, *counts.shape[1:])


def _interval(measured, drawn, people, within=(-1.0, 1.0)) -> tuple[float, float]:
    """Percentiles, widened around what was measured as Student's t is wider than the normal.

    A bootstrap over n people has the variance of n in place of n - 1, and the tails of a normal;
    of six people its plain percentiles hold the truth in some 85 of 100 cases.
    """
    from scipy import stats

    tail = (1 - LEVEL) / 2
    wider = stats.t.ppf(1 - tail, people - 1) / stats.norm.ppf(1 - tail)
    wider *= np.sqrt(people / (people - 1))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    low, high = np.clip([measured + wider * (x - measured) for x in (low, high)], *within)
    return float(low), float(high)

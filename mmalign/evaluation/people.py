"""Scores by person: how the windows of each were taken."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmalign.data.dataset import UNKNOWN


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


def known(record: Mapping[str, Any], classes: int) -> np.ndarray:
    """`confusions` of the people who are known, for what is said over people.

    Windows of nobody known are of no one knows how many people: they are left out, unless they are
    all that there is; then they are one row, of which nothing can be concluded about others.
    """
    counts = confusions(record, classes)
    rows = np.asarray(record["people"]) != UNKNOWN
    return counts[rows] if rows.any() else counts


def accuracy_and_f1(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and macro-F1 of confusion matrices [..., true class, predicted class].

    The mean is over classes that a matrix has windows of, as in `scoring.scores`.
    """
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    true, guessed = counts.sum(axis=-1), counts.sum(axis=-2)
    f1 = 2 * hit / np.maximum(true + guessed, 1)
    accuracy = hit.sum(axis=-1) / np.maximum(true.sum(axis=-1), 1)
    return accuracy, np.where(true > 0, f1, 0).sum(axis=-1) / np.maximum((true > 0).sum(axis=-1), 1)

"""Which row of a column is better than all others, by its interval over test people."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign.evaluation import people
from mmalign.evaluation.intervals import difference


def better_than_all(entries: Sequence[Sequence[Mapping[str, Any]]]) -> list[list[bool]]:
    """[[accuracy, macro-F1: whether it is better than that of every other row], ...]."""
    rivals = [[other for other in entries if other and other is not entry] for entry in entries]
    return [
        [bool(entry and others) and all(_exceeds(entry, other, metric) for other in others)
         for metric in ("accuracy", "macro_f1")]
        for entry, others in zip(entries, rivals)
    ]  # fmt: skip


def _exceeds(entry, other, metric):
    """Whether the paired difference is above zero by its interval."""
    if any("people" not in r for r in (*entry, *other)) or entry[0]["people"] != other[0]["people"]:
        return False
    mean = lambda records: np.mean([r[metric] for r in records])
    if mean(entry) <= mean(other):  # which most are: no need to draw people
        return False
    found = difference(counts(entry), counts(other))
    return found is not None and found[metric][0] > 0


def counts(entry: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """[seeds, people, true class, predicted class] of the records of one cell, known people."""
    return np.stack([people.known(r, len(r["confusion"])) for r in entry])

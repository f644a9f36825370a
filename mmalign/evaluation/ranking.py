"""Rows of a table in order, each with how far it is behind the best and whether that is sure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmalign.evaluation import people
from mmalign.evaluation.intervals import METRICS, Interval, difference, intervals

JOINT, NEAREST = "joint", "knn"


class Standing(NamedTuple):
    """One row; every field is {"accuracy": ..., "macro_f1": ...}, but `row`.

    mean: over seeds. deviation: over seeds, of the sample; 0 of a single one.
    interval: of the mean, over people and seeds; None where nothing is known of others.
    behind: (best row - this one, its paired interval or None); (0, (0, 0)) of the best.
    level: whether it may well be as good as the best: the interval holds zero, or there is none.
    """

    row: str
    mean: Mapping[str, float]
    deviation: Mapping[str, float]
    interval: Mapping[str, Interval | None]
    behind: Mapping[str, tuple[float, Interval | None]]
    level: Mapping[str, bool]


def standings(records: Sequence[Mapping[str, Any]], metric: str = "macro_f1") -> list[Standing]:
    """Rows by what is known of the label from all sensors together, the best first.

    Args:
      records: of `evaluation.evaluate`, all at one share of the labels and of the pairs; those of
        several seeds, and of folds of people ("fold"), which are tested in turn.
      metric: what the order is by; "accuracy" or "macro_f1".
    Differences are paired by person and seed. The best is chosen by the same numbers, so that a row
    that is not level with it may still be so by luck, more often than in 5 of 100 cases if there
    are many rows.
    """
    rows = _by_row(records)
    if not rows:
        raise ValueError("there is no record of a joint embedding to rank")
    counts = {row: _counts(found, people.known) for row, found in rows.items()}
    scores = {row: _scores(found) for row, found in rows.items()}
    order = sorted(counts, key=lambda row: -scores[row][metric].mean())
    return [_standing(row, counts, scores, order[0]) for row in order]


def gap(
    records: Sequence[Mapping[str, Any]], first: str, second: str, metric: str = "macro_f1"
) -> tuple[float, Interval | None]:
    """(first row - second row, its paired interval or None), of records as for `standings`."""
    rows = _by_row(records)
    a, b = (_scores(rows[row])[metric].mean() for row in (first, second))
    one, other = (_counts(rows[row], people.known) for row in (first, second))
    found = difference(one, other)
    return float(a - b), None if found is None else found[metric]


def _by_row(records):
    """{row: records of its answers from all sensors}."""
    out = {}
    for r in records:
        if r["part"] == JOINT and r["protocol"] != NEAREST:
            out.setdefault(r["row"], []).append(r)
    return out


def _counts(records, of=people.confusions):
    """[seeds, people of all folds, true class, predicted class] of a row.

    of: (record, classes) -> those of a record.
    """
    by_seed = {}
    for r in records:
        by_seed.setdefault(r["seed"], {})[r.get("fold")] = of(r, len(r["confusion"]))
    folds = {tuple(found) for found in by_seed.values()}
    if len(folds) > 1:
        raise ValueError(f"the seeds of row {records[0]['row']!r} are of different folds")
    return np.stack([np.concatenate([*found.values()]) for found in by_seed.values()])


def _scores(records):
    """{metric: [seeds]} of all people together, those included whom nobody knows."""
    return dict(zip(METRICS, people.accuracy_and_f1(_counts(records).sum(axis=1))))


def _standing(row, counts, scores, best):
    mean = {m: float(x.mean()) for m, x in scores[row].items()}
    spread = {m: float(x.std(ddof=min(1, len(x) - 1))) for m, x in scores[row].items()}
    own = intervals(counts[row]) or dict.fromkeys(METRICS)
    if row == best:
        behind = dict.fromkeys(METRICS, (0.0, (0.0, 0.0)))
    else:
        found = difference(counts[best], counts[row]) or dict.fromkeys(METRICS)
        behind = {m: (float(scores[best][m].mean()) - mean[m], found[m]) for m in METRICS}
    level = {m: at is None or at[0] <= 0 for m, (_, at) in behind.items()}
    return Standing(row, mean, spread, own, behind, level)

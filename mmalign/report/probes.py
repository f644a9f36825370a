"""The probe table: what of the records fills which cell."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmalign.evaluation.intervals import METRICS, intervals
from mmalign.report.best import better_than_all, counts
from mmalign.report.table import Number, Table

_DASH = "-"
# Which protocol fills a linear-probe column: a network's or a forest's own answer stands in for it.
_ANSWERS = ("network", "forest", "linear", "majority")


class _Column(NamedTuple):
    title: str
    part: str
    protocols: tuple[str, ...]
    fraction: float


def probe_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """Records of `evaluation.evaluate` (any number of seeds, which are averaged) as a Table.

    Rows in the order of the records. Columns: the joint embedding at each label fraction, the
    95 % intervals at the largest, kNN, then each modality's probe at its largest fraction. A cell
    that nothing filled is a dash. Best are accuracy and macro-F1, each on its own, that exceed
    those of every other row by a paired difference whose 95 % interval over test people excludes
    zero.
    """
    if not records:
        raise ValueError("records is empty: there is nothing to tabulate")
    columns = _columns(records)
    names = list(dict.fromkeys(r["row"] for r in records))
    found = {name: [_of(records, name, column) for column in columns] for name in names}
    of_column = [[found[name][j] for name in names] for j in range(len(columns))]
    best = [better_than_all(entries) for entries in of_column]
    whole = max((j for j, c in enumerate(columns) if c.protocols == _ANSWERS and c.part == "joint"),
                default=None)  # fmt: skip
    rows, header = [], [column.title for column in columns]
    for i, name in enumerate(names):
        cells = [
            _cell(found[name][j], best[j][i], column.part == "joint")
            for j, column in enumerate(columns)
        ]
        if whole is not None:
            cells.insert(whole + 1, _interval(found[name][whole]))
        rows.append((name, tuple(cells)))
    if whole is not None:
        header.insert(whole + 1, "95 % intervals")
    return Table(("", *header), tuple(rows), _note(records))


def _columns(records):
    fractions = sorted({r["fraction"] for r in records if _is_answer(r) and _is_joint(r)})
    nearest = max((r["fraction"] for r in records if r["protocol"] == "knn"), default=None)
    columns = [_Column(f"{_percent(f)} % labels", "joint", _ANSWERS, f) for f in fractions]
    if nearest is not None:
        columns.append(_Column("kNN", "joint", ("knn",), nearest))
    for part in dict.fromkeys(r["part"] for r in records if not _is_joint(r)):
        most = max(r["fraction"] for r in records if r["part"] == part)
        columns.append(_Column(part, part, _ANSWERS, most))
    return columns


def _note(records):
    whom = "people" if any(set(r.get("people", ())) - {-1} for r in records) else "windows"
    seeds = len({r["seed"] for r in records})
    return (
        f"Accuracy / macro-F1 in % on test {whom}, macro-F1 over the classes they have: linear "
        "probe of the frozen joint embedding by share of labels, its strength chosen on folds of "
        f"the training {whom}; kNN of 5 neighbours; each sensor's linear probe alone (accuracy). "
        + ("Intervals: at the largest share, over test people." if whom == "people" else "")
        + (f" Means of {seeds} seeds." if seeds > 1 else "")
    )


def _is_answer(r):
    return r["protocol"] in _ANSWERS


def _is_joint(r):
    return r["part"] == "joint"


def _of(records, row, column):
    """Records, one a seed, by the first of the column's protocols that the row has; [] if none."""
    for protocol in column.protocols:
        key = row, column.part, protocol, column.fraction
        found = [r for r in records if (r["row"], r["part"], r["protocol"], r["fraction"]) == key]
        if found:
            return found
    return []


def _cell(entry, best, with_f1):
    if not entry:
        return (Number(_DASH),)
    metrics = ("accuracy", "macro_f1") if with_f1 else ("accuracy",)
    return tuple(
        Number(f"{100 * np.mean([r[metric] for r in entry]):.1f}", bool(is_best))
        for metric, is_best in zip(metrics, best)
    )


def _interval(entry):
    if not entry or not all(r.get("intervals") for r in entry):
        return (Number(_DASH),)
    found = entry[0]["intervals"] if len(entry) == 1 else intervals(counts(entry))
    assert found is not None  # as each record has its own
    of = lambda metric: 100 * np.array(found[metric])
    return tuple(Number("{:.0f}-{:.0f}".format(*of(m))) for m in METRICS)


def _percent(fraction):
    return f"{100 * fraction:.3g}"

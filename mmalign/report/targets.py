"""What rows tell of every target of the data, where there are several."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmalign.report.look import section
from mmalign.report.table import Number, Table

# of a kind of target: what is shown of it, and what that is
_SHOWN = {
    "classes": ("balanced_accuracy", "balanced accuracy in %"),
    "real": ("r2", "R^2"),
    "multi_hot": ("macro_f1", "macro-F1 in %"),
}
Found = Mapping[str, Sequence[Mapping[str, Any]]]


def targets_table(found: Found) -> Table:
    """Rows by targets; found: {row: `evaluation.probe_targets`}."""
    tasks = {r["task"]: r for records in found.values() for r in records}
    rows = []
    for row, records in found.items():
        of = {r["task"]: r for r in records}
        rows.append((row, tuple((Number(_text(of.get(task))),) for task in tasks)))
    kinds = {r["kind"]: None for r in tasks.values()}
    said = [f"{_SHOWN[kind][1]} ({_named(tasks, kind)})" for kind in kinds]
    note = (
        "Linear probes of the frozen joint embedding, fitted to all training windows that know a "
        f"target: {'; '.join(said)}. Balanced accuracy is the mean over classes of the share that "
        "is found; chance is 1 / classes."
    )
    return Table(("", *tasks), tuple(rows), note)


def targets(found: Found | None) -> str | None:
    """The table as a section of the page, or None where there is one target alone."""
    return section("Targets", targets_table(found).html()) if found else None


def _named(tasks, kind):
    """The targets of a kind, in words."""
    of = {task: r["size"] for task, r in tasks.items() if r["kind"] == kind}
    return ", ".join(
        f"{task}: {n} classes" if kind == "classes" else task for task, n in of.items()
    )


def _text(record):
    value = None if record is None else record[_SHOWN[record["kind"]][0]]
    if record is None or value is None:
        return "-"
    return f"{value:.2f}" if record["kind"] == "real" else f"{100 * value:.1f}"

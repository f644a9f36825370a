"""The probe table: one row a contender, as plain text, Markdown and HTML."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

WIDTH = 110
NOTE = (
    "Accuracy / macro-F1 in % on test subjects, macro-F1 over the classes they have: linear probe "
    "of the frozen joint embedding by share of labels, its strength chosen on held-out training "
    "subjects; kNN of 5 neighbours; each sensor's linear probe alone (accuracy)."
)
_DASH = "-"
# Which protocol fills a linear-probe column: a network's own answer stands in for its probe.
_ANSWERS = ("network", "linear", "majority")


class Table(NamedTuple):
    """Strings ready to print. `best[i][j]` marks the largest number of a column."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: tuple[tuple[bool, ...], ...]
    note: str

    def text(self, width: int = WIDTH) -> str:
        """Aligned plain text; columns that do not fit `width` follow in a second block."""
        lines = [self.header, *self.rows]
        sizes = [max(len(line[j]) for line in lines) for j in range(len(self.header))]
        sizes[0] = min(sizes[0], max(8, width // 3))
        blocks, start = [], 1
        while start < len(sizes) or not blocks:
            end = start + 1
            while (
                end < len(sizes) and sizes[0] + sum(s + 2 for s in sizes[start : end + 1]) <= width
            ):
                end += 1
            picked = [_line(line, sizes, start, end) for line in lines]
            blocks.append([picked[0], "-" * max(map(len, picked)), *picked[1:]])
            start = end
        return "\n\n".join("\n".join(block) for block in [*blocks, textwrap.wrap(self.note, width)])

    def markdown(self) -> str:
        """A pipe table; the best of each column in bold."""
        cell = lambda text: text.replace("\\", "\\\\").replace("|", "\\|")
        lines = ["| " + " | ".join(map(cell, self.header)) + " |"]
        lines.append("|" + " --- |" + " ---: |" * (len(self.header) - 1))
        for row, best in zip(self.rows, self.best, strict=True):
            marked = [f"**{cell(t)}**" if b else cell(t) for t, b in zip(row, best, strict=True)]
            lines.append("| " + " | ".join(marked) + " |")
        return "\n".join([*lines, "", self.note])

    def html(self, shown: str | None = None) -> str:
        """A <table>; the best of each column in bold, the row named `shown` tinted; escaped."""
        head = "".join(f"<th>{html.escape(t)}</th>" for t in self.header)
        body = ""
        for row, best in zip(self.rows, self.best, strict=True):
            cells = [
                f"<td><b>{html.escape(t)}</b></td>" if b else f"<td>{html.escape(t)}</td>"
                for t, b in zip(row, best, strict=True)
            ]
            tint = ' class="shown"' if row[0] == shown else ""
            body += f"<tr{tint}>{''.join(cells)}</tr>\n"
        return (
            f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>\n"
            f'<p class="note">{html.escape(self.note)}</p>'
        )


def probe_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """Records of `evaluation.evaluate` (any number of seeds, which are averaged) as a Table.

    Rows in the order of the records. Columns: the joint embedding at each label fraction, kNN, then
    each modality's linear probe at its largest fraction. A cell that nothing filled is a dash.
    """
    if not records:
        raise ValueError("records is empty: there is nothing to tabulate")
    fractions = sorted({r["fraction"] for r in records if _is_answer(r) and _is_joint(r)})
    nearest = max((r["fraction"] for r in records if r["protocol"] == "knn"), default=None)
    parts = dict.fromkeys(r["part"] for r in records if not _is_joint(r))
    columns: list[tuple[str, str, tuple[str, ...], float]] = [
        (f"{_percent(f)} % labels", "joint", _ANSWERS, f) for f in fractions
    ]
    if nearest is not None:
        columns.append(("kNN", "joint", ("knn",), nearest))
    for part in parts:
        most = max(r["fraction"] for r in records if r["part"] == part)
        columns.append((part, part, _ANSWERS, most))
    names = list(dict.fromkeys(r["row"] for r in records))
    values = [[_mean(records, name, *column[1:]) for column in columns] for name in names]
    first = [[-1.0 if v is None else v[0] for v in row] for row in values]
    top = np.max(first, axis=0, initial=0.0)
    best = tuple(
        (False, *(v > 0 and round(v, 3) == round(t, 3) for v, t in zip(row, top, strict=True)))
        for row in first
    )
    rows = tuple(
        (name, *(_cell(v, column[1] == "joint") for v, column in zip(row, columns, strict=True)))
        for name, row in zip(names, values, strict=True)
    )
    seeds = len({r["seed"] for r in records})
    note = NOTE + (f" Means of {seeds} seeds." if seeds > 1 else "")
    return Table(("", *(column[0] for column in columns)), rows, best, note)


def _is_answer(r):
    return r["protocol"] in _ANSWERS


def _is_joint(r):
    return r["part"] == "joint"


def _mean(records, row, part, protocols, fraction):
    """(accuracy, macro-F1) over seeds by the first of `protocols` that the row has, or None."""
    for protocol in protocols:
        key = row, part, protocol, fraction
        found = [
            (r["accuracy"], r["macro_f1"])
            for r in records
            if (r["row"], r["part"], r["protocol"], r["fraction"]) == key
        ]
        if found:
            return np.mean(found, axis=0)
    return None


def _cell(value, with_f1):
    if value is None:
        return _DASH
    accuracy, f1 = (f"{100 * v:.1f}" for v in value)
    return f"{accuracy} / {f1}" if with_f1 else accuracy


def _percent(fraction):
    return f"{100 * fraction:.3g}"


def _line(line, sizes, start, end):
    name = line[0] if len(line[0]) <= sizes[0] else line[0][: sizes[0] - 1] + "…"
    cells = [name.ljust(sizes[0]), *(line[j].rjust(sizes[j]) for j in range(start, end))]
    return "  ".join(cells).rstrip()

"""The probe table: one row a contender, as plain text, Markdown and HTML."""

import html
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmalign.evaluation import people

WIDTH = 110
_DASH = "-"
# Which protocol fills a linear-probe column: a network's or a forest's own answer stands in for it.
_ANSWERS = ("network", "forest", "linear", "majority")


class Number(NamedTuple):
    """A number as text, and whether it is the best of its column, see `probe_table`."""

    text: str
    best: bool = False


class Table(NamedTuple):
    """Strings ready to print. A row is its name and a cell a column: the numbers of it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[Number, ...], ...]], ...]
    note: str

    def text(self, width: int = WIDTH) -> str:
        """Aligned plain text; columns that do not fit `width` follow in a second block."""
        lines = [self.header, *self._lines(lambda text: text, lambda text: text)]
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
        """A pipe table; what is better than all others in bold."""
        cell = lambda text: text.replace("\\", "\\\\").replace("|", "\\|")
        lines = ["| " + " | ".join(map(cell, self.header)) + " |"]
        lines.append("|" + " --- |" + " ---: |" * (len(self.header) - 1))
        for line in self._lines(cell, lambda text: f"**{text}**"):
            lines.append("| " + " | ".join(line) + " |")
        return "\n".join([*lines, "", self.note])

    def html(self, shown: str | None = None) -> str:
        """A <table>; the best in bold as in `markdown`, the row named `shown` tinted; escaped."""
        head = "".join(f"<th>{html.escape(t)}</th>" for t in self.header)
        body = ""
        lines = self._lines(html.escape, lambda text: f"<b>{text}</b>")
        for (name, _), line in zip(self.rows, lines, strict=True):
            tint = ' class="shown"' if name == shown else ""
            body += f"<tr{tint}>{''.join(f'<td>{text}</td>' for text in line)}</tr>\n"
        return (
            f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>\n"
            f'<p class="note">{html.escape(self.note)}</p>'
        )

    def _lines(self, escape: Callable[[str], str], bold: Callable[[str], str]) -> list[list[str]]:
        """The rows as text, the best numbers marked by `bold`."""
        marked = lambda n: bold(escape(n.text)) if n.best else escape(n.text)
        return [
            [escape(name), *(" / ".join(map(marked, cell)) for cell in cells)]
            for name, cells in self.rows
        ]


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
    best = [_best(entries) for entries in of_column]
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


def _best(entries):
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
    counts = [
        np.sum([people.confusions(r, len(r["confusion"])) for r in records], axis=0)
        for records in (entry, other)
    ]
    mean = lambda records: np.mean([r[metric] for r in records])
    if mean(entry) <= mean(other):  # which most are: no need to draw people
        return False
    found = people.difference(*counts)
    return found is not None and found[metric][0] > 0


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
    known = [r["intervals"] for r in entry if r.get("intervals")]
    if not known:
        return (Number(_DASH),)
    mean = lambda metric: 100 * np.mean([found[metric] for found in known], axis=0)
    return tuple(Number("{:.0f}-{:.0f}".format(*mean(m))) for m in ("accuracy", "macro_f1"))


def _percent(fraction):
    return f"{100 * fraction:.3g}"


def _line(line, sizes, start, end):
    name = line[0] if len(line[0]) <= sizes[0] else line[0][: sizes[0] - 1] + "…"
    cells = [name.ljust(sizes[0]), *(line[j].rjust(sizes[j]) for j in range(start, end))]
    return "  ".join(cells).rstrip()

"""The ranked table of a comparison, and its numbers by share of pairs and of labels."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from mmalign.report.advice import METRIC, pairs_text

Ranking = Mapping[str, Any]
_COLUMNS = ("", "macro-F1", "95 % interval", "behind the best", "accuracy", "behind the best",
            "training", "steps", "parameters", "memory")  # fmt: skip
NOTE = (
    "In %, means of seeds and their standard deviation. Intervals are over test people and seeds, "
    "those of differences paired by person and seed. Rows in bold are the best or not to be told "
    "from it. Training: time, steps and the memory of a step, of all that the row starts from."
)


def ranking_table(ranking: Ranking, cost: Mapping[str, Mapping[str, Any]]) -> str:
    """One setting as a <table>, the best row first.

    cost: {row: {"seconds", "steps", "parameters", "memory"}}, of rows that are trained.
    """
    lines = []
    for row in ranking["rows"]:
        name = row["row"]
        f1 = (_spread(row, METRIC), _range(row["interval"][METRIC]), _gap(row, METRIC))
        cells = [name, *f1, _spread(row, "accuracy"), _gap(row, "accuracy"), *_cost(cost.get(name))]
        lines.append((cells, row["level"][METRIC]))
    return table(_COLUMNS, lines)


def by_setting(rankings: Sequence[Ranking]) -> tuple[list[str], dict[str, list[Mapping | None]]]:
    """({setting in words}, {row: what it has in each of them}), rows in the order of the first."""
    titles = [f"{pairs_text(r['pairs'])}, {100 * r['fraction']:.3g} % labels" for r in rankings]
    found = [{row["row"]: row for row in r["rows"]} for r in rankings]
    names = dict.fromkeys(row["row"] for r in rankings for row in r["rows"])
    return titles, {name: [of.get(name) for of in found] for name in names}


def numbers_table(rankings: Sequence[Ranking]) -> str:
    """Macro-F1 of every row in each of the rankings as a <table>."""
    titles, rows = by_setting(rankings)
    lines = [
        ([name, *("-" if row is None else _spread(row, METRIC) for row in cells)], False)
        for name, cells in rows.items()
    ]
    return table(["", *titles], lines)


def table(header: Sequence[str], lines: Sequence[tuple[Sequence[str], bool]]) -> str:
    """A <table> of text, escaped, that scrolls where it is wide; lines that are marked in bold."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    body = ""
    for cells, bold in lines:
        escaped = [f"<b>{html.escape(c)}</b>" if bold else html.escape(c) for c in cells]
        body += f"<tr>{''.join(f'<td>{text}</td>' for text in escaped)}</tr>\n"
    return (f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>'
            "</table></div>\n")  # fmt: skip


def _spread(row, metric):
    mean, deviation = 100 * row["mean"][metric], 100 * row["deviation"][metric]
    return f"{mean:.1f} ± {deviation:.1f}" if deviation else f"{mean:.1f}"


def _range(interval):
    return "-" if interval is None else "{:.1f} to {:.1f}".format(*(100 * x for x in interval))


def _gap(row, metric):
    gap, interval = row["behind"][metric]
    if interval is not None and tuple(interval) == (0, 0) and not gap:
        return "best"
    return f"{100 * gap:.1f}" + ("" if interval is None else f" ({_range(interval)})")


def _cost(cost):
    if cost is None:
        return ("-",) * 4
    memory = "-" if cost["memory"] is None else f"{cost['memory'] / 2**20:,.0f} MiB"
    return (f"{cost['seconds'] / 60:.1f} min", f"{cost['steps']:,.0f}",
            f"{cost['parameters']:,.0f}", memory)  # fmt: skip

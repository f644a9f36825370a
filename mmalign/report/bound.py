"""The section on pseudo-pairs: how alike, how often one partner is used, how many are right."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign.canvas import BESIDE, blank, colour, legend, png, tidy
from mmalign.lettering import Lettering
from mmalign.report.look import picture, section
from mmalign.report.ranked import table

_NOTE = (
    "Windows of one source and their partners of another. Similarity: of what both have, before it "
    "becomes a weight. Used: share of the other source's windows that is anyone's partner; "
    "hubness: skewness of how often a window is one, 0 where all are alike. Mutual: share of pairs "
    "found both ways. Right: share of pairs with the same label, where labels are known, against "
    "partners drawn at random; no training reads it."
)
_HEAD = ("", "from", "to", "by", "pairs", "similarity", "used", "most used", "hubness", "mutual",
         "right", "chance")  # fmt: skip


def bound(
    found: Mapping[str, Sequence[Mapping[str, Any]]] | None, sources: Sequence[str] = ()
) -> str | None:
    """Rows by direction; found: {row: `evaluation.binding_quality`}, sources: their names."""
    if not found:
        return None
    name = lambda number: sources[number] if sources else str(number)
    lines = []
    for row, records in found.items():
        for r in records:
            cells = [
                row, name(r["from"]), name(r["to"]), r["shared"] or "-", f"{r['pairs']:,}",
                f"{r['similarity']['mean']:.2f}", _percent(r["distinct"]), f"{r['most_used']:,}",
                f"{r['hubness']:.1f}", *(_percent(r[key]) for key in ("mutual", "right", "chance")),
            ]  # fmt: skip
            lines.append((cells, False))
    body = table(_HEAD, lines) + picture(histograms(found, name), "Similarities of partners")
    return section("Which windows were bound", body, _NOTE)


def histograms(found: Mapping[str, Sequence[Mapping[str, Any]]], name) -> bytes:
    """Similarities of the pairs of every row and direction, as PNG.

    name: number of a source -> what it is called.
    """
    figure = blank(7.4, 3.0)
    axes, drawn, written = figure.add_subplot(), [], Lettering()
    shown = [(row, r) for row, records in found.items() for r in records]
    for i, (_, r) in enumerate(shown):
        counts, edges = (np.asarray(r["similarity"][key]) for key in ("counts", "edges"))
        share = counts / max(counts.sum(), 1)
        drawn.append(axes.stairs(share, edges, color=colour(i), lw=1.6))
    axes.set_xlabel("similarity of a window and its partner")
    axes.set_ylabel("share of the pairs")
    names = [f"{row}, {name(r['from'])} to {name(r['to'])}" for row, r in shown]
    legend(axes, drawn, written.all(names, 60), **BESIDE)
    tidy(axes)
    return png(figure, written)


def _percent(share):
    return "-" if share is None else f"{100 * share:.1f} %"

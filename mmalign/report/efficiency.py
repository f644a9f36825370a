"""Curves of a comparison: what rows make of more pairs, and of more labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign.canvas import MUTED, blank, colour, legend, png, tidy
from mmalign.lettering import Lettering
from mmalign.report.advice import METRIC

_DASHED = ("Chance", "Raw windows", "Random encoder", "Window statistics",
           "Random forest on window statistics", "Supervised network")  # fmt: skip


_FAR_BELOW = ("Chance", "Raw windows")  # no axis is stretched for them


def curves(panels: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]], xlabel: str) -> bytes:
    """PNG bytes: a panel each, a line a row, macro-F1 in % with its interval.

    panels: {title: [(where on the x axis, in words, ranking)]}, from little to much. What is far
      below all others, as chance is, may be out of the picture.
    """
    names = list(dict.fromkeys(
        row["row"] for points in panels.values() for _, ranking in points for row in ranking["rows"]
    ))  # fmt: skip
    figure = blank(3.4 * len(panels) + 2.4, 3.4)
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    learnt = [name for name in names if name not in _DASHED]
    drawn, written = {}, Lettering()
    for ax, (title, points) in zip(axes, panels.items()):
        for name in names:
            reference = name in _DASHED
            tone = MUTED if reference else colour(learnt.index(name))
            style = dict(color=tone, lw=1.0 if reference else 1.6)
            if reference:
                style |= dict(ls=("--", ":", "-.")[_DASHED.index(name) % 3])
            else:
                style |= dict(marker="os^Dv<>P"[learnt.index(name) // 8 % 8], ms=4)
            x, mean, low, high = _line(name, points)
            (drawn[name],) = ax.plot(x, mean, **style)
            if not reference:
                ax.fill_between(x, low, high, color=tone, alpha=0.08, lw=0)
        ax.set_xticks(range(len(points)), written.all(where for where, _ in points))
        ax.set_title(written(title, 40), loc="left", fontsize=8.5)
        ax.set_xlabel(xlabel)
        tidy(ax)
    axes[0].set_ylabel("macro-F1 in %")
    _near(axes[0], [_line(name, points)[1] for name in names if name not in _FAR_BELOW
                    for points in panels.values()])  # fmt: skip
    legend(figure, [*drawn.values()], written.all(drawn, 34), loc="outside right upper",
           fontsize=7.5)  # fmt: skip
    return png(figure, written)


def _near(axes, means):
    """Limits of the axis that show the differences between rows."""
    values = np.concatenate([np.empty(0), *means])
    if len(values):
        low, high = values.min(), values.max()
        room = max(2.0, 0.2 * (high - low))
        axes.set_ylim(low - room, min(100.5, high + room))


def _line(name, points):
    """(x, mean, low, high) of a row where it has a number; without an interval, the mean thrice."""
    out = []
    for x, (_, ranking) in enumerate(points):
        row = next((row for row in ranking["rows"] if row["row"] == name), None)
        if row is not None:
            mean = row["mean"][METRIC]
            out.append((x, *(100 * y for y in (mean, *(row["interval"][METRIC] or (mean, mean))))))
    return np.array(out).T.reshape(4, -1)

"""The missing-sensor matrix: what every contender still knows, by set of sensors, and at worst."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign.canvas import INK, blank, png, tidy
from mmalign.lettering import Lettering

NOTE = (
    "Macro-F1 in % on test windows, joint embedding, all labels. Trained on complete: one linear "
    "probe, fitted with every sensor, is asked about windows that miss some; trained on missing: a "
    "probe for each line, fitted on training windows that miss the same. A network answers itself. "
    "The worst case is that of the sets of sensors, not of the patterns below them. Bold is the "
    "best of a line within its panel, though others may be level with it."
)
WORST = "worst case"
_MOST_LINES = 16  # sets shown one by one; more are averaged by the number of sensors
_NETWORK = "network"
_PAGE = 10.3  # inches of a page's width


def matrix(missing: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """PNG bytes of the matrix: a line a set of sensors (or a number of them, where there are many
    sets), then the worst case and each pattern; a column a contender, a panel a head.

    Args: missing: {"sets", "patterns", "summary"} as `evaluation.missing_sensors` returns.
    """
    lines = _lines(missing)
    panels = _panels(missing["summary"])
    figure, axes = _room([len(keys) for keys in panels.values()], len(lines))
    written = Lettering()
    known = [x for _, cells in lines for x in cells.values() if x is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    for ax, (title, keys) in zip(axes, panels.items()):
        values = np.array([[cells.get(key, np.nan) for key in keys] for _, cells in lines], float)
        image = ax.imshow(values, cmap="Blues", vmin=low, vmax=high, aspect="auto")
        dark = low + 0.6 * (high - low)
        for i, j in np.ndindex(values.shape):
            if np.isfinite(values[i, j]):
                best = values[i, j] == np.nanmax(values[i])
                ax.text(j, i, f"{100 * values[i, j]:.1f}", ha="center", va="center", fontsize=7.5,
                        color="white" if values[i, j] > dark else INK,
                        weight="bold" if best else "normal")  # fmt: skip
        ax.set_title(written(title, 34), loc="left", fontsize=8.5)
        names = [written(row, 32) for row, _ in keys]
        ax.set_xticks(range(len(keys)), names, rotation=45, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(lines)), [written(name, 44) for name, _ in lines])
        at = next(i for i, (name, _) in enumerate(lines) if name == WORST)
        for edge in (at - 0.5, at + 0.5):
            ax.axhline(edge, color="white", lw=3)
        tidy(ax, grid=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
    scale = figure.colorbar(image, ax=list(axes), shrink=0.6, format=lambda x, _: f"{100 * x:.0f}")
    scale.ax.tick_params(labelsize=7)
    scale.outline.set_visible(False)
    return png(figure, written)


def _room(columns, lines):
    """A figure and the axes of panels with so many columns: side by side where a page holds that.

    Else one below the other.
    """
    wide = lambda columns: 2.9 + 0.62 * columns
    across = wide(sum(columns)) + 0.2 * len(columns)
    high, count = 1.9 + 0.27 * lines, len(columns)
    if across <= _PAGE or count == 1:
        figure = blank(across, high)
        axes = figure.subplots(1, count, squeeze=False, sharey=True, width_ratios=columns)
    else:
        figure = blank(wide(max(columns)), count * high)
        axes = figure.subplots(count, 1, squeeze=False)
    return figure, axes.ravel()


def _panels(summary):
    """{title: [(row, head)]}: networks stand beside the probes that learn from complete windows."""
    keys = [(s["row"], s["head"]) for s in summary]
    heads = dict.fromkeys(head for _, head in keys if head != _NETWORK) or {_NETWORK: None}
    first = next(iter(heads))
    return {head: [key for key in keys if key[1] == head or (head == first and key[1] == _NETWORK)]
            for head in heads}  # fmt: skip


def _lines(missing):
    """[(name, {(row, head): macro-F1})]."""
    sets, summary = missing["sets"], missing["summary"]
    found = {}
    for r in sets:
        found.setdefault(tuple(r["present"]), {})[r["row"], r["head"]] = r["macro_f1"]
    names = max(found, key=len)
    if len(found) <= _MOST_LINES:
        lines = [(_name(kept, names), cells) for kept, cells in found.items()]
    else:
        sizes = [len(kept) for kept in found]
        mean = lambda n: f" (mean of {n})" if n > 1 else ""
        lines = [
            (f"{k} of {len(names)} sensors{mean(sizes.count(k))}",
             {(s["row"], s["head"]): s["by_count"][str(k)] for s in summary})
            for k in sorted(set(sizes), reverse=True)
        ]  # fmt: skip
    lines.append((WORST, {(s["row"], s["head"]): s["worst"] for s in summary}))
    patterns = {}
    for r in missing["patterns"]:
        name = _pattern(r["pattern"])
        patterns.setdefault(name, {})[r["row"], r["head"]] = r["macro_f1"]
    return lines + list(patterns.items())


def _name(kept, names):
    """The shorter of what is there and what is not."""
    gone = [m for m in names if m not in kept]
    if not gone:
        return "all sensors"
    return " + ".join(kept) if len(kept) <= len(gone) else f"without {', '.join(gone)}"


def _pattern(pattern):
    """Its kind and rate."""
    rate = pattern.get("rate")
    return pattern["kind"] + (f" {100 * rate:.3g} %" if rate is not None else "")

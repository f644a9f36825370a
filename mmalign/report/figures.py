"""Pictures of what a run learned. Each function returns PNG bytes."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mmalign.canvas import (
    BESIDE,
    INK,
    MUTED,
    blank,
    class_colour,
    colour,
    legend,
    png,
    tidy,
)
from mmalign.lettering import Lettering


def confusion_matrix(counts: ArrayLike, class_names: Sequence[str]) -> bytes:
    """[classes, classes] counts, true class by row: shares of each row as shade, counts as text."""
    counts = np.asarray(counts)
    k = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(9.0, max(3.2, 0.52 * k + 1.6))
    figure = blank(side + 0.6, side)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if k <= 16:
        for i, j in np.ndindex(k, k):
            if counts[i, j]:
                tone = "white" if share[i, j] > 0.55 else INK
                axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=tone, fontsize=8)
    written = Lettering()
    names = written.all(class_names)
    axes.set_xticks(range(k), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(k), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    tidy(axes, grid=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return png(figure, written)


def embedding_map(
    points: ArrayLike, code: ArrayLike, names: Sequence[str], axes: tuple[str, str] = ("", ""),
    unknown: str = "unlabelled",
) -> bytes:  # fmt: skip
    """[n, 2] points in the colours of their codes.

    Args:
      code: int [n], places in `names`; -1 is grey and called `unknown`.
      axes: what the two are called; an axis without a name has no numbers.
    """
    points, code = np.asarray(points, float), np.asarray(code)
    figure, written = blank(5.1, 3.3), Lettering()
    ax = figure.add_subplot(box_aspect=1, anchor="W")  # the same shape beside any legend
    found = np.unique(code)
    tones = {c: MUTED if c < 0 else class_colour(c, len(names)) for c in found}
    size = min(max(7000 / max(len(points), 1), 7), 24)
    ax.scatter(*points.T, s=size, color=[tones[c] for c in code], alpha=0.6, lw=0)
    ax.set_xlabel(axes[0])
    ax.set_ylabel(axes[1])
    if not any(axes):
        ax.set(xticks=[], yticks=[])
    dot = lambda c: ax.scatter([], [], s=30, color=tones[c], alpha=0.6, lw=0)
    shown = [unknown if c < 0 else written(names[c]) for c in found]
    legend(ax, [dot(c) for c in found], shown, **BESIDE)
    tidy(ax)
    return png(figure, written)


def factor_bars(information: Mapping[str, Mapping[str, float | None]]) -> bytes:
    """{embedding part: {factor: R^2}} as grouped bars; bars below -0.1 are cut there.

    The number over a bar is the uncut one; a missing R^2 (None or NaN) has no bar.
    """
    names = list(dict.fromkeys(f for r2 in information.values() for f in r2))
    wide = 0.8 / max(len(information), 1)
    figure = blank(max(4.6, 1.6 + 0.42 * len(names) * len(information)), 3.2)
    axes, drawn, written = figure.add_subplot(), [], Lettering()
    for i, r2 in enumerate(information.values()):
        at = np.arange(len(names)) + (i - (len(information) - 1) / 2) * wide
        values = np.array([r2.get(f) if r2.get(f) is not None else np.nan for f in names], float)
        shown = np.clip(values, -0.1, None)
        drawn.append(axes.bar(at, np.nan_to_num(shown), wide * 0.94, color=colour(i)))
        for x, value, top in zip(at, values, shown, strict=True):
            if np.isfinite(value):
                axes.text(x, max(top, 0) + 0.02, f"{value:.2f}", ha="center", fontsize=7, color=INK)
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.set_xticks(range(len(names)), written.all(names), rotation=20, ha="right")
    axes.set_ylabel("R² on test windows")
    axes.set_ylim(top=1.12)
    legend(axes, drawn, written.all(information), **BESIDE)
    tidy(axes)
    return png(figure, written)

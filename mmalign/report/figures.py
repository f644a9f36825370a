"""Pictures of what a run learned. Each function returns PNG bytes."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mmalign.report.canvas import (
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
from mmalign.report.lettering import Lettering

_MOST_POINTS = 4000  # of the embedding map; beyond that they only cover each other


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


def embedding_map(embedding: ArrayLike, label: ArrayLike, class_names: Sequence[str]) -> bytes:
    """First two principal components of [n, d] embeddings, coloured by class (-1: grey)."""
    z, label = np.asarray(embedding, float), np.asarray(label)
    if len(z) > _MOST_POINTS:
        rows = np.random.default_rng(0).choice(len(z), _MOST_POINTS, replace=False)
        z, label = z[rows], label[rows]
    z = z - z.mean(axis=0)
    values, vectors = np.linalg.eigh(z.T @ z)
    points = z @ vectors[:, ::-1][:, :2]
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    kept = values[::-1][:2] / max(values.sum(), 1e-12)
    figure = blank(7.4, 4.6)
    axes = figure.add_subplot()
    classes, written = np.unique(label), Lettering()
    drawn = []
    for c in classes:
        tone = MUTED if c < 0 else class_colour(c, len(class_names))
        drawn.append(axes.scatter(*points[label == c].T, s=7, color=tone, alpha=0.6, lw=0))
    axes.set_xlabel(f"component 1 ({100 * kept[0]:.0f} % of the variance)")
    axes.set_ylabel(f"component 2 ({100 * kept[1:].sum():.0f} %)")
    names = ["unlabelled" if c < 0 else written(class_names[c]) for c in classes]
    legend(axes, drawn, names, markerscale=2.4, **BESIDE)
    tidy(axes)
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

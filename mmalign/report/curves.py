"""What a run logged, against the step: its losses large, everything else small."""

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mmalign.canvas import SERIES, blank, png, tidy
from mmalign.lettering import Lettering

# Inches around a panel, for its labels. Fixed: to measure labels takes longer than to draw them.
_LEFT, _RIGHT, _BELOW, _ABOVE, _STEP = 0.58, 0.22, 0.24, 0.3, 0.18


def loss_curves(metrics: Iterable[Mapping[str, Any]]) -> bytes | None:
    """A panel a stage with its loss ("<stage>/loss"). PNG bytes, or None without any."""
    series = {name: points for name, points in _series(metrics).items() if _is_loss(name)}
    return _panels(series, columns=2, size=(4.5, 2.7), title=lambda name: name.rpartition("/")[0])


def other_curves(metrics: Iterable[Mapping[str, Any]]) -> bytes | None:
    """A small panel for each other metric. PNG bytes, or None without any."""
    series = {name: points for name, points in _series(metrics).items() if not _is_loss(name)}
    return _panels(series, columns=4, size=(2.4, 1.6), title=lambda name: name)


def _series(metrics):
    """{name: [[step], [value]]} of the finite values, names in order of appearance.

    metrics: list of {"step": int, "<stage>/<metric>": float or None, ...}.
    """
    series = {}
    for entry in metrics:
        for name, value in entry.items():
            if name != "step" and isinstance(value, numbers.Real) and math.isfinite(value):
                series.setdefault(name, []).append((entry["step"], float(value)))
    return {name: np.array(sorted(points)).T for name, points in series.items()}


def _is_loss(name):
    return name == "loss" or name.endswith("/loss")


def _panels(series, *, columns, size, title):
    if not series:
        return None
    stages = list(dict.fromkeys(name.rpartition("/")[0] for name in series))
    columns = min(columns, len(series))
    lines = -(-len(series) // columns)
    width, height = size[0] * columns, size[1] * lines + _STEP
    figure, written = blank(width, height, layout=None), Lettering()
    for i, (name, (step, value)) in enumerate(series.items()):
        left, top = size[0] * (i % columns) + _LEFT, height - size[1] * (i // columns) - _ABOVE
        wide, high = size[0] - _LEFT - _RIGHT, size[1] - _BELOW - _ABOVE
        axes = figure.add_axes((left / width, (top - high) / height, wide / width, high / height))
        tone = SERIES[stages.index(name.rpartition("/")[0]) % len(SERIES)]
        axes.plot(step, value, color=tone, lw=1.5, marker="o" if len(step) == 1 else None, ms=4)
        if value.min() > 0 and value.max() > 20 * value.min():
            axes.set_yscale("log")
        name, at = written(title(name) or "loss", 34), (0.1 - _LEFT) / wide
        axes.set_title(name, loc="left", x=at, fontsize=8.5)
        if i >= len(series) - columns:
            axes.set_xlabel("step")
        tidy(axes)
        axes.locator_params(axis="x", nbins=4)
    return png(figure, written)

"""Sections of the page on what the embeddings know; None where the material is missing."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign.report import figures, robustness
from mmalign.report.cautions import better_without, cautions
from mmalign.report.look import picture, section
from mmalign.report.probes import probe_table

_WORST = 5  # pairs of classes that are named
Records = Sequence[Mapping[str, Any]]


def probes(records: Records | None, headline: str | None) -> str | None:
    """The probe table, its cautions and how the headline's strengths were chosen."""
    if not records:
        return None
    return section(
        "What the embeddings know of the label",
        probe_table(records).html(shown=headline)
        + _listed(cautions(records))
        + _choices(records, headline),
    )


def _listed(sentences):
    items = "".join(f"<li>{html.escape(text)}</li>" for text in sentences)
    return f'<ul class="note">{items}</ul>' if items else ""


def _choices(records, headline):
    """The headline's probe by its strength, a line a share of the labels."""
    lines = ""
    for r in records:
        if (r["row"], r["part"], r["protocol"]) == (headline, "joint", "linear") and r.get("curve"):
            curve = ", ".join(f"{c:.0e}: {100 * f1:.1f}" for c, f1 in r["curve"])
            lines += (
                f"<li>{100 * r['fraction']:.3g} % labels: C = {r['strength']:.1e} of {curve}</li>"
            )
    if not lines:
        return ""
    return (
        "<details><summary>How the probe's strength was chosen: macro-F1 in % over folds of "
        f"training people by C</summary><ul>{lines}</ul></details>"
    )


def missing_sensors(missing: Mapping[str, Any] | None) -> str | None:
    """The matrix of missing sensors, and what may be left out."""
    if not missing or not missing["sets"]:
        return None
    return section(
        "When sensors are missing",
        picture(robustness.matrix(missing), "Macro-F1 by set of present sensors")
        + _listed(better_without(missing["sets"])),
        robustness.NOTE,
    )


def confusion(records: Records | None, headline: str | None, classes: Sequence[str]) -> str | None:
    """The confusion matrix of the headline at its largest share of labels."""
    found = [
        r
        for r in records or ()
        if r["row"] == headline and r["part"] == "joint" and r["protocol"] in ("linear", "network")
    ]
    if not found:
        return None
    most = max(found, key=lambda r: (r["fraction"], -r["seed"]))
    names = classes or [str(i) for i in range(len(most["confusion"]))]
    return section(
        "Which classes are taken for which",
        picture(figures.confusion_matrix(most["confusion"], names), "Confusion matrix")
        + _taken(most["confusion"], names),
        f"{headline}: joint probe at {100 * most['fraction']:.3g} % of the labels, counts of "
        f"{most['test_windows']:,} test windows, shaded by their share of the line.",
    )


def _taken(counts, names):
    """The classes that are taken for another one most often, in words."""
    share = np.array(counts, float)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    at = np.argsort(-share, axis=None, kind="stable")[:_WORST]
    pairs = [(i, j) for i, j in zip(*np.unravel_index(at, share.shape)) if share[i, j] > 0]
    lines = [f"{100 * share[i, j]:.0f} % of {names[i]} are taken for {names[j]}" for i, j in pairs]
    return _listed(lines)


def information(found: Mapping[str, Mapping[str, float | None]] | None) -> str | None:
    """R^2 of the generating factors."""
    if not found:
        return None
    return section(
        "What the embeddings know of the generating factors",
        picture(figures.factor_bars(found), "R² of each factor"),
        "R² of a linear readout on test windows: 1 reads the factor exactly, 0 knows nothing.",
    )

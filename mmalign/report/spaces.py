"""Sections on what embeddings are like without labels, and on what sensors tell of each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign.report.look import section
from mmalign.report.ranked import table
from mmalign.report.table import Number, Table

MEASURES = {
    "rankme": "RankMe", "lidar": "LiDAR", "alpha_req": "alpha-ReQ", "uniformity": "uniformity",
    "knn_agreement": "agreement of sensors in %",
}  # fmt: skip
_FREE = (
    "Of training windows, for a choice where there are no labels. RankMe and LiDAR: effective "
    "dimensions, more is better as a rule (LiDAR's views are neighbours in time); alpha-ReQ: decay "
    "of the spectrum, about 1 is said to be best; uniformity: lower is more spread; agreement: "
    "share of the five nearest windows that two sensors have in common. None of them has to agree "
    "with the table above."
)
_RECALLED = (
    "By the joint embedding of some of its sensors alone, a test window's embedding of all sensors "
    "is looked for among those of the others; chance: R@1 of one in so many."
)
_ACROSS = (
    "In the space in which the method brings sensors together, means over ordered pairs of them. "
    "Retrieval: of a test window's partner among all others; chance: R@1 of one in so many. "
    "Transfer: a probe that was trained on one sensor is asked about another. Alignment: mean "
    "squared distance of partners; gap: distance of the sensors' centres."
)


def label_free(found: Mapping[str, Mapping[str, float | None]] | None) -> str | None:
    """Rows by label-free measures; found: {row: `evaluation.without_labels`}."""
    return section("Without labels", label_free_table(found).html()) if found else None


def label_free_table(found: Mapping[str, Mapping[str, float | None]]) -> Table:
    """Rows by label-free measures; found: {row: `evaluation.without_labels`}."""
    rows = tuple(
        (row, tuple((Number(_number(key, values[key])),) for key in MEASURES))
        for row, values in found.items()
    )
    return Table(("", *MEASURES.values()), rows, _FREE)


def recalled(found: Mapping[str, Sequence[Mapping[str, Any]]] | None) -> str | None:
    """Sets of sensors by retrieval; found: {row: `evaluation.recalled`}."""
    lines = []
    for row, records in (found or {}).items():
        for r in records:
            numbers = [f"{100 * r[key]:.1f}" for key in ("r1", "r5", "mrr")]
            lines.append(([row, " + ".join(r["present"]), *numbers, f"{r['windows']:,}"], False))
    head = ["", "sensors", "R@1 in %", "R@5 in %", "MRR in %", "windows"]
    return section("When sensors are missing", table(head, lines), _RECALLED) if lines else None


def across(found: Mapping[str, Sequence[Mapping[str, Any]]] | None) -> str | None:
    """Rows by retrieval and transfer; found: {row: `evaluation.across_sensors`}."""
    found = {row: records for row, records in (found or {}).items() if records}
    if not found:
        return None
    lines = []
    for row, records in found.items():
        mean = lambda key: float(np.mean([r[key] for r in records]))  # noqa: B023
        probed = all(r["macro_f1"] is not None for r in records)
        percent = [f"{100 * mean(key):.1f}" for key in ("r1", "r5", "mrr")]
        percent.append(f"{100 * mean('macro_f1'):.1f}" if probed else "-")
        lines.append(([row, *percent, f"{mean('alignment'):.2f}", f"{mean('modality_gap'):.2f}",
                       f"{mean('windows'):,.0f}"], False))  # fmt: skip
    head = ["", "R@1 in %", "R@5 in %", "MRR in %", "transfer, macro-F1 in %", "alignment", "gap",
            "windows"]  # fmt: skip
    return section("From one sensor to another", table(head, lines), _ACROSS)


def _number(key, value):
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if key == "knn_agreement" else f"{value:.2f}"

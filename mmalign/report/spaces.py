"""Sections on what embeddings are like without labels, and on what sensors tell of each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign.report.look import section
from mmalign.report.ranked import table

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
_ACROSS = (
    "In the space in which the method brings sensors together, means over ordered pairs of them. "
    "Retrieval: of a test window's partner among all others; chance: R@1 of one in so many. "
    "Transfer: a probe that was trained on one sensor is asked about another. Alignment: mean "
    "squared distance of partners; gap: distance of the sensors' centres."
)


def label_free(found: Mapping[str, Mapping[str, float | None]] | None) -> str | None:
    """Rows by label-free measures; found: {row: `evaluation.without_labels`}."""
    if not found:
        return None
    lines = [([row, *(_number(key, values[key]) for key in MEASURES)], False)
             for row, values in found.items()]  # fmt: skip
    return section("Without labels", table(["", *MEASURES.values()], lines), _FREE)


def across(found: Mapping[str, Sequence[Mapping[str, Any]]] | None) -> str | None:
    """Rows by retrieval and transfer; found: {row: `evaluation.across_sensors`}."""
    found = {row: records for row, records in (found or {}).items() if records}
    if not found:
        return None
    lines = []
    for row, records in found.items():
        mean = lambda key: float(np.mean([r[key] for r in records]))  # noqa: B023
        percent = [f"{100 * mean(key):.1f}" for key in ("r1", "r5", "mrr", "macro_f1")]
        lines.append(([row, *percent, f"{mean('alignment'):.2f}", f"{mean('modality_gap'):.2f}",
                       f"{mean('windows'):,.0f}"], False))  # fmt: skip
    head = ["", "R@1 in %", "R@5 in %", "MRR in %", "transfer, macro-F1 in %", "alignment", "gap",
            "windows"]  # fmt: skip
    return section("From one sensor to another", table(head, lines), _ACROSS)


def _number(key, value):
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if key == "knn_agreement" else f"{value:.2f}"

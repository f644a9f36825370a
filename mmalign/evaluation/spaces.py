"""What a space of embeddings is like without labels, and what one sensor in it tells of another."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmalign.data.dataset import TEST, TRAIN, Dataset
from mmalign.data.runs import sequences
from mmalign.evaluation.label_free import alignment, knn_agreement, modality_gap, uniformity
from mmalign.evaluation.retrieval import retrieval, transfer
from mmalign.evaluation.spectrum import alpha_req, lidar, rankme

MOST = 2000  # windows that are looked at, every second or third and so on where there are more
_FEW = 5  # windows or columns: no slope can be told of them
RUN = 4  # neighbouring windows of a recording, which are views of one thing for LiDAR


def without_labels(parts: Mapping[str, np.ndarray], dataset: Dataset) -> dict[str, float | None]:
    """Measures by which embeddings may be chosen where there are no labels.

    Of the training windows, as a choice must not look at the test: "rankme", "alpha_req" (None of
    five windows or columns, or fewer) and "uniformity" of the joint embedding; "lidar" of it, with
    neighbours in time as the views that the paper draws by augmentation, None where recordings are
    too short; "knn_agreement", how far two sensors agree on who is near whom, a mean over their
    pairs, None of a single sensor.
    """
    train = np.flatnonzero(dataset.split == TRAIN)
    z = parts["joint"][some(train)]
    runs = sequences(dataset, dataset.split == TRAIN, RUN)
    runs = runs[(np.diff(runs, axis=1) != 0).all(axis=1)]  # without those that were filled up
    several = len(runs) > 2
    pairs = [_both(parts, dataset, train, pair) for pair in itertools.combinations(
        [m for m in dataset.modalities if m in parts], 2)]  # fmt: skip
    agreed = [knn_agreement(a, b) for a, b in pairs if len(a) > 10]
    return {
        "rankme": rankme(z),
        "alpha_req": alpha_req(z) if min(z.shape) > _FEW else None,
        "lidar": lidar(parts["joint"][some(runs)]) if several else None,
        "uniformity": uniformity(z),
        "knn_agreement": float(np.mean(agreed)) if agreed else None,
    }


def across_sensors(
    common: Mapping[str, np.ndarray], dataset: Dataset, seed: int = 0
) -> list[dict[str, Any]]:
    """What a space that sensors share is good for, a record each ordered pair of sensors.

    Args: common: {modality: [n, d]}, of a method's `common`, of all windows.
    Returns: list of {"from", "to", "windows": of the test, in which both are present; "r1", "r5"
      and "mrr", of retrieving among them the partner of a window; "accuracy" and "macro_f1" of
      "to" by a linear probe that was trained on "from" alone, which is zero-shot transfer, None
      where labels are unknown or of one class; "alignment" and "modality_gap"}.
    """
    label, group = np.asarray(dataset.label), np.asarray(dataset.group)
    test, out = np.flatnonzero(dataset.split == TEST), []
    for one, other in itertools.permutations(common, 2):
        a, b = _both(common, dataset, test, (one, other))
        fit = (dataset.split == TRAIN) & dataset.present[one] & (label >= 0)
        ask = (dataset.split == TEST) & dataset.present[other] & (label >= 0)
        if len(a) < 2:
            continue
        scored = {"accuracy": None, "macro_f1": None}
        if len(np.unique(label[fit])) > 1 and ask.any():
            scored = transfer(common[one][fit], label[fit], group[fit], common[other][ask],
                              label[ask], seed=seed)  # fmt: skip
        out.append({
            "from": one, "to": other, "windows": len(a), **retrieval(a, b),
            "accuracy": scored["accuracy"], "macro_f1": scored["macro_f1"],
            "alignment": alignment(a, b), "modality_gap": modality_gap(a, b),
        })  # fmt: skip
    return out


def _both(parts, dataset, rows, pair):
    """Embeddings of two modalities of the rows in which both are present."""
    present = dataset.present[pair[0]][rows] & dataset.present[pair[1]][rows]
    shown = some(rows[present])
    return parts[pair[0]][shown], parts[pair[1]][shown]


def some(rows: np.ndarray) -> np.ndarray:
    """An even stride of the rows, MOST of them at most."""
    return rows[:: -(-len(rows) // MOST) or 1]

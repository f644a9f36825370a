"""What a few sensors still tell of the whole window, without labels: is it found again by them?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmalign.data.dataset import TEST, Dataset
from mmalign.evaluation.retrieval import retrieval
from mmalign.evaluation.spaces import some


def recalled(
    complete: np.ndarray, embed: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    dataset: Dataset, sets: Sequence[Sequence[str]],
) -> list[dict[str, Any]]:  # fmt: skip
    """How well test windows are found again by a set of their sensors, a record each set.

    Args:
      complete, embed: joint embeddings of all that windows have, [n, d], and of what they have of
        some modalities alone, as of a `missing.Contender`.
      sets: tuples of modalities, see `sensor_sets`; the first one, all of them, is the answer that
        others are held against, and has no record.
    Returns: [{"present": the set, "windows": test windows with all modalities, and `retrieval` of
      what is embedded of the set among what is embedded of all}]; none of fewer than two windows.
    """
    whole = np.logical_and.reduce([dataset.present[m] for m in sets[0]])
    rows = some(np.flatnonzero((dataset.split == TEST) & whole))
    out = []
    for kept in sets[1:] if len(rows) > 1 else ():
        z = embed({m: p & (m in kept) for m, p in dataset.present.items()})
        found = retrieval(z[rows], complete[rows])
        out.append({"present": [*kept], "windows": len(rows), **found})
    return out

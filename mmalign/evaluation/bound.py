"""How good pseudo-pairs are: how alike, how often one partner is used, how many are right."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mmalign.data.dataset import UNKNOWN, Dataset
from mmalign.data.pairs import Pairs

BINS = 20


def binding_quality(dataset: Dataset, pairs: Pairs) -> Iterator[dict[str, Any]]:
    """A record for each direction, from the references' source to the partners'.

    Yields: {"from", "to": numbers of sources; "shared": the modality, or None; "pairs": how many;
      "references": windows that found a partner; "similarity": {"mean", "edges": [BINS + 1],
      "counts": [BINS]}; "distinct": share of the other source's windows that is anyone's partner;
      "most_used": pairs of the most frequent partner; "hubness": skewness of how often a window of
      the other source is a partner (0 where all are alike); "mutual": share of pairs that were
      found both ways; "right": share of pairs with the same label, of those whose labels are known,
      and "chance": that share if partners were drawn from those of the other source, or None}.
      Labels are those that were told, and those that were kept from trainings.
    """
    source, label = dataset.source_numbers(), _all_labels(dataset)
    ways = np.stack([source[pairs.reference], source[pairs.partner]], axis=1)
    known = {(i, j) for i, j in zip(pairs.reference.tolist(), pairs.partner.tolist())}
    for s, t in np.unique(ways, axis=0).tolist():
        of = (ways == (s, t)).all(axis=1)
        reference, partner, similarity = (x[of] for x in pairs[:3])
        shared = int(pairs.shared[of][0])
        counts, edges = np.histogram(similarity, BINS)
        there = (source == t) & np.isin(dataset.split, np.unique(dataset.split[partner]))
        if shared != UNKNOWN:
            there &= dataset.present[dataset.modalities[shared]]
        used = np.bincount(partner, minlength=len(dataset))[there]
        back = [(j, i) in known for i, j in zip(reference.tolist(), partner.tolist())]
        yield {
            "from": s, "to": t, "pairs": len(reference),
            "shared": None if shared == UNKNOWN else dataset.modalities[shared],
            "references": len(np.unique(reference)),
            "similarity": {"mean": similarity.mean(), "edges": edges, "counts": counts},
            "distinct": np.mean(used > 0), "most_used": used.max(), "hubness": _skewness(used),
            "mutual": np.mean(back), **_rightness(label, reference, partner, there),
        }  # fmt: skip


def _all_labels(dataset):
    untold = dataset.untold
    return dataset.label if untold is None else np.maximum(dataset.label, untold)


def _skewness(counts):
    centred = counts - counts.mean()
    spread = centred.std()
    return float((centred**3).mean() / spread**3) if spread > 0 else 0.0


def _rightness(label, reference, partner, there):
    """{"right", "chance"}: of pairs with known labels, against partners drawn at random."""
    known = (label[reference] != UNKNOWN) & (label[partner] != UNKNOWN)
    others = label[there & (label != UNKNOWN)]
    if not known.any() or not len(others):
        return {"right": None, "chance": None}
    mine, theirs = label[reference[known]], label[partner[known]]
    size = int(label.max()) + 1
    share = lambda x: np.bincount(x, minlength=size) / len(x)
    return {"right": np.mean(mine == theirs), "chance": float(share(mine) @ share(others))}

"""Pseudo-pairs of windows from sources that never met, and the examples that they make."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mmalign import options
from mmalign.data.dataset import TRAIN, UNKNOWN, Dataset

LEAST = 1e-6  # of a similarity, before its logarithm is taken
# similarity -> weight of a pseudo-pair, of the released code's four data sets (MMBind)
WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": lambda s: 1 + 0.5 * np.log(np.clip(s, LEAST, 1)),
    "linear": lambda s: 3 * (s - 0.5),
    "identity": lambda s: s,
    "one": np.ones_like,
}
SHARED_SLOTS = ("zero", "reference")


class Pairs(NamedTuple):
    """Windows that are taken for one event, each found for the other by what their sources share.

    reference, partner: int32 [pairs], rows of the data set, of different sources; the partner was
      found for the reference. similarity: float32 [pairs]. shared: int32 [pairs], the modality
      their sources share, a number in `Dataset.modalities`; -1: they were found by their labels.
    """

    reference: np.ndarray
    partner: np.ndarray
    similarity: np.ndarray
    shared: np.ndarray


class Examples(NamedTuple):
    """What a step can see. rows: {modality: int32 [n]}, -1 = absent; weight: float32 [n]."""

    rows: dict[str, np.ndarray]
    weight: np.ndarray


def examples(
    dataset: Dataset, pairs: Pairs, *, originals: bool = True, shared_slot: str = "zero",
    weight: str = "log", natural_weight: float = 1.0,
) -> Examples:  # fmt: skip
    """Pseudo-pairs as examples, behind the windows of their sources as they are.

    A pseudo-pair has the modalities of its reference and, of its partner, those that the reference
    lacks.

    Args:
      dataset, pairs: what they are rows of.
      originals: whether windows of the sources with two modalities or more are examples, too.
      shared_slot: what stands for the modality that both have: nothing ("zero"; MMBind's overview
        figure) or the reference's own ("reference").
      weight: of a pseudo-pair by its similarity, of WEIGHTS, never below 0 (the released code does
        not clip: a negative weight pushes a pair apart).
      natural_weight: of the others.
    Raises: ValueError for an unknown name.
    """
    options.one_of("sampler.shared_slot", shared_slot, SHARED_SLOTS)
    rule = WEIGHTS[options.known("sampler.weight", weight, WEIGHTS)]
    rows = {}
    for number, m in enumerate(dataset.modalities):
        own, other = (dataset.present[m][x] for x in (pairs.reference, pairs.partner))
        row = np.where(own, pairs.reference, np.where(other, pairs.partner, UNKNOWN))
        if shared_slot == "zero":
            row = np.where(pairs.shared == number, UNKNOWN, row)
        rows[m] = row.astype(np.int32)
    weights = np.maximum(rule(pairs.similarity.astype(np.float32)), 0).astype(np.float32)
    if originals:
        natural = _natural_rows(dataset, pairs)
        rows = {m: np.concatenate([natural, row]) for m, row in rows.items()}
        first = np.full(len(natural), natural_weight, np.float32)
        weights = np.concatenate([first, weights])
    return Examples(rows, weights)


def _natural_rows(dataset, pairs):
    """Int32 [n]: training windows of the pairs' sources that have two modalities or more."""
    bound = np.unique(dataset.source_numbers()[np.concatenate([pairs.reference, pairs.partner])])
    together = sum(dataset.present.values()) >= 2
    rows = (dataset.split == TRAIN) & together & np.isin(dataset.source_numbers(), bound)
    return np.flatnonzero(rows).astype(np.int32)

"""A share of what there is to draw from, such that less is among more: pairs, people, labels."""

import numpy as np

from mmalign.data.dataset import UNKNOWN

# streams of random numbers apart from those of the classes
_PAIRS, _PEOPLE = 1 << 31, (1 << 31) + 1


def of_people(units: np.ndarray, group: np.ndarray, people: int, seed: int) -> np.ndarray:
    """The units of a random choice of people, in their order; k people are among k + 1.

    Args:
      units: int32 [units, length].
      group: int32 [units], of whom each unit is; -1 = of nobody known, never chosen.
      people: how many, 1 to all of them.
      seed: of the choice.
    """
    known = np.unique(group[group != UNKNOWN])
    if not 1 <= people <= len(known):
        raise ValueError(
            f"sampler.people must be 1 to {len(known)}, the people with pairs to train on, got "
            f"{people}"
        )
    order = np.random.default_rng((seed, _PEOPLE)).permutation(known)
    return units[np.isin(group, order[:people])]


def nested(units: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """A random `fraction` of the units; a smaller fraction is a subset of a larger one."""
    order = np.random.default_rng((seed, _PAIRS)).permutation(len(units))
    return units[order[: max(1, round(fraction * len(units)))]]


def labelled_subset(
    label: np.ndarray, candidates: np.ndarray, fraction: float, seed: int
) -> np.ndarray:
    """Rows of a random share of each class: 1 % lies inside 10 %, and 10 % inside 100 %.

    Args:
      label: [n] ints, -1 = unknown.
      candidates: [m] row numbers to draw from, or [n] bool; unlabelled ones are left out.
      fraction: share of each class, in (0, 1]; at least one window of every class is kept.
      seed: the same seed gives the same order, hence nested subsets.
    Returns: sorted row numbers.
    Raises: ValueError for a fraction outside (0, 1] or when no candidate is labelled.
    """
    label, candidates = np.asarray(label), np.asarray(candidates)
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}")
    if candidates.dtype == bool:
        candidates = np.flatnonzero(candidates)
    candidates = np.unique(candidates[label[candidates] >= 0])
    if not len(candidates):
        raise ValueError("candidates hold no labelled window; labels must be 0 or more to count")
    rows = []
    for c in np.unique(label[candidates]):
        members = candidates[label[candidates] == c]
        order = np.random.default_rng([seed, int(c)]).permutation(members)
        rows.append(order[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(rows)).astype(np.int32)

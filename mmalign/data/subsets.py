"""A share of what there is to draw from, such that less is among more: pairs, people, labels."""

from collections.abc import Sequence

import numpy as np

from mmalign.data.dataset import TRAIN, UNKNOWN, VALIDATION, Dataset

# streams of random numbers apart from those of the classes
_PAIRS, _PEOPLE, _HELD_OUT = 1 << 31, (1 << 31) + 1, (1 << 31) + 2


def of_people(units: np.ndarray, group: np.ndarray, people: int, seed: int) -> np.ndarray:
    """The units of a random choice of people, in their order; k people are among k + 1.

    Args:
      units: int32 [units, length].
      group: int32 [units], of whom each unit is; -1 = of nobody known, never chosen.
      people: how many, 1 to all of them.
      seed: of the choice.
    Raises: ValueError where nobody is known, or for another number.
    """
    order = people_in_order(group, seed)
    if not len(order):
        raise ValueError(
            f"sampler.people={people}, and the data do not say whose the pairs to train on are (no "
            "group): choose them by sampler.fraction or sampler.minutes"
        )
    if people not in range(1, len(order) + 1):
        raise ValueError(
            f"sampler.people must be 1 to {len(order)}, the people with pairs to train on, got "
            f"{people}"
        )
    return units[np.isin(group, order[:people])]


def people_in_order(group: np.ndarray, seed: int) -> np.ndarray:
    """The people of a column, -1 = nobody known, in a random order: few are the first of it."""
    known = np.unique(group[group != UNKNOWN])
    return np.random.default_rng((seed, _PEOPLE)).permutation(known)


def for_test(names: Sequence[str] | np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Those of two names or more that are kept for the test: at least one, and not all of them."""
    size = min(max(1, round(fraction * len(names))), len(names) - 1)
    return np.random.default_rng(seed).permutation(names)[:size]


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


def labels_divided(
    dataset: Dataset, fraction: float, held_out: float | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a share of the training labels: those to learn from, and those to choose by.

    The latter are of the data's own validation windows, where there are labelled ones; else of a
    share of the people, or of the windows of each class where fewer than two people are known.

    Args:
      dataset: whose label.
      fraction: of each class, see `labelled_subset`.
      held_out: share of the people, one at least; None for nobody.
      seed: of both draws.
    Raises: ValueError for a share that leaves nobody, or too few windows to choose by.
    """
    rows = labelled_subset(dataset.label, dataset.split == TRAIN, fraction, seed)
    if held_out is None:
        return rows, rows[:0]
    if not 0 < held_out < 1:
        raise ValueError(
            f"stage.stop.share, of people to choose by, must lie in (0, 1), got {held_out}"
        )
    own = np.flatnonzero((dataset.split == VALIDATION) & (dataset.label >= 0))
    if len(own):
        return rows, own.astype(np.int32)
    rng, group = np.random.default_rng((seed, _HELD_OUT)), dataset.group[rows]
    people = rng.permutation(np.unique(group[group != UNKNOWN]))
    if len(people) > 1:
        count = min(max(1, round(held_out * len(people))), len(people) - 1)
        asked = np.isin(group, people[:count])
    else:
        asked, label = np.zeros(len(rows), bool), dataset.label[rows]
        for c in np.unique(label):
            members = rng.permutation(np.flatnonzero(label == c))
            asked[members[: round(held_out * len(members))]] = True
    if asked.all() or not asked.any():
        raise ValueError(
            f"{len(rows)} labelled windows are too few to hold out a share of {held_out:g} of them"
            ": give more labels, or no stage.stop"
        )
    return rows[~asked], rows[asked]

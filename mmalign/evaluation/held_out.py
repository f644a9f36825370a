"""Which labelled windows a probe learns from, and which it keeps back to choose its knobs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class HeldOut(NamedTuple):
    """Rows to fit on, rows to choose on, and what keeps them apart.

    `by` is "group" (no subject on both sides), "window" (subjects shared) or "nothing" (no row
    could be spared: `validation` is empty and the caller takes a default).
    """

    fit: np.ndarray
    validation: np.ndarray
    by: str


def hold_out_groups(
    group: ArrayLike, rows: ArrayLike, seed: int, fraction: float = 0.25, *,
    label: ArrayLike | None = None,
) -> HeldOut:  # fmt: skip
    """Splits training rows into a part to fit on and a part to choose on, by whole subjects.

    Subjects are drawn at random, and one is kept back only if every class still has a window to fit
    on. When no subject can be spared (there is one alone, or each holds the only windows of a
    class), single windows are kept back instead, never the last one of a class; with one window a
    class nothing can be. All windows of unknown subject (-1) count as one subject.

    Args:
      group: [n] ints.
      rows: [m] row numbers to split.
      seed: of the draw.
      fraction: share of subjects (or windows) to keep back, rounded, at least one.
      label: [n] ints, or None when classes do not matter.
    Returns: HeldOut, row numbers sorted.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie in (0, 1), got {fraction}")
    group, rows = np.asarray(group), np.sort(np.asarray(rows))
    label_of_row = np.zeros(len(rows), int) if label is None else np.asarray(label)[rows]
    classes, code = np.unique(label_of_row, return_inverse=True)
    owner = np.unique(group[rows], return_inverse=True)[1]
    for by, units in (("group", owner), ("window", np.arange(len(rows)))):
        rng = np.random.default_rng(seed)
        wanted = max(1, round(fraction * (units.max(initial=-1) + 1)))
        kept = _spare(units, code, len(classes), rng, wanted)
        if kept.any():
            return HeldOut(rows[~kept], rows[kept], by)
    return HeldOut(rows, rows[:0], "nothing")


def _spare(units, code, num_classes, rng, wanted):
    """Bool [m]: rows of up to `wanted` random units whose removal empties no class."""
    count = units.max(initial=-1) + 1
    members = np.zeros((count, num_classes), int)
    np.add.at(members, (units, code), 1)
    left, chosen = members.sum(axis=0), []
    for unit in rng.permutation(count):
        if len(chosen) < wanted and (left > members[unit]).all():
            left = left - members[unit]
            chosen.append(unit)
    return np.isin(units, chosen)

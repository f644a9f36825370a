"""Which sets of present sensors to evaluate: all of them, or a sample where there are too many."""

import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from mmalign import defaults
from mmalign.data.missing_patterns import devices_of


def sensor_sets(
    modalities: Iterable[str], *, devices: Mapping[str, Iterable[str]] | None = None,
    limit: int = defaults.SETS, seed: int = 0,
) -> list[tuple[str, ...]]:  # fmt: skip
    """Sets of modalities that are present, the full one first, then by size; never the empty one.

    All 2^M - 1 sets if these are at most `limit`. Otherwise the full set, each modality alone and
    each left out, each device alone and left out, and beyond them random ones up to `limit`: of
    each size in turn, as a draw among all sets would be of the middle sizes nearly always.

    Args:
      modalities: names, in the order in which sets list them.
      devices: {device: its modalities}, sensors that fall out together, or None.
      limit: most sets; what is always there may exceed it.
      seed: of the draw.
    Returns: list of tuples of names, without doubles.
    Raises: ValueError for a device of unknown modalities, or a limit below 1.
    """
    names, grouped = tuple(modalities), devices_of(tuple(modalities), devices)
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, got {limit}")
    if 2 ** len(names) - 1 <= limit:
        return [
            kept
            for size in range(len(names), 0, -1)
            for kept in itertools.combinations(names, size)
        ]
    parts = [frozenset([m]) for m in names] + [frozenset(d) for d in grouped.values()]
    everything = frozenset(names)
    chosen = dict.fromkeys([everything, *(everything - p for p in parts if p < everything), *parts])
    rng = np.random.default_rng(seed)
    sizes = itertools.cycle(range(len(names) - 2, 1, -1))
    while len(chosen) < min(limit, 2 ** len(names) - 1):
        pick = rng.choice(len(names), size=next(sizes), replace=False)
        chosen.setdefault(frozenset(names[i] for i in pick))
    place = {m: i for i, m in enumerate(names)}
    ordered = [tuple(sorted(kept, key=place.__getitem__)) for kept in chosen]
    return sorted(ordered, key=lambda kept: (-len(kept), [place[m] for m in kept]))

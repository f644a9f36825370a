"""People of the training set whose windows are asked about, and those whose windows answer."""

import numpy as np

from mmalign.data.dataset import TRAIN, UNKNOWN, Dataset

_ONE_OF = 5  # people
_MOST = 2_000  # windows on either side: to look is to cost less than the steps between two looks


def held_out(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of labelled training windows: of most people, and of one person in five.

    At most 2,000 on either side, evenly spread.
    Raises: ValueError if fewer than two people have any.
    """
    known = (dataset.label >= 0) & (dataset.group != UNKNOWN)
    rows = np.flatnonzero((dataset.split == TRAIN) & known)
    people = np.random.default_rng(seed).permutation(np.unique(dataset.group[rows]))
    if len(people) < 2:
        raise ValueError(
            "config.online holds out training people and needs two with labelled windows, got "
            f"{len(people)}; leave it None, or give `group`, the person of each window"
        )
    asked = np.isin(dataset.group[rows], people[: -(-len(people) // _ONE_OF)])
    return _spread(rows[~asked]), _spread(rows[asked])


def _spread(rows):
    count = min(len(rows), _MOST)
    return rows[np.arange(count) * len(rows) // count]

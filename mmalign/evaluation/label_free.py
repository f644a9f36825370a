"""How embeddings of windows lie on the unit sphere, and whether two sensors' agree: no labels."""

import math
import operator

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.similarity import TIE, evenly, tiles, unit_pairs, unit_rows
from mmalign.evaluation.threads import one_thread


def alignment(a: ArrayLike, b: ArrayLike) -> float:
    """Mean squared distance of paired embeddings on the unit sphere, 2 - 2 cosine.

    Lower is better, and means little alone: embeddings that are all equal have 0. Read it with
    `uniformity`. About 2 for unrelated embeddings without a common offset. Rotation of both and
    the scale of each row do not matter; a zero row is at distance 1 from all.

    Args:
      a, b: [n, d], n at least 2, finite; rows i are of one window (two views, or two sensors).
    Returns: 0 to 4.
    Raises: ValueError that names a or b.
    Cost: O(n d); float64 copies.
    References: Wang and Isola 2020, arXiv:2005.10242, section 4.1.1, with exponent 2.
    """
    u, v = unit_pairs(a, b)
    return float(np.square(u - v).sum(axis=1).mean())


@one_thread()
def uniformity(z: ArrayLike, t: float = 2) -> float:
    """How evenly embeddings cover the unit sphere: log of the mean of exp(-t squared distance).

    The mean is over pairs of different windows. Lower is better, with `alignment`: 0 for rows that
    are all equal, about -2 t for rows spread evenly in many dimensions. In few dimensions less is
    within reach: compare at equal d. Rotation and the scale of each row do not matter.

    Args:
      z: [n, d], n at least 2, finite. Of more than 20,000 rows as many, evenly spread, are used.
      t: above 0.
    Returns: -4 t (two opposite rows) to 0, in nats.
    Raises: ValueError that names z or t.
    Cost: O(n^2 d), half of the n x n table, by tiles of 32 MiB; 20,000 rows of 128 numbers
      took 10 s on one core.
    References: Wang and Isola 2020, arXiv:2005.10242, section 4.1.2.
    """
    if not 0 < t < math.inf:
        raise ValueError(f"t must be above 0 and finite, got {t}")
    (u,) = evenly(unit_rows(z, "z"))
    count = len(u)
    square = np.square(u).sum(axis=1)
    highest, total = -math.inf, 0.0
    for tile in tiles(count - 1, count):  # the last row has been compared with all before it
        distance = square[tile, None] + square[tile.start :] - 2 * u[tile] @ u[tile.start :].T
        power = -t * np.maximum(distance, 0)
        power[np.tril_indices(len(power))] = -math.inf  # itself, and pairs that were counted
        peak = max(highest, float(power.max()))  # all may be too small for exp
        total = total * math.exp(highest - peak) + float(np.exp(power - peak).sum())
        highest = peak
    return highest + math.log(total / (count * (count - 1) / 2))


def modality_gap(a: ArrayLike, b: ArrayLike) -> float:
    """Distance of the centres of two sensors' embeddings on the unit sphere.

    0 if they share a centre. Neither lower nor higher is better by itself: in the paper a gap can
    help or hurt. It says why a probe of one sensor may fail on another that retrieves well.
    Rotation of both, the order of rows and the scale of each row do not matter.

    Args:
      a, b: [n, d] and [m, d], two rows at least, finite; need not be pairs.
    Returns: 0 to 2.
    Raises: ValueError that names a or b.
    Cost: O((n + m) d); float64 copies.
    References: Liang et al. 2022, arXiv:2203.02053, the vector Delta_gap; here its length.
    """
    u, v = unit_rows(a, "a"), unit_rows(b, "b")
    if u.shape[1] != v.shape[1]:
        raise ValueError(f"a and b must be as wide as each other, got {u.shape} and {v.shape}")
    return float(np.linalg.norm(u.mean(axis=0) - v.mean(axis=0)))


@one_thread()
def knn_agreement(a: ArrayLike, b: ArrayLike, k: int = 5) -> float:
    """Share of common neighbours among the k nearest of each window in two spaces, by cosine.

    Higher is better for sensors that ought to see the same. Unrelated spaces have k / (n - 1) in
    the mean. Which of equally near windows is a neighbour is left to chance, and the expectation is
    given: spaces without information have k / (n - 1), too, and spaces with copies of rows may have
    less than 1 with themselves. Rotation of either space and the scale of each row do not matter;
    the spaces need not be comparable.

    Args:
      a, b: [n, d] and [n, e], finite; rows i are of one window. Of more than 20,000 rows as many,
        evenly spread, are used.
      k: 1 to n - 1.
    Returns: 0 to 1.
    Raises: ValueError that names a, b or k.
    Cost: O(n^2 (d + e)), by tiles of 32 MiB, of which a few are alive; 20,000 rows of 128 numbers
      took half a minute on one core.
    References: Huh et al. 2024, arXiv:2405.07987, mutual nearest neighbours; ties are ours.
    """
    u, v = unit_rows(a, "a"), unit_rows(b, "b")
    if len(u) != len(v):
        raise ValueError(f"a and b must have rows of the same windows, got {len(u)} and {len(v)}")
    u, v = evenly(u, v)
    count, k = len(u), operator.index(k)
    if not 1 <= k < count:
        raise ValueError(f"k must be from 1 to {count - 1} for {count} rows, got {k}")
    common = 0.0
    for tile in tiles(count, count):
        chance = np.zeros((len(u[tile]), count))
        row, column, weight = _neighbours(u, tile, k)
        chance[row, column] = weight
        row, column, weight = _neighbours(v, tile, k)
        common += float(chance[row, column] @ weight)
    return common / (count * k)


def _neighbours(u, tile, k):
    """(row of the tile, column, chance that it is of the row's k nearest), where it is above 0."""
    cosine = u[tile] @ u.T
    row = np.arange(len(cosine))
    cosine[row, tile.start + row] = -math.inf
    last = np.partition(cosine, -k, axis=1)[:, -k, None]
    row, column = np.nonzero(cosine >= last - TIE)
    nearer = cosine[row, column] > last[row, 0] + TIE
    sure = np.bincount(row[nearer], minlength=len(cosine))
    tied = np.bincount(row[~nearer], minlength=len(cosine))
    return row, column, np.where(nearer, 1.0, ((k - sure) / tied)[row])

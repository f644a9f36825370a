"""Rows on the unit sphere, and the n x n table of their cosines a tile at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.probe_input import finite_array

# Most rows that are compared with each other; of more, as many spread evenly are.
LIMIT = 20_000
# Cosines that differ by less are tied: far above the rounding of a product of unit rows, which
# depends on where in a tile it is, and far below what float32 embeddings can tell apart.
TIE = 1e-12
_ENTRIES = 2**22  # of a tile: 32 MiB in float64


def two_rows(z: ArrayLike, name: str) -> np.ndarray:
    """[n, d], n at least 2 and d at least 1, finite; in its own dtype. Else ValueError."""
    z = finite_array(z, name)
    if len(z) < 2 or not z.shape[1]:
        raise ValueError(f"{name} must be [n, d] with n >= 2 and d >= 1, got shape {z.shape}")
    return z


def unit_rows(z: ArrayLike, name: str) -> np.ndarray:
    """Rows of `two_rows` scaled to length 1, in float64; a zero row stays zero."""
    z = two_rows(z, name).astype(np.float64)
    peak = np.abs(z).max(axis=1, keepdims=True)  # squares of huge and tiny rows leave the range
    z /= np.where(peak > 0, peak, 1)
    norm = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.where(norm > 0, norm, 1)


def unit_pairs(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """`unit_rows` of a and b, whose rows i are of one window in one space of embeddings."""
    u, v = unit_rows(a, "a"), unit_rows(b, "b")
    if u.shape != v.shape:
        raise ValueError(f"a and b must be [n, d] alike, got shapes {u.shape} and {v.shape}")
    return u, v


def evenly(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays; where they have more than LIMIT rows, the same LIMIT rows of each, spread out."""
    count = len(arrays[0])
    if count <= LIMIT:
        return arrays
    rows = np.arange(LIMIT) * count // LIMIT
    return tuple(x[rows] for x in arrays)


def tiles(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows of `width` numbers each, so that one slice fits a tile."""
    step = max(1, _ENTRIES // width)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))

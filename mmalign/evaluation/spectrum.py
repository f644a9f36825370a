"""How many dimensions embeddings use, without labels: RankMe, alpha-ReQ, LiDAR."""

import math

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.probe_input import finite_array
from mmalign.evaluation.similarity import tiles, two_rows
from mmalign.evaluation.threads import one_thread

_EPSILON = 1e-7  # RankMe's, added to each share
_FIRST, _LAST = 4, 100  # ranks that alpha-ReQ fits
_DELTA = 1e-4


@one_thread()
def rankme(z: ArrayLike) -> float:
    """Effective rank of embeddings: exp(entropy) of their normalised singular values.

    1 for rows on one line through 0, min(n, d) for equal singular values; higher is better, as far
    as it goes with accuracy. Not centred, as published, so that a common offset counts as a
    dimension (`methods.diagnostics.effective_rank`, which watches training, is centred). It grows
    with n until n is far above d: compare at equal n and d. Scale and rotation do not matter.

    Args:
      z: [n, d], n at least 2, finite.
    Returns: 1 to min(n, d), give or take the epsilon of 1e-7 in each share; 0 if all of z is 0.
    Raises: ValueError that names z.
    Cost: singular values, O(n d min(n, d)); a float64 copy of z.
    References: Garrido et al. 2023, arXiv:2210.02885, the definition of RankMe(Z) with its epsilon.
    """
    return _effective_rank(np.linalg.svd(two_rows(z, "z").astype(np.float64), compute_uv=False))


@one_thread()
def alpha_req(z: ArrayLike) -> float:
    """Decay of the spectrum: alpha of eigenvalue ~ rank^-alpha, of the covariance of embeddings.

    0 is a flat spectrum (no dimension is preferred, noise included), large is a collapsed one.
    Neither high nor low is better: in the paper good embeddings are near 1. Compare at equal d and
    n. Scale, offset and rotation do not matter.

    The fit is a line through log eigenvalue over log rank, for ranks 4 to 100 with weights
    1 / rank, as the authors' code fits final embeddings (other files of it start at rank 6). Of
    fewer dimensions all from rank 4 on are fitted. What lies below the rounding of z's dtype is
    left out, which the paper does not say; else noise would pass for a flat tail.

    Args:
      z: [n, d], n at least 6 and d at least 5, finite.
    Returns: about 0 or more; inf if fewer than two eigenvalues of those ranks are above rounding,
      as of embeddings in four dimensions. See `rankme` for those.
    Raises: ValueError that names z.
    Cost: singular values, O(n d min(n, d)); two float64 copies of z.
    References: Agrawal et al. 2022, alpha-ReQ, NeurIPS; the weights are those of Stringer et al.
      2019, Nature 571.
    """
    z = two_rows(z, "z")
    if min(len(z) - 1, z.shape[1]) <= _FIRST:
        raise ValueError(
            f"z must be [n, d] with n >= {_FIRST + 2} and d >= {_FIRST + 1}, as ranks from "
            f"{_FIRST} on are fitted, got shape {z.shape}"
        )
    x = z.astype(np.float64)
    x /= np.abs(x).max() or 1
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    # what rounding adds to z is a matrix of noise, whose largest singular value this bounds
    noise = _rounding(z) * sum(map(math.sqrt, z.shape)) * math.sqrt(np.square(x).mean())
    rank = np.arange(1, len(values) + 1)
    fitted = (rank >= _FIRST) & (rank <= _LAST) & (values > noise)
    if fitted.sum() < 2:
        return math.inf
    weight = 1 / rank[fitted]
    log_rank = np.log(rank[fitted])
    log_rank -= np.average(log_rank, weights=weight)
    slope = (weight * log_rank) @ (2 * np.log(values[fitted])) / ((weight * log_rank) @ log_rank)
    return float(-slope)


@one_thread()
def lidar(z: ArrayLike, *, delta: float = _DELTA) -> float:
    """Effective rank of what tells windows apart: exp(entropy) of LDA's eigenvalues.

    Each window is a class and its views (augmented copies) are the class's members: the
    eigenvalues are of S_w^-1/2 S_b S_w^-1/2, with S_b the covariance of the windows' mean
    embeddings and S_w that of views around their window's mean, plus delta on its diagonal.
    Dimensions that vary by view alone count little, unlike in `rankme`. Higher is better, as far
    as it goes with accuracy. Rotation does not matter, nor does scale while delta is far below the
    variance of views; compare at equal n, views and d, with n above d.

    Args:
      z: [n, views, d], n and views at least 2, finite.
      delta: above 0, in squared units of z. The paper calls it small and gives no value.
    Returns: 1 to min(n - 1, d), give or take RankMe's epsilon; 0 if all windows have one mean.
    Raises: ValueError that names z or delta.
    Cost: O(n views d^2 + d^3); a tile of z and [n, d] in float64.
    References: Thilak et al. 2023, arXiv:2312.04000, eq. 1 to 4; the paper has 1,000 windows of 50
      views. Means over n and n * views, not n - 1: nothing but delta would notice.
    """
    z = finite_array(z, "z", "n, views, d")
    count, views, dim = z.shape
    if min(count, views) < 2 or not dim:
        raise ValueError(
            f"z must be [n, views, d] with n >= 2, views >= 2 and d >= 1, got shape {z.shape}"
        )
    if not 0 < delta < math.inf:
        raise ValueError(f"delta must be above 0 and finite, got {delta}")
    centres, within = np.empty((count, dim)), np.zeros((dim, dim))
    for tile in tiles(count, views * dim):
        x = z[tile].astype(np.float64)
        centres[tile] = x.mean(axis=1)
        x = (x - centres[tile, None]).reshape(-1, dim)
        within += x.T @ x
    between = centres - centres[0]  # 0, and not rounding, if they are equal
    between -= between.mean(axis=0)
    if np.linalg.norm(between) <= _rounding(z) * np.linalg.norm(centres):
        return 0.0
    variance, axes = np.linalg.eigh(within / (count * views))
    white = between @ axes / np.sqrt(np.maximum(variance, 0) + delta)
    return _effective_rank(np.square(np.linalg.svd(white, compute_uv=False)))


def _effective_rank(values):
    """exp(entropy) of the shares of values, each with epsilon added; 0 of zeros."""
    total = values.sum()
    if total == 0:
        return 0.0
    share = values / total + _EPSILON
    return float(np.exp(-(share * np.log(share)).sum()))


def _rounding(z):
    """Relative, of the numbers that z came as; integers are exact and computed with in float64."""
    return float(np.finfo(z.dtype if z.dtype.kind == "f" else np.float64).eps)

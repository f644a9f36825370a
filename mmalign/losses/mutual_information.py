"""Bounds on a mutual information, from a critic's scores of all pairs in a batch."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import softplus, widen
from mmalign.losses.rows import check_some, gathered, mean_over_counted, places, rows_that_count

_BOUNDS = ("info_nce", "nwj", "dv", "club")
_SATURATED = 80  # e^80 and sums of thousands of them fit float32
_NOTHING = -1e30  # a score that adds nothing to a sum of exponentials, and is finite


def mutual_information(
    scores: ArrayLike, *, bound: str, where: ArrayLike | None = None, axis_name: str | None = None
) -> jax.Array:
    """Estimate in nats of I(x; y) from scores T(x_i, y_j): the plain mean of what is returned.

    Row i holds x_i against every y_j. Its own y_i is a draw from the joint distribution, the y_j of
    other rows are draws from the product of the marginals. With N rows that count:

      "info_nce"  mean_i [T_ii - log mean_j e^T_ij], all j: a lower bound, at most log N
      "nwj"       mean_i T_ii - mean_{i != j} e^(T_ij - 1): a lower bound; best for a critic that is
                  1 + log-ratio; its variance grows exponentially with the information
      "dv"        mean_i T_ii - log mean_{i != j} e^T_ij: a lower bound but for the log of a mean
                  over a finite batch, which lifts it
      "club"      mean_i [T_ii - mean_j T_ij], all j: an upper bound if T is log p(y | x), up to
                  anything that depends on x alone

    So an encoder maximises the first three and minimises the last. Equal scores c estimate 0, but
    for "nwj" c - e^(c - 1), which is 0 at c = 1 and below elsewhere. A constant added to a row
    changes neither "info_nce" nor "club", one added to all scores not "dv" either.

    "club" over all j is (N - 1) / N of the mean over other rows. In "nwj" exponents above 80 count
    as 80: such a score gets no gradient to come down, so bound the critic rather than rely on it.

    Args:
      scores: [batch, global batch]. Under axis_name the rows are this device's and the columns
        everybody's, in the order of the devices.
      bound: "info_nce", "nwj", "dv" or "club".
      where: bool [batch], pairs that count; None for all. A pair that does not is left out as a row
        and as a column. With fewer than two the estimate is 0. See the package's rule.
      axis_name: mapped axis that splits the batch; None if the scores are square.
    Returns: [batch] in nats, of either sign, float32 or wider. To be maximised or minimised as
      said, so as a loss the lower bounds need a minus.
    Raises: ValueError for an unknown bound, scores that are not [batch, global batch]; TypeError
      for scores that are not floating-point.
    References: "info_nce": van den Oord et al. 2018, arXiv:1807.03748, section 2.3. "nwj":
      Nguyen et al. 2010, arXiv:0809.0853; the f-GAN objective of the KL divergence, Nowozin et al.
      2016, arXiv:1606.00709. "dv": Belghazi et al. 2018, arXiv:1801.04062, without the moving
      average of its gradient. All three: Poole et al. 2019, arXiv:1905.06922. "club": Cheng et al.
      2020, arXiv:2006.12013, and FactorCL (Liang et al. 2023, arXiv:2306.05268), all j in both.
    """
    if bound not in _BOUNDS:
        raise ValueError(f'bound must be "info_nce", "nwj", "dv" or "club", got {bound!r}')
    (scores,) = widen(scores)
    devices = 1 if axis_name is None else lax.axis_size(axis_name)
    if scores.ndim != 2 or scores.shape[1] != scores.shape[0] * devices:
        raise ValueError(
            f"scores must be [batch, global batch], a column for each row of "
            f"{devices} device(s), got shape {scores.shape}"
        )
    check_some(scores.shape)
    where = rows_that_count(where, scores.shape[:1])
    counted, place = gathered(where, axis_name), places(len(where), axis_name)
    count = counted.sum(dtype=scores.dtype)
    rest = jnp.maximum(count - 1, 1)

    kept = where[:, None] & counted[None]
    other = kept & (place[:, None] != jnp.arange(len(counted))[None])
    scores = jnp.where(kept, scores, 0)
    paired = jnp.take_along_axis(scores, place[:, None], axis=1)
    if bound == "info_nce":  # around the pair's score: a small cross-entropy keeps its digits
        cost = softplus(_log_sum(scores - paired, other)) - jnp.log(jnp.maximum(count, 1))
    elif bound == "nwj":
        exponent = jnp.minimum(scores - 1, _SATURATED) - jnp.log(rest)
        cost = jnp.sum(jnp.exp(exponent), axis=1, where=other) - paired[:, 0]
    elif bound == "dv":
        rows = gathered(_log_sum(scores, other), axis_name)
        cost = jax.nn.logsumexp(rows) - jnp.log(jnp.maximum(count, 1) * rest) - paired[:, 0]
    else:
        cost = jnp.sum(scores - paired, axis=1, where=kept) / jnp.maximum(count, 1)
    return mean_over_counted(jnp.where(count >= 2, -cost, 0), where, axis_name)


def _log_sum(scores, other):
    """Log of the sum of each row's exponentials: [n, m] -> [n]; about -1e30 of none."""
    return jax.nn.logsumexp(jnp.where(other, scores, _NOTHING), axis=1)

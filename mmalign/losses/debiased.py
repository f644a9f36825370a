"""Contrast freed of the positives that hide among the negatives."""

import jax
from jax.typing import ArrayLike

from mmalign.losses.corrected import corrected
from mmalign.losses.knobs import Scalar


def debiased(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    prior: Scalar = 0.1,
    temperature: Scalar = 0.5,
    own_view: bool = True,
    symmetric: bool = True,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Contrastive loss whose sum over negatives is freed of the positives that hide there.

    If a share `prior` of the negatives is of the query's own class, the sum over n negatives holds
    about n * prior exp(positive) too much, which is taken off; the rest stays at least
    n exp(-1 / temperature), its lowest possible value. With prior = 0 it is `nt_xent` or, without
    own_view, `info_nce`. A row without negatives costs 0, with a zero gradient.

    Args:
      z_a: [batch, dim] floats of any scale.
      z_b: as z_a, the partners.
      prior: probability that a negative is of the query's class, in [0, 1).
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      own_view: whether rows of the query's own view are negatives too, as in the paper; CroSSL's
        code has those of the other view alone.
      symmetric: average both directions; False asks z_a's rows alone and goes with own_view=False.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, float32 or wider.
    Raises: as `info_nce`; ValueError for a prior outside [0, 1), or one direction with own_view.
    References: Chuang et al. 2020, arXiv:2007.00224, eq. 7 and 8 with one positive.
    """
    return corrected(
        z_a, z_b, prior=prior, beta=0, form="exponent", temperature=temperature,
        own_view=own_view, symmetric=symmetric, normalise=normalise,
        tile=tile, where=where, axis_name=axis_name,
    )  # fmt: skip

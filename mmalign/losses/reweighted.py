"""Contrastive losses that correct their negatives: some are false, and some are too easy."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.contrastive import contrast
from mmalign.losses.negatives import Total
from mmalign.losses.numerics import Scalar


def debiased(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    prior: Scalar = 0.1,
    temperature: Scalar = 0.5,
    own_view: bool = True,
    symmetric: bool = True,
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
      z_a: [batch, dim] floats of any scale; normalised here.
      z_b: as z_a, the partners.
      prior: probability that a negative is of the query's class, in [0, 1).
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      own_view: whether rows of the query's own view are negatives too, as in the paper; CroSSL's
        code has those of the other view alone.
      symmetric: average both directions; False asks z_a's rows alone and goes with own_view=False.
      tile: as in `info_nce`.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, float32 or wider.
    Raises: as `info_nce`; ValueError for a prior outside [0, 1), or one direction with own_view.
    References: Chuang et al. 2020, arXiv:2007.00224, eq. 7 and 8 with one positive.
    """
    return _corrected(
        z_a, z_b, prior=prior, beta=0, form="exponent", temperature=temperature,
        own_view=own_view, symmetric=symmetric, tile=tile, where=where, axis_name=axis_name,
    )  # fmt: skip


def hard_negative(
    z_a: ArrayLike,
    z_b: ArrayLike,
    *,
    beta: float = 1.0,
    prior: Scalar = 0.1,
    form: str = "exponent",
    temperature: Scalar = 0.5,
    own_view: bool = True,
    symmetric: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """The `debiased` loss with negatives weighted by how close they are to the query.

    A negative weighs exp(beta * similarity / temperature) over the mean of that, so that n
    negatives weigh n. With beta = 0 it is `debiased`.

    Args:
      z_a: [batch, dim] floats of any scale; normalised here.
      z_b: as z_a, the partners.
      beta: concentration of the weights, a Python number, at least 0.
      prior: probability that a negative is of the query's class, in [0, 1).
      form: "exponent" as above, or "linear": beta * exp(similarity / temperature) over the mean,
        as in the paper's pseudo-code and in CroSSL's code; the same for beta = 1.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      own_view: as in `debiased`.
      symmetric: as in `debiased`.
      tile: as in `info_nce`. Exponentials of 1 + beta times the similarity fit one start for all
        rows above temperatures of about (1 + beta) / 35; below that tiles take longer.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, float32 or wider.
    Raises: as `debiased`; ValueError for a negative beta or an unknown form.
    References: Robinson et al. 2021, arXiv:2010.04592, eq. 4.
    """
    if form not in ("exponent", "linear"):
        raise ValueError(f'form must be "exponent" or "linear", got {form!r}')
    if not isinstance(beta, int | float) or beta < 0:
        raise ValueError(f"beta must be a Python number, 0 or more, got {beta!r}")
    return _corrected(
        z_a, z_b, prior=prior, beta=beta, form=form, temperature=temperature, own_view=own_view,
        symmetric=symmetric, tile=tile, where=where, axis_name=axis_name,
    )  # fmt: skip


def _corrected(z_a, z_b, *, prior, beta, form, temperature, own_view, symmetric, **shared):
    if isinstance(prior, int | float) and not 0 <= prior < 1:
        raise ValueError(f"prior must lie in [0, 1), got {prior}")
    if own_view and not symmetric:
        raise ValueError("symmetric=False goes with own_view=False: both views ask there")
    linear = form == "linear"
    weighted = linear or beta > 0
    powers = (1.0,) if not weighted else (1.0, 2.0) if linear else (beta, 1.0 + beta)
    scale = beta if linear else 1.0

    def finish(total, positive, negatives):
        sums = total.sums[0]
        if weighted:
            at_all = total.sums[0] > 1e-18  # below, the loss is that of the floor
            mean = total.sums[1] / jnp.where(at_all, total.sums[0], 1)
            sums = jnp.where(at_all, scale * negatives * mean, 0)
        # all of these are over exp(positive) and, like the sums, over exp(peak)
        false = negatives * prior * jnp.exp(-total.peak)
        floor = negatives * jnp.exp(-(1 + positive) / temperature - total.peak)
        return Total(total.peak, (jnp.maximum((sums - false) / (1 - prior), floor),))

    return contrast(
        z_a, z_b, own_view=own_view, symmetric=symmetric, temperature=temperature, powers=powers,
        finish=finish, **shared,
    )  # fmt: skip

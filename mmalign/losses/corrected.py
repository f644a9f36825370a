"""Sums over negatives that are corrected: some are false, and some are too easy."""

import jax.numpy as jnp

from mmalign.losses.contrast import contrast
from mmalign.losses.knobs import check_scalar, check_temperature, inverse
from mmalign.losses.totals import Total

_NOTHING = 1e-30  # what a sum of which the largest term is 1 cannot tell from 0


def corrected(z_a, z_b, *, prior, beta, form, temperature, own_view, symmetric, **shared):
    """What `debiased` (beta 0) and `hard_negative` have in common: [batch]; arguments as there."""
    check_scalar("prior", prior)
    if isinstance(prior, int | float) and not 0 <= prior < 1:
        raise ValueError(f"prior must lie in [0, 1), got {prior}")
    if own_view and not symmetric:
        raise ValueError("symmetric=False goes with own_view=False: both views ask there")
    check_temperature(temperature)
    linear, weighted = form == "linear", beta > 0
    powers = (1.0,) if not weighted else (1.0, 2.0) if linear else (beta, 1.0 + beta)
    scale = beta if linear else 1.0

    def finish(total, positive, lowest, negatives):
        c, sums = inverse(temperature, positive.dtype), total.sums[0]
        if weighted:
            at_all = total.sums[0] > 1e-18  # below, the loss is that of the floor
            mean = total.sums[1] / jnp.where(at_all, total.sums[0], 1)
            sums = jnp.where(at_all, scale * negatives * mean, 0)
        # over exp(positive) and, like the sums, over exp(peak)
        false = negatives * prior * jnp.exp(-total.peak)
        left = (sums - false) / (1 - prior)
        low = c * (lowest - positive)
        kept = left > jnp.maximum(negatives * jnp.exp(low - total.peak), _NOTHING)
        floor = negatives * jnp.exp(jnp.minimum(low, 0))
        return Total(jnp.where(kept, total.peak, 0), (jnp.where(kept, left, floor),))

    return contrast(
        z_a, z_b, own_view=own_view, symmetric=symmetric, temperature=temperature, powers=powers,
        finish=finish, **shared,
    )  # fmt: skip

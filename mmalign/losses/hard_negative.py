"""Contrast in which negatives weigh more the closer they are."""

import jax
from jax.typing import ArrayLike

from mmalign.losses.corrected import corrected
from mmalign.losses.knobs import Scalar


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
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """The `debiased` loss with negatives weighted by how close they are to the query.

    A negative weighs exp(beta * similarity / temperature) over the mean of that, so that n
    negatives weigh n. With beta = 0 it is `debiased`.

    Args:
      z_a: [batch, dim] floats of any scale.
      z_b: as z_a, the partners.
      beta: concentration of the weights, a Python number, at least 0.
      prior: probability that a negative is of the query's class, in [0, 1).
      form: "exponent" as above, or "linear": beta * exp(similarity / temperature) over the mean,
        as in the paper's pseudo-code and in CroSSL's code; the same for beta = 0 and 1.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      own_view: as in `debiased`.
      symmetric: as in `debiased`.
      normalise: as in `info_nce`.
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
    if not isinstance(beta, int | float) or isinstance(beta, bool) or not beta >= 0:
        raise ValueError(f"beta must be a Python number, 0 or more, got {beta!r}")
    return corrected(
        z_a, z_b, prior=prior, beta=beta, form=form, temperature=temperature, own_view=own_view,
        symmetric=symmetric, normalise=normalise,
        tile=tile, where=where, axis_name=axis_name,
    )  # fmt: skip

"""Orthogonality: what a sensor shares with the others and what it keeps point different ways."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.numerics import absolute, unit_norm
from mmalign.losses.rows import mean_over_counted, paired_rows

_FORMS = {"hinge": jax.nn.relu, "square": jnp.square, "absolute": absolute}  # all flat at 0


def orthogonality(
    shared: ArrayLike,
    private: ArrayLike,
    *,
    form: str = "hinge",
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Price of the cosine c between an example's two representations.

      "hinge"     max(0, c): opposite directions cost nothing
      "square"    c^2: gentle near 0
      "absolute"  |c|

    1 if they point the same way, 0 if they are orthogonal. Random directions cost 1 / dim as
    "square", about sqrt(2 / (pi dim)) as "absolute", half that as "hinge".

    It speaks of each example alone: orthogonal rows may still tell each other. A zero row has
    cosine 0 with everything and gets no gradient.

    Args:
      shared: [batch, dim] floats of any scale; normalised here.
      private: as shared. FOCAL also takes the private parts of two modalities for the two arrays.
      form: "hinge", "square" or "absolute".
      where: bool [batch], rows that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; only the count needs it.
    Returns: [batch] in [0, 1], before the scaling by `where`; float32 or wider.
    Raises: ValueError for an unknown form, for shapes that differ or are not [batch, dim];
      TypeError for arrays that are not floating-point.
    References: FOCAL (Liu et al. 2023, arXiv:2310.20071): its public code has the hinge, a mean
      over examples, summed over views, modalities and pairs of private parts, with weight 3.
    """
    if form not in _FORMS:
        raise ValueError(f'form must be "hinge", "square" or "absolute", got {form!r}')
    shared, private, where = paired_rows(shared, private, where)
    cosine = jnp.sum(unit_norm(shared) * unit_norm(private), axis=1)
    return mean_over_counted(_FORMS[form](cosine), where, axis_name)

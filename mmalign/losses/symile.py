"""Symile: what any number of modalities say together, by their product."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_temperature
from mmalign.losses.negatives import negative_totals
from mmalign.losses.numerics import widen
from mmalign.losses.rows import gathered, mean_over_counted, places
from mmalign.losses.sides import Side, side_of, tile_for
from mmalign.losses.totals import Total, cross_entropy
from mmalign.losses.views import prepare_views


def symile(
    views: Sequence[ArrayLike],
    shifts: ArrayLike | None = None,
    *,
    temperature: Scalar = 0.07,
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Contrast of tuples by the sum over dimensions of the product of all modalities' rows.

    Each modality is the anchor in turn; the loss is the mean over anchors of -log softmax of the
    example's own tuple among candidates. Without shifts these are all tuples of rows of the other
    modalities, rows^(modalities - 1) of them; with shifts only those of rows (j, j + shift, ...),
    j other than the anchor's, and the positive. Embeddings that carry no information cost the log
    of the number of candidates. Products of unit rows shrink as dim grows, so 1 / temperature must
    be able to grow: learn it. Negating two modalities changes nothing.

    Args:
      views: sequence of [batch, dim] floats of any scale, one per modality, two at least.
      shifts: None for all tuples, one [rows] block of logits at a time; or integers
        [modalities - 2], drawn afresh for each step between 1 and the rows that count - 1, of which
        they are taken modulo. A shift of 0 makes tuples of one example each.
      temperature: positive scalar, unitless; may be traced.
      normalise: as in `info_nce`.
      tile: as in `info_nce`; None is the plain form.
      where: bool [batch], or a sequence of such, one for each modality; None for all. An example
        counts, and lends its rows to tuples, if it has all modalities. See the package's rule.
      axis_name: mapped axis that splits the batch; rows are gathered.
    Returns: [batch] in nats, float32 or wider.
    Raises: as `info_nce`; ValueError for fewer than two views or other shifts.
    References: Saporta et al. 2024, arXiv:2411.01053, eq. 4 and 5. Their code draws a permutation
      for each modality, which may make a true tuple a negative; a cyclic shift does not.
    """
    check_temperature(temperature)
    views, masks = prepare_views(views, where)
    counted = functools.reduce(jnp.logical_and, masks)
    views = [jnp.where(counted[:, None], z, 0) for z in widen(*views)]
    rows = [side_of(z, (), None, normalise=normalise).rows for z in views]
    everyone, there = gathered((rows, counted), axis_name)
    own = jnp.where(counted, places(len(counted), axis_name), -1)
    moved = _shifted(there)
    steps = _shifts(shifts, len(there), len(views))
    tile = tile_for(len(there), tile)
    terms = []
    for anchor, z in enumerate(rows):
        first, *rest = everyone[:anchor] + everyone[anchor + 1 :]
        mine = rows[:anchor] + rows[anchor + 1 :]
        positive = functools.reduce(jnp.multiply, mine, z).sum(axis=1)

        @jax.checkpoint
        def add(total, step, z=z, first=first, rest=rest, positive=positive):
            sources = [moved(step[k]) for k in range(len(rest))]
            tuples = functools.reduce(jnp.multiply, (x[s] for x, s in zip(rest, sources)), first)
            place = jnp.arange(len(there))
            if shifts is None:  # an anchor's own tuple, of one example, is its positive
                itself = functools.reduce(jnp.logical_and, (s == place for s in sources), there)
                place = jnp.where(itself, place, place + len(there))
                # shifts beyond the rows that count come again
                place = jnp.where((step < there.sum()).all(), place, -1)
            tags = (jnp.where(there, place, -1),)
            more = negative_totals(
                Side(z, (own,)), Side(tuples, tags), (positive,), temperature,
                unit=normalise, tile=tile,
            )[0]  # fmt: skip
            return _merged(total, more), None

        nothing = Total(0 * lax.stop_gradient(positive), (0 * positive,))
        terms.append(cross_entropy(lax.scan(add, nothing, steps)[0]))
    return mean_over_counted(functools.reduce(jnp.add, terms) / len(terms), counted, axis_name)


def _shifted(there):
    """The function of a shift that says which row, [n], each row that counts is moved onto.

    Rows that do not count are passed over: the result is that of the others alone.
    """
    order = jnp.argsort(~there, stable=True)
    rank, count = jnp.cumsum(there) - 1, jnp.maximum(there.sum(), 1)
    return lambda shift: jnp.where(there, order[(rank + shift) % count], jnp.arange(len(there)))


def _shifts(shifts, rows, modalities):
    """[steps, modalities - 2] shifts: the given ones, or all."""
    others = modalities - 2
    if shifts is not None:
        shifts = jnp.asarray(shifts)
        if shifts.shape != (others,) or not jnp.issubdtype(shifts.dtype, jnp.integer):
            raise ValueError(
                f"shifts must be integers [modalities - 2] = [{others}], "
                f"got {shifts.dtype} of shape {shifts.shape}"
            )
        return shifts[None].astype(jnp.arange(0).dtype)
    step = jnp.arange(rows**others)
    digits = [step // rows**k % rows for k in range(others)]
    return jnp.stack(digits, axis=1) if digits else jnp.zeros((1, 0), step.dtype)


def _merged(one, other):
    peak = jnp.maximum(one.peak, other.peak)
    parts = (jnp.exp(part.peak - peak) * part.sums[0] for part in (one, other))
    return Total(peak, (functools.reduce(jnp.add, parts),))

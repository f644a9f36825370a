"""Contrast of every embedding with all others, of which those of its label are its positives."""

import jax
import jax.numpy as jnp

from mmalign.losses.classes import partner_sums
from mmalign.losses.knobs import Scalar, inverse
from mmalign.losses.negatives import negative_totals
from mmalign.losses.numerics import widen
from mmalign.losses.rows import global_rows, places
from mmalign.losses.sides import product_dtype, side_of, tile_for
from mmalign.losses.totals import cross_entropy, log_total


def labelled_anchors(
    views: list[jax.Array],
    where: list[jax.Array],
    label: jax.Array,
    anchors: int,
    *,
    temperature: Scalar,
    inside: bool,
    normalise: bool,
    tile: int | None,
    axis_name: str | None,
) -> jax.Array:
    """Loss of every embedding of the first `anchors` views, [anchors * batch]; 0 without positives.

    That of an anchor is the mean over its positives of -log softmax among all others or, `inside`,
    -log of the mean over its positives of softmax. A sole positive is left out of the sum and comes
    back as the 1 in log(1 + ...), which keeps the digits of a small loss; with several the loss is
    not small.
    """
    place = places(len(label), axis_name) * len(views)  # ids differ between all embeddings
    ids = jnp.concatenate([jnp.where(w, place + view, -1) for view, w in enumerate(where)])
    label = jnp.where(ids >= 0, jnp.tile(label, len(views)), -1)
    z, narrow = jnp.concatenate(widen(*views)), product_dtype(*views)
    side = side_of(z, (ids,), narrow, normalise=normalise)
    partners, count = partner_sums(side.rows, label, axis_name=axis_name)
    mean = (side.rows * partners).sum(axis=1) / jnp.maximum(count, 1)

    asked = anchors * len(where[0])
    sole = jnp.where(count == 1, label, -1 - ids)  # labels are not negative
    mean, count = mean[:asked], count[:asked]

    def totals(tag, anchor, **more):
        keys = side._replace(tags=(ids, tag))
        queries = keys if asked == len(ids) else jax.tree.map(lambda x: x[:asked], keys)
        return negative_totals(
            queries, None if queries is keys else keys, (anchor,), temperature, unit=normalise,
            tile=tile_for(global_rows(ids, axis_name), tile), axis_name=axis_name, **more,
        )[0]  # fmt: skip

    if inside:
        positives = totals(label, mean, partners=True)
        anchor = mean + log_total(positives, count > 0) / inverse(temperature, z.dtype)
        loss = cross_entropy(totals(label, anchor)) + jnp.log(jnp.maximum(count, 1))
        return jnp.where(count > 0, loss, 0)
    others = totals(sole, mean)
    return jnp.where(count == 1, cross_entropy(others), log_total(others, count > 1))

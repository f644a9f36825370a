"""Contrast with positives that a matrix names, by blocks of anchors."""

import jax.numpy as jnp

from mmalign.losses.blocks import by_blocks
from mmalign.losses.knobs import inverse
from mmalign.losses.numerics import widen
from mmalign.losses.rows import gathered, global_rows, places, rows_that_count
from mmalign.losses.sides import side_of, tile_for
from mmalign.losses.totals import cross_entropy, gap_totals, log_total


def masked_anchors(
    views: list, where: list, positives, anchors: int, *, temperature, inside, normalise, tile,
    axis_name,
):  # fmt: skip
    """Loss of every embedding of the first `anchors` views, [anchors * batch]; 0 without positives.

    positives: bool [batch, global batch], whether a row has another as a positive in every view;
      an embedding is never its own.
    tile: rows of a block of anchors, against which all other rows are held; None for one block.
    """
    rows, batch = len(where[0]), global_rows(where[0], axis_name)
    tile = tile_for(batch, tile)
    positives = rows_that_count(positives, (rows, batch), name="positives")
    place = places(rows, axis_name)
    z = [side_of(x, (), None, normalise=normalise).rows for x in widen(*views)]
    everyone = jnp.concatenate(gathered(z, axis_name))
    counted = jnp.concatenate(gathered(where, axis_name))
    c = inverse(temperature, everyone.dtype)

    def block(step):
        row, own, mask = step
        similarity = jnp.matmul(row, everyone.T, precision="highest")
        others = counted[None] & (own[:, None] != jnp.arange(len(counted))[None])
        chosen = others & jnp.tile(mask, (1, len(views)))
        return _loss(similarity, others, chosen, c, inside)

    queries = (
        jnp.concatenate(z[:anchors]),
        jnp.concatenate([place + view * batch for view in range(anchors)]),
        jnp.tile(positives, (anchors, 1)) & jnp.concatenate(where[:anchors])[:, None],
    )
    return by_blocks(block, queries, tile)


def _loss(similarity, others, chosen, c, inside):
    """As in `labelled_anchors`: [a, b] similarities -> [a]."""
    count = chosen.sum(axis=1, dtype=similarity.dtype)
    mean = jnp.sum(similarity, axis=1, where=chosen) / jnp.maximum(count, 1)
    if inside:
        positives = gap_totals(similarity, chosen, mean, c)
        mean = mean + log_total(positives, count > 0) / c
        total = gap_totals(similarity, others & ~chosen, mean, c)
        loss = cross_entropy(total) + jnp.log(jnp.maximum(count, 1))
    else:
        sole = (count == 1)[:, None]
        total = gap_totals(similarity, others & ~(chosen & sole), mean, c)
        loss = jnp.where(count == 1, cross_entropy(total), log_total(total, count > 1))
    return jnp.where(count > 0, loss, 0)

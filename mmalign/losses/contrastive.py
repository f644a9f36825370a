"""Contrastive losses: paired embeddings attract, the rest of the batch repels."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.numerics import (
    global_batch,
    mean_over_counted,
    rows_that_count,
    unit_norm,
    widen,
)
from mmalign.losses.tiles import exponential_sums, fits, tile_for


def info_nce(z_a, z_b, *, temperature=0.1, symmetric=True, tile=None, where=None, axis_name=None):
    """InfoNCE of paired embeddings.

    Row i of z_a and row i of z_b are a pair; the other rows of the global batch's z_b are negatives
    of z_a's row i, and, if symmetric, the other way round. Embeddings that carry no information
    cost log(rows that count). A row without negatives (it alone counts) costs 0, with a zero
    gradient.

    Args:
      z_a: [batch, dim] floats of any scale; normalised here.
      z_b: as z_a, the partners.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      symmetric: average both directions; False asks z_a's rows alone.
      tile: rows and columns of the blocks in which similarities are computed, and computed again
        for the gradient, so that memory is linear in the batch; a batch no larger, or None below
        2,048 rows, takes the plain form, which is faster there. None from there on is 512. Tiles
        have a gradient and no forward-mode derivative.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, float32 or wider.
    Raises: ValueError for shapes that differ or are not [batch, dim], a temperature that is not a
      positive scalar, a tile that is not a positive number, a `where` of another shape; TypeError
      for arrays that are not floating-point.
    References: van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with cosine similarity over a
      temperature; both directions as in Radford et al. 2021, arXiv:2103.00020.
    """
    z_a, z_b, where, temperature = _prepare(z_a, z_b, where, temperature)
    (all_a, all_b, counted), place = global_batch(z_a, z_b, where, axis_name=axis_name)
    positive = jnp.sum(z_a * z_b, axis=1)
    if tile := tile_for(len(all_a), tile):
        tiled = functools.partial(
            _tiled, ids=(jnp.where(where, place, -1), _numbered(counted)), positive=positive,
            temperature=temperature, tile=tile,
        )  # fmt: skip
        if axis_name is None:
            loss, back = tiled(z_a, z_b, columns=symmetric)
        else:
            loss, back = tiled(z_a, all_b)[0], tiled(z_b, all_a)[0] if symmetric else None
        loss = 0.5 * (loss + back) if symmetric else loss
        return mean_over_counted(loss, where, axis_name)

    negative = counted[None] & _other_rows(place, len(all_a))
    similarity = _products(z_a, all_b)
    loss = _cross_entropy(positive, similarity, negative, temperature)
    if symmetric and axis_name is None:  # the same products, read by column
        back = _cross_entropy(positive, similarity, negative.T, temperature, axis=0)
        loss = 0.5 * (loss + back)
    elif symmetric:
        back = _cross_entropy(positive, _products(z_b, all_a), negative, temperature)
        loss = 0.5 * (loss + back)
    return mean_over_counted(loss, where, axis_name)


def nt_xent(z_a, z_b, *, temperature=0.1, tile=None, where=None, axis_name=None):
    """NT-Xent, SimCLR's loss of two views: the other rows of both views are negatives.

    For z_a's row i the positive is z_b's row i, the negatives are all other rows of z_a and of z_b
    in the global batch; averaged with the same for z_b's row i. Orthogonal samples whose views
    agree cost log(1 + 2 (rows - 1) exp(-1 / temperature)). A row without negatives costs 0, with a
    zero gradient.

    Args:
      z_a: [batch, dim] floats of any scale; normalised here.
      z_b: as z_a, the partners.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      tile: as in `info_nce`.
      where: bool [batch], the pairs that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; None if z_a is the whole batch.
    Returns: [batch] loss of each pair in nats, mean of its two directions, float32 or wider.
    Raises: as `info_nce`.
    References: Chen et al. 2020, arXiv:2002.05709, eq. 1. InfoMAE (Kimura et al. 2025,
      arXiv:2504.09707) eq. 9 is meant to be this: as printed it lacks the minus, and its sum over
      k != j repeats the cross-view similarities where the same-view ones belong.
    """
    z_a, z_b, where, temperature = _prepare(z_a, z_b, where, temperature)
    (all_a, all_b, counted), place = global_batch(z_a, z_b, where, axis_name=axis_name)
    positive = jnp.sum(z_a * z_b, axis=1)
    everyone = jnp.concatenate([all_a, all_b])
    if tile := tile_for(len(all_a), tile):
        own, queries = jnp.where(where, place, -1), jnp.concatenate([z_a, z_b])
        loss, _ = _tiled(
            queries, None if axis_name is None else everyone, temperature=temperature, tile=tile,
            ids=(jnp.tile(own, 2), jnp.tile(_numbered(counted), 2)), positive=jnp.tile(positive, 2),
        )  # fmt: skip
        return mean_over_counted(loss.reshape(2, -1).mean(axis=0), where, axis_name)

    negative = jnp.tile(counted[None] & _other_rows(place, len(all_a)), (1, 2))

    def one_way(queries):
        return _cross_entropy(positive, _products(queries, everyone), negative, temperature)

    return mean_over_counted(0.5 * (one_way(z_a) + one_way(z_b)), where, axis_name)


def _prepare(z_a, z_b, where, temperature):
    """Checked arguments: unit rows (zero where they do not count), bool rows, temperature."""
    z_a, z_b = widen(z_a, z_b)
    if z_a.ndim != 2 or z_a.shape != z_b.shape:
        raise ValueError(f"need two [batch, dim] arrays alike, got {z_a.shape} and {z_b.shape}")
    if jnp.ndim(temperature) != 0:
        raise ValueError(f"temperature must be a scalar, got shape {jnp.shape(temperature)}")
    if isinstance(temperature, int | float) and not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    where = rows_that_count(where, z_a.shape[:1])
    z_a, z_b = (unit_norm(jnp.where(where[:, None], z, 0)) for z in (z_a, z_b))
    return z_a, z_b, where, jnp.asarray(temperature, z_a.dtype)


def _tiled(queries, keys, *, ids, positive, temperature, tile, columns=False):
    """-log softmax of each query's positive, and of each key's if `columns`, tile by tile.

    keys: None for the queries themselves. ids: of queries and of keys, see `exponential_sums`.
    """

    def shared_shift():
        sums = exponential_sums(queries, keys, *ids, 1 / temperature, tile, columns=columns)
        scale = jnp.exp((1 - positive) / temperature)
        # without columns the second one has nothing to say, and another length
        return tuple(jnp.log1p(scale * x) for x in (sums if columns else (sums[0], 0 * sums[0])))

    def own_shift():  # a temperature so low that one shift for all would lose small numbers
        other = queries if keys is None else keys
        rows = _by_rows(queries, other, *ids, positive, temperature, tile)
        back = _by_rows(other, queries, *ids[::-1], positive, temperature, tile) if columns else 0
        return rows, back + 0 * rows

    return lax.cond(fits(1 / temperature), shared_shift, own_shift)


def _by_rows(queries, keys, query_id, key_id, positive, temperature, tile):
    """As `_cross_entropy` of all, a tile of queries at a time."""

    @jax.checkpoint
    def one(part):
        query, own, positive = (x[None] for x in part)
        negative = (own[:, None] != key_id[None]) & (own >= 0)[:, None] & (key_id >= 0)[None]
        return _cross_entropy(positive, _products(query, keys), negative, temperature)[0]

    return lax.map(one, (queries, query_id, positive), batch_size=tile)


def _numbered(counted):
    """Places of the rows that count, -1 for the others."""
    return jnp.where(counted, jnp.arange(len(counted)), -1)


def _other_rows(place, count):
    """Which of all `count` rows are other ones: places [n] -> bool [n, count]."""
    return place[:, None] != jnp.arange(count)[None]


def _products(queries, keys):
    return jnp.matmul(queries, keys.T, precision="highest")


def _cross_entropy(positive, similarity, negative, temperature, axis=1):
    """-log softmax of each query's positive among itself and its negatives.

    As log(1 + sum over negatives of exp(gap)), gap = (similarity - positive) / temperature: a
    log-sum-exp minus the positive cancels, and a small loss keeps no digit. This form cannot go
    below 0 either, so the positive need not come out of the matrix product, whose rounding all gaps
    would share, 1 / temperature times larger; a plain sum of products rounds less.

    Args:
      positive: [queries] similarity of each query and its positive.
      similarity: [queries, keys], or [keys, queries] with axis=0.
      negative: bool as similarity, those that count as negatives; a query without costs 0.
      temperature: scalar.
      axis: of the keys.
    Returns: [queries].
    """
    gap = (similarity - jnp.expand_dims(positive, axis)) * (1 / temperature)
    gap = jnp.where(negative, gap, -jnp.inf)
    peak = jnp.maximum(lax.stop_gradient(gap).max(axis=axis), 0)  # against overflow
    total = jnp.exp(gap - jnp.expand_dims(peak, axis)).sum(axis=axis)
    return peak + jnp.log1p(jnp.expm1(-peak) + total)  # with peak = 0: log1p(total)

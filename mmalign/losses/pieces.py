"""Gradients of a loss that couples the whole batch, with one piece of it in memory at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def value_and_grad_in_pieces(
    embed: Callable[[Any, Any], Any], loss: Callable[[Any, Any], jax.Array], *, pieces: int
) -> Callable[[Any, Any], tuple[jax.Array, Any]]:
    """Value and gradient of loss(params, embed(params, batch)), a piece of the batch at a time.

    Accumulating the gradients of pieces changes a contrastive loss, for want of negatives. Two
    passes do not: embed all pieces and keep the embeddings alone; differentiate the loss of the
    whole batch by them; embed each piece again and pull its share back. The result is the full
    batch's, to rounding, for one more forward pass of `embed`, with the memory of one piece.

    Args:
      embed: (params, piece) -> pytree of arrays [rows, ...]: floats, through which the gradient
        flows, and whatever else the loss reads of a row, such as labels, masks and keys. Rows of a
        piece must not meet here: with batch normalisation the result is another one. What is drawn
        at random must come out the same in both passes: put keys, one a row, into the batch.
      loss: (params, embeddings) -> scalar or [batch], of which the mean is taken; params are there
        for a temperature that is learned.
      pieces: into how many the batch is cut, a divisor of its rows; neighbours stay together.
    Returns: (params, batch) -> (value, gradient by params), as `jax.value_and_grad`; batch a pytree
      of arrays [rows, ...].
    Raises: ValueError for pieces below 1 or that do not divide the batch.
    References: Gao et al. 2021, arXiv:2101.06983 (gradient cache).
    """
    if not isinstance(pieces, int) or pieces < 1:
        raise ValueError(f"pieces must be a whole number, 1 or more, got {pieces!r}")

    def run(params, batch):
        cut = jax.tree.map(_cut, batch)
        embeddings, tree = jax.tree.flatten(lax.map(lambda piece: embed(params, piece), cut))
        whole = [z.reshape(-1, *z.shape[2:]) for z in embeddings]

        def total(params, floats):
            moving = iter(floats)
            mixed = [next(moving) if _is_float(z) else z for z in whole]
            return jnp.mean(loss(params, tree.unflatten(mixed)))

        value, (own, by_floats) = jax.value_and_grad(total, argnums=(0, 1))(params, _floats(whole))
        by_embedding = [_cut(by_float) for by_float in by_floats]

        def pull(grads, step):
            piece, by_piece = step
            of = lambda params: _floats(jax.tree.leaves(embed(params, piece)))
            _, back = jax.vjp(of, params)
            return jax.tree.map(jnp.add, grads, back(by_piece)[0]), None

        return value, lax.scan(pull, own, (cut, by_embedding))[0]

    def _cut(x):
        if len(x) % pieces:
            raise ValueError(f"pieces must divide the batch of {len(x)}, got {pieces}")
        return x.reshape(pieces, -1, *x.shape[1:])

    return run


def _floats(leaves):
    return [z for z in leaves if _is_float(z)]


def _is_float(z):
    return jnp.issubdtype(z.dtype, jnp.inexact)

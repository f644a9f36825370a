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
      embed: (params, piece) -> pytree of arrays [rows, ...]. Rows of a piece must not meet here:
        with batch normalisation the result is another one. What is drawn at random must come out
        the same in both passes: put keys, one for each row, into the batch.
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
        embeddings = lax.map(lambda piece: embed(params, piece), cut)

        def total(params, embeddings):
            whole = jax.tree.map(lambda z: z.reshape(-1, *z.shape[2:]), embeddings)
            return jnp.mean(loss(params, whole))

        value, (own, by_embedding) = jax.value_and_grad(total, argnums=(0, 1))(params, embeddings)

        def pull(grads, step):
            piece, by_piece = step
            _, back = jax.vjp(lambda params: embed(params, piece), params)
            return jax.tree.map(jnp.add, grads, back(by_piece)[0]), None

        return value, lax.scan(pull, own, (cut, by_embedding))[0]

    def _cut(x):
        if len(x) % pieces:
            raise ValueError(f"pieces must divide the batch of {len(x)}, got {pieces}")
        return x.reshape(pieces, -1, *x.shape[1:])

    return run

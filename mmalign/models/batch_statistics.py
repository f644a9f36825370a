"""Batch normalisation without running averages, for what is read in training alone."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax


def standardised(x: jax.Array, where: jax.Array, eps: float = 1e-5) -> jax.Array:
    """Columns of mean 0 and variance 1 over the rows that count, the other rows zeros.

    x: [..., b, d], each leading index for itself. where: bool [..., b].
    """
    where = where[..., None]
    count = jnp.maximum(where.sum(axis=-2, keepdims=True), 1)
    x = jnp.where(where, x, 0.0)
    x = jnp.where(where, x - x.sum(axis=-2, keepdims=True) / count, 0.0)
    return x * lax.rsqrt(jnp.square(x).sum(axis=-2, keepdims=True) / count + eps)


class BatchNorm(nn.Module):
    """`standardised`, with a scale and a shift of each column that are learned."""

    @nn.compact
    def __call__(self, x: jax.Array, where: jax.Array) -> jax.Array:
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        shift = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        ahead = (1,) * (x.ndim - 1)
        return standardised(x, where) * scale.reshape(*ahead, -1) + shift.reshape(*ahead, -1)

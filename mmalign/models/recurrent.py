"""Recurrent networks over tokens."""

from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn


class Context(nn.Module):
    """GRU over [b, steps, d] -> [b, steps, hidden] float32; step t has seen tokens 0 to t."""

    hidden: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return states(nn.RNN(nn.GRUCell(self.hidden, name="gru")), x.astype(jnp.float32))


def states(network: nn.RNN | nn.Bidirectional, x: jax.Array) -> jax.Array:
    """Of every step, [b, steps, any]; flax types them as if the carry could come beside them."""
    return cast(jax.Array, network(x))

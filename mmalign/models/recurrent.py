"""A recurrent summary of tokens up to now."""

import jax.numpy as jnp
from flax import linen as nn


class Context(nn.Module):
    """GRU over [b, steps, d] -> [b, steps, hidden] float32; step t has seen tokens 0 to t."""

    hidden: int

    @nn.compact
    def __call__(self, x):
        return nn.RNN(nn.GRUCell(self.hidden, name="gru"))(x.astype(jnp.float32))

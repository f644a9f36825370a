"""A decoder that asks one code for every patch, with the same perceptron for all of them."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.patches import Patching


class PatchDecoder(nn.Module):
    """[b, any] -> [b, H, W, values of a patch] float32.

    The code and a learned vector for the place of a patch are added, and one perceptron, the same
    for all places, makes the patch of it.
    """

    patching: Patching
    channels: int
    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, code: jax.Array, train: bool = False) -> jax.Array:
        del train
        dense = lambda width, name: nn.Dense(width, dtype=self.dtype, name=name)
        start = nn.initializers.normal(1.0)  # places have to differ from the first step on
        place = self.param("place", start, (*self.patching.grid, self.hidden))
        x = dense(self.hidden, "code")(code)[:, None, None] + place.astype(self.dtype)[None]
        x = nn.gelu(dense(self.hidden, "hidden")(nn.gelu(x)))
        return dense(self.patching.values(self.channels), "out")(x).astype(jnp.float32)

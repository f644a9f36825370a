"""One modality's parameters in InfoMAE: encoder, shared and private projector, decoder."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.methods.sensors import Sensors, named_key
from mmalign.models import Projector


class Split(NamedTuple):
    """u = norm(s(e)) is what the other modalities share, v = norm(p(e)) what this one keeps.

    `norm` is a LayerNorm without parameters: it fixes the scale, so that an encoder cannot
    out-shout the noise that critics see by growing, and representations of two modalities can
    stand in for each other. The paper has no norm.
    """

    front: Sensors
    shared: int
    private: int

    def init(self, key, m, grid):
        """Parameters of modality m, whose encoder reads `grid`."""
        encoder, decoder, _, dim = self.front.backbones[m]
        keys = {part: named_key(key, part) for part in ("encoder", "shared", "private", "decoder")}
        rows = len(grid)
        e, code = jnp.zeros((rows, dim)), jnp.zeros((rows, self.shared + self.private))
        hidden = jnp.zeros((rows, *self.front.backbones[m].patching.grid), bool)
        return {
            "encoder": encoder.init(keys["encoder"], grid, hidden)["params"],
            "shared": self._projector(self.shared).init(keys["shared"], e)["params"],
            "private": self._projector(self.private).init(keys["private"], e)["params"],
            "decoder": decoder.init(keys["decoder"], code)["params"],
        }

    def apply(self, params, e):
        """Embedding [b, dim] -> u [b, shared], v [b, private]; rows of mean 0 and variance 1."""
        u = self._projector(self.shared).apply({"params": params["shared"]}, e)
        v = self._projector(self.private).apply({"params": params["private"]}, e)
        return unit_variance(u), unit_variance(v)

    def _projector(self, out):
        return Projector(hidden=self.private, out=out)


def unit_variance(x, eps=1e-6):
    """Rows of mean 0 and variance 1: LayerNorm without parameters."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x * lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + eps)


def noisy(key, x, sigma):
    """x + sigma * standard normal noise: what a critic is shown, so that information is finite."""
    return x + sigma * jax.random.normal(key, x.shape, x.dtype)

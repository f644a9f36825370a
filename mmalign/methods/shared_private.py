"""One modality's parameters in InfoMAE: encoder, shared and private projector, decoder."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.methods.sensors import Sensors, named_key
from mmalign.models import Projector, apply, init_params


class Split(NamedTuple):
    """u = norm(s(e)) is what the other modalities share, v = norm(p(e)) what this one keeps.

    `norm` is a LayerNorm without parameters: it fixes the scale, so that an encoder cannot
    out-shout the noise that critics see by growing, and representations of two modalities can
    stand in for each other. The paper has no norm.
    """

    front: Sensors
    shared: int
    private: int

    def init(self, key: jax.Array, m: str, grid: jax.Array) -> dict[str, Any]:
        """Parameters of modality m, whose encoder reads `grid`."""
        encoder, decoder, _, dim = self.front.backbones[m]
        keys = {part: named_key(key, part) for part in ("encoder", "shared", "private", "decoder")}
        rows = len(grid)
        e, code = jnp.zeros((rows, dim)), jnp.zeros((rows, self.shared + self.private))
        hidden = jnp.zeros((rows, *self.front.backbones[m].patching.grid), bool)
        return {
            "encoder": init_params(encoder, keys["encoder"], grid, hidden),
            "shared": init_params(self._projector(self.shared), keys["shared"], e),
            "private": init_params(self._projector(self.private), keys["private"], e),
            "decoder": init_params(decoder, keys["decoder"], code),
        }

    def apply(self, params: Mapping, e: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Embedding [b, dim] -> u [b, shared], v [b, private]; rows of mean 0 and variance 1."""
        u = apply(self._projector(self.shared), params["shared"], e)
        v = apply(self._projector(self.private), params["private"], e)
        return unit_variance(u), unit_variance(v)

    def _projector(self, out):
        return Projector(hidden=self.private, out=out)


def unit_variance(x: jax.Array, eps: float = 1e-6) -> jax.Array:
    """Rows of mean 0 and variance 1: LayerNorm without parameters."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x * lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + eps)


def noisy(key: jax.Array, x: jax.Array, sigma: float) -> jax.Array:
    """x + sigma * standard normal noise: what a critic is shown, so that information is finite."""
    return x + sigma * jax.random.normal(key, x.shape, x.dtype)

"""From one latent per modality to one embedding of all: CroSSL's perceptron, and attention.

`apply(variables, latents [b, modalities, dim], kept bool [b, modalities]) -> [b, out]` float32.
Latents that are not kept come as zeros, or as what the method puts in their place.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign import options as checks

FINAL_NORMS = ("layernorm", "none")


def aggregator(name: str, modalities: Sequence[str], **options: Any) -> nn.Module:
    """The aggregator "mlp" or "attention" of these modalities.

    Args:
      name: of the family.
      modalities: names, in the order of the latents.
      **options: fields of `MlpAggregator` or `AttentionAggregator` other than `modalities`.
    Raises: ValueError if there is no such aggregator or option, or it has another kind of value.
    """
    families = {"mlp": MlpAggregator, "attention": AttentionAggregator}
    module = families[checks.one_of("aggregator.name", name, families)]
    fields = [f.name for f in dataclasses.fields(module)]
    names = [f for f in fields if f not in ("modalities", "parent", "name")]
    checks.check(f"aggregator {name}", options, names)
    if "final_norm" in options:
        checks.one_of("aggregator.final_norm", options["final_norm"], FINAL_NORMS)
    if "hidden" in options:
        options["hidden"] = tuple(options["hidden"])
    built = module(modalities=tuple(modalities), **options)
    if name == "attention" and built.width % built.heads:
        raise ValueError("aggregator.width must be a multiple of aggregator.heads")
    return built


class MlpAggregator(nn.Module):
    """The latents side by side through a perceptron: it knows modalities by their place.

    The LayerNorm at the end makes every embedding sum to zero and have unit variance over its
    features, before gain and shift; that says nothing about variance over samples.

    References: CroSSL (Deldari et al. 2024, arXiv:2307.16847), as released: 64, 32, then 32.
    """

    modalities: tuple[str, ...]
    hidden: tuple[int, ...] = (64, 32)
    out: int = 32
    final_norm: str = "layernorm"

    @nn.compact
    def __call__(self, latents: jax.Array, kept: jax.Array) -> jax.Array:
        del kept  # what is not kept is a row of zeros here
        x = latents.reshape(latents.shape[0], -1).astype(jnp.float32)
        for i, width in enumerate(self.hidden):
            x = nn.relu(_dense(width, f"hidden_{i}")(x))
        return _finish(_dense(self.out, "out")(x), self.final_norm)


class AttentionAggregator(nn.Module):
    """A learned query that attends to the latents that are kept, and to itself.

    A latent that is not kept is never read, whatever stands there. Parameters of a modality (its
    embedding) go by its name, so that a set of modalities can be extended or cut down and the rest
    carried over. Our own; the released code has the perceptron alone.
    """

    modalities: tuple[str, ...]
    width: int = 64
    heads: int = 4
    depth: int = 1
    out: int = 32
    final_norm: str = "layernorm"

    @nn.compact
    def __call__(self, latents: jax.Array, kept: jax.Array) -> jax.Array:
        b, init = latents.shape[0], nn.initializers.normal(0.02)
        places = jnp.stack([self.param(f"place_{m}", init, (self.width,)) for m in self.modalities])
        query = self.param("query", init, (self.width,))
        latents = jnp.where(kept[..., None], latents.astype(jnp.float32), 0.0)
        x = _dense(self.width, "embed")(latents) + places[None]
        x = jnp.concatenate([jnp.broadcast_to(query, (b, 1, self.width)), x], axis=1)
        seen = jnp.concatenate([jnp.ones((b, 1), bool), kept], axis=1)[:, None, None]
        for i in range(self.depth):
            y = nn.LayerNorm(name=f"norm_attention_{i}")(x)
            # the last layer is computed for the query alone: nobody reads the rest
            ask = y[:, :1] if i == self.depth - 1 else y
            y = nn.MultiHeadDotProductAttention(self.heads, name=f"attention_{i}")(
                ask, y, mask=seen
            )
            x = x[:, : y.shape[1]] + y
            y = nn.LayerNorm(name=f"norm_mlp_{i}")(x)
            y = nn.gelu(_dense(2 * self.width, f"mlp_in_{i}")(y))
            x = x + _dense(self.width, f"mlp_out_{i}")(y)
        return _finish(_dense(self.out, "out")(x[:, 0]), self.final_norm)


def _dense(width, name):
    return nn.Dense(width, kernel_init=nn.initializers.glorot_uniform(), name=name)


def _finish(x, final_norm):
    x = nn.LayerNorm(epsilon=1e-3, name="final_norm")(x) if final_norm == "layernorm" else x
    return x.astype(jnp.float32)

"""Pooling of the tokens of an encoder that are kept."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def masked_mean(features: jax.Array, keep: jax.Array | None = None) -> jax.Array:
    """Mean over the time steps that are kept: [b, time, dim] -> [b, dim], zeros if none is.

    keep: bool [..., b, time], any number of masks in front; None keeps all.
    """
    if keep is None:
        return features.mean(axis=1)
    weight = keep.astype(features.dtype)
    weight = weight / jnp.maximum(weight.sum(axis=-1, keepdims=True), 1)
    return jnp.einsum("...bt,btd->...bd", weight, features, precision="highest")


def largest(tokens: jax.Array, keep: jax.Array | None = None) -> jax.Array:
    """Largest value over the tokens that are kept: [b, t, d] -> [b, d], zeros if none is.

    The gradient goes to the first of the largest. That of `max` looks for all values that equal the
    largest; a program that computes them twice, not quite alike, finds none and divides by zero.

    keep: bool [b, t]; None keeps all.
    """
    seen = tokens if keep is None else jnp.where(keep[..., None], tokens, -jnp.inf)
    first = lax.stop_gradient(seen).argmax(axis=1)[:, None]
    chosen = first == np.arange(tokens.shape[1])[None, :, None]
    if keep is not None:
        chosen &= keep[..., None]
    return jnp.where(chosen, tokens, 0.0).sum(axis=1)

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


def last_kept(tokens: jax.Array, keep: jax.Array | None = None) -> jax.Array:
    """The last token that is kept: [b, t, d] -> [b, d], zeros if none is. keep: bool [b, t]."""
    if keep is None:
        return tokens[:, -1]
    back = jnp.argmax(keep[:, ::-1], axis=1)  # steps from the end to it
    is_last = back[:, None] == np.arange(tokens.shape[1])[None, ::-1]
    return jnp.where((is_last & keep)[..., None], tokens, 0.0).sum(axis=1)


def region_means(
    tokens: jax.Array, keep: jax.Array | None, grid: tuple[int, int], regions: int
) -> jax.Array:
    """Means over parts of a feature map, side by side: [b, H * W, d] -> [b, parts * d].

    Args:
      tokens: of the map, rows first.
      keep: bool [b, H * W], those that count; None for all. Where none does there are zeros.
      grid: (H, W).
      regions: parts along each axis, as many as it has tokens at most.
    """
    b, count, _ = tokens.shape
    keep = jnp.ones((b, count), bool) if keep is None else keep
    weight = keep[:, None].astype(jnp.float32) * _regions(grid, regions)[None]
    weight = weight / jnp.maximum(weight.sum(axis=-1, keepdims=True), 1)
    return jnp.einsum("brt,btd->brd", weight, tokens, precision="highest").reshape(b, -1)


def _regions(grid, regions):
    """Numpy float32 [parts, H * W]: 1 where a token lies in the part."""
    down, right = (
        np.stack(
            [np.isin(np.arange(n), part) for part in np.array_split(range(n), min(regions, n))]
        )
        for n in grid
    )
    inside = down[:, None, :, None] & right[None, :, None, :]
    return inside.reshape(len(down) * len(right), -1).astype(np.float32)

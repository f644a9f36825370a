"""CroSSL's two masked views of a batch: what they keep, and which samples they can teach."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmalign.augment import draw_latent_masks, draw_time_mask
from mmalign.augment.latent_spec import LatentMask
from mmalign.methods.crossl_network import Network
from mmalign.methods.encoders import Seen
from mmalign.methods.sensors import named_key
from mmalign.models import masked_mean


class Views(NamedTuple):
    """Two views of the latents, before what is not kept is hidden.

    parts: {m: [b, width]}, latents of complete input, zeros where absent.
    latents: [2, b, modalities, width]. keep: bool, of that shape.
    present: bool [b, modalities].
    empty: bool [b], nothing is kept in one of the views.
    identical: bool [b], the same is kept in both.
    """

    parts: Mapping[str, jax.Array]
    latents: jax.Array
    keep: jax.Array
    present: jax.Array
    empty: jax.Array
    identical: jax.Array

    @property
    def counts(self) -> jax.Array:
        """Bool [b]: any modality is present."""
        return self.present.any(axis=1)

    def teach(self, mask: LatentMask) -> jax.Array:
        """Bool [b]: the pair of views counts in the loss."""
        where = self.counts & ~self.empty if mask.min_keep else self.counts
        return where & ~self.identical if mask.pairing == "identical_excluded" else where


def draw_views(net: Network, params: Mapping, seen: Seen, batch: Mapping, key: jax.Array) -> Views:
    """Encodes every modality once and draws what two views keep of it.

    Args:
      net: Network. params: of it. seen: what its encoders read.
      batch: its `present`, and its `progress` if there is one.
      key: of the masks and of the encoders' dropout.
    """
    progress = batch.get("progress", 1.0)
    present = net.stack(batch["present"])
    draw = named_key(key, "masks")
    keep = draw_latent_masks(draw, net.mask, present, net.width, progress=progress)
    if net.mask.time_keep_prob is None:
        parts = net.encode(params, seen, batch["present"], key)
        latents, same = net.latents(parts)[None], True
    else:
        parts, latents, left = _masked_in_time(net, params, seen, batch["present"], key, progress)
        alike = [(x[0] == x[1]).all(axis=-1) | ~batch["present"][m] for m, x in left.items()]
        same = functools.reduce(jnp.logical_and, alike)
        keep &= jnp.stack([left[m].any(axis=-1) for m in net.names], axis=-1)[..., None]
    return Views(
        parts,
        jnp.broadcast_to(latents, keep.shape),
        keep,
        present,
        empty=~keep.any(axis=(2, 3)).all(axis=0),
        identical=(keep[0] == keep[1]).all(axis=(1, 2)) & same,
    )


def within_patterns(z: jax.Array, kept: jax.Array, where: jax.Array) -> jax.Array:
    """z [b, d] less the mean of the rows that keep the same modalities, scaled for what that costs.

    kept: bool [b, modalities]. where: bool [b], rows that count. A pattern takes a degree of
    freedom: so scaled, the variance over all rows is the unbiased one within patterns, pooled. A
    pattern of one row says nothing and is zeros.
    """
    same = (kept[:, None] == kept[None]).all(axis=-1) & where[None]
    z, weight = jnp.where(where[:, None], z, 0.0), same.astype(z.dtype)
    size = jnp.maximum(weight.sum(axis=1), 1)
    apart = z - jnp.matmul(weight, z, precision="highest") / size[:, None]
    rows, patterns = where.sum(), jnp.where(where, 1 / size, 0).sum()
    free = (rows - 1) / jnp.maximum(rows - patterns, 1)
    return jnp.where(where[:, None], apart * jnp.sqrt(jnp.maximum(free, 0)), 0.0)


def _masked_in_time(net, params, seen, present, key, progress):
    """Latents {m: [b, width]} of complete input; of two views, [2, b, modalities, width]; what
    the masks left of time, {m: bool [2, b, steps]}.
    """
    complete, views, left = {}, {}, {}
    for m, encoded in net.tokens(params, seen, key).items():
        maps = encoded["tokens"]
        draw = named_key(key, "time") if net.mask.synchronous else named_key(key, "time", m)
        b, steps, _ = maps.shape
        keep = draw_time_mask(draw, net.mask, b, steps, net.seconds[m], progress=progress)
        keep = jnp.concatenate([jnp.ones_like(keep[:1]), keep])
        if m in seen.valid:
            keep &= encoded["mask"][None]
        means = jnp.where(present[m][None, :, None], masked_mean(maps, keep), 0.0)
        complete[m], views[m], left[m] = means[0], means[1:], keep[1:]
    return complete, jnp.stack([views[m] for m in net.names], axis=2), left

"""Latent masks: which latents of which modality a view keeps. Pure, jittable, no parameters.

CroSSL encodes every modality once and makes its two views by hiding parts of the latents; a sensor
that is really missing looks just like a hidden one.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.augment.latent_spec import LatentMask


def draw_latent_masks(
    key: jax.Array, mask: LatentMask, present: jax.Array, width: int, *, progress=1.0
) -> jax.Array:
    """What two views keep of the latents: bool [2, batch, modalities, width].

    Args:
      key: typed key.
      mask: LatentMask.
      present: bool [batch, modalities]; what is absent is never kept.
      width: features of a latent.
      progress: share of the training that is done, for `anneal`; may be traced.
    References: CroSSL (Deldari et al. 2024, arXiv:2307.16847), as released: "spatial" and "random",
      independent, min_keep 0, no rescaling. Its code has another "temporal", which crashes and
      which "feature_shared" repairs; "subset" is an earlier design in a comment there.
    """
    ids = np.asarray(mask.group_of)
    groups = int(ids.max()) + 1
    observed = jnp.stack([present[:, ids == g].any(axis=1) for g in range(groups)], axis=1)
    if mask.strategy in ("none", "temporal"):
        keep = jnp.broadcast_to(observed[None, :, :, None], (2, *observed.shape, 1))
    elif mask.strategy == "subset":
        keep = _exactly(key, mask, observed)[..., None]
    else:
        keep = _bernoulli(key, mask, observed, width, _annealed(mask, progress))
    keep = keep[:, :, ids] & present[None, :, :, None]
    return jnp.broadcast_to(keep, (*keep.shape[:-1], width))


def draw_time_mask(
    key: jax.Array, mask: LatentMask, batch: int, steps: int, window_s: float, *, progress=1.0
) -> jax.Array:
    """What two views keep of a modality's feature map: bool [2, batch, steps].

    One block at least is kept where `min_keep` says so. With the same key, modalities whose windows
    hold as many blocks lose the same ones, whatever their rates.

    Args:
      key: typed key.
      mask: LatentMask with `time_keep_prob`.
      batch: rows. steps: of the feature map. window_s: duration of the window.
      progress: as in `draw_latent_masks`.
    """
    if mask.time_keep_prob is None or mask.block_s is None:
        raise ValueError("masks of time need mask.time_keep_prob and mask.block_s")
    blocks = max(math.ceil(window_s / mask.block_s - 1e-6), 1)
    prob = 1 - (1 - mask.time_keep_prob) * _ramp(mask, progress)
    u = jax.random.uniform(key, (2, batch, blocks))
    keep = u < prob
    if mask.min_keep:
        empty = ~keep.any(axis=-1, keepdims=True)
        keep |= empty & (u == u.min(axis=-1, keepdims=True))
    at = (np.arange(steps) + 0.5) / steps * window_s / mask.block_s
    return keep[:, :, np.minimum(at.astype(int), blocks - 1)]


def hide(
    latents: jax.Array, keep: jax.Array, mask: LatentMask, *, token=None, progress=1.0
) -> jax.Array:
    """Latents [..., modalities, width] with what is not kept replaced; see `rescale` and `fill`.

    token: [modalities, width] for fill "token".
    """
    if mask.rescale == "inverse_keep" and mask.strategy not in ("none", "temporal"):
        rate = _annealed(mask, progress)
        if mask.k is not None:
            rate = jnp.full_like(rate, mask.k / len(mask.keep_prob))
        rate = rate[np.asarray(mask.group_of)]
        latents = latents / jnp.expand_dims(rate, (*range(latents.ndim - 2), latents.ndim - 1))
    if token is None:
        return jnp.where(keep, latents, 0.0)
    return jnp.where(keep, latents, jnp.broadcast_to(token, latents.shape))


def _ramp(mask, progress):
    """0 at the start of the training, 1 from `anneal` on."""
    return jnp.clip(progress / mask.anneal, 0.0, 1.0) if mask.anneal else 1.0


def _annealed(mask, progress):
    """Keep probabilities of the groups at this time, [groups]."""
    return 1 - (1 - jnp.asarray(mask.keep_prob)) * _ramp(mask, progress)


def _bernoulli(key, mask, observed, width, prob):
    """Independent draws, bool [2, batch, groups, width or 1]."""
    b, groups = observed.shape
    drawn = {
        "spatial": (b, groups, 1),
        "random": (b, groups, width),
        "feature_shared": (b, 1, width),
    }[mask.strategy]
    observed, prob = observed[:, :, None], prob[None, :, None]
    if mask.pairing == "disjoint":
        u = jax.random.uniform(key, drawn)
        draws = [u, 1 - u]
    else:
        draws = [jax.random.uniform(k, drawn) for k in jax.random.split(key)]
    first, second = (observed & (u < prob) for u in draws)
    if mask.min_keep and mask.pairing == "disjoint":
        several = jnp.broadcast_to(observed, first.shape).sum((1, 2), keepdims=True) > 1
        forced = several & _one_of(draws[0], first, observed, prob, second)
        first, second = first | forced, second & ~forced
        forced = several & _one_of(draws[1], second, observed, prob, first)
        first, second = first & ~forced, second | forced
    elif mask.min_keep:
        first, second = (
            keep | _one_of(u, keep, observed, prob) for u, keep in zip(draws, (first, second))
        )
    return jnp.stack([first, second])


def _one_of(u, keep, observed, prob, taken=None):
    """One of what is there, where nothing is kept: uniform, as u given that is uniform above prob.

    (u - prob) / (1 - prob) is uniform on [0, 1) for all that was not kept; its least is taken.
    taken: what only counts where there is nothing else: the other view has it.
    """
    free = observed
    if taken is not None:
        left = observed & ~taken
        free = jnp.where(left.any(axis=(1, 2), keepdims=True), left, observed)
    rank = jnp.where(free, (u - prob) / jnp.maximum(1 - prob, 1e-6), jnp.inf)
    least = free & (rank == rank.min(axis=(1, 2), keepdims=True))
    return least & ~keep.any(axis=(1, 2), keepdims=True)


def _exactly(key, mask, observed):
    """Exactly k groups of those that are there, bool [2, batch, groups]."""
    u = jax.random.uniform(key, (2, *observed.shape))
    u = jnp.where(observed[None], u, jnp.inf)
    rank = (u[..., None, :] < u[..., :, None]).sum(axis=-1)  # sorting is slow on CPUs
    count = observed.sum(axis=1, keepdims=True)
    if mask.pairing != "disjoint":
        return observed[None] & (rank < mask.k)
    first, last = (jnp.minimum(mask.k, n) for n in ((count + 1) // 2, count // 2))
    return observed[None] & jnp.stack([rank[0] < first, rank[0] >= count - last])

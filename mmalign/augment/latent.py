"""Latent masks: which latents of which modality a view keeps. Pure, jittable, no parameters.

CroSSL encodes every modality once and makes its two views by hiding parts of the latents; a sensor
that is really missing looks just like a hidden one.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

STRATEGIES = ("random", "spatial", "feature_shared", "subset", "temporal", "none")
PAIRINGS = ("independent", "disjoint", "identical_excluded")
RESCALES = ("none", "inverse_keep")
FILLS = ("zero", "token")


class LatentMask(NamedTuple):
    """A checked specification, see `latent_mask`.

    keep_prob: of each group of modalities. group_of: the group's number, for each modality.
    time_keep_prob: share of time blocks kept, or None where time is not masked.
    """

    strategy: str
    keep_prob: tuple[float, ...]
    group_of: tuple[int, ...]
    k: int | None
    min_keep: int
    rescale: str
    fill: str
    pairing: str
    time_keep_prob: float | None
    block_s: float | None
    synchronous: bool
    anneal: float


def latent_mask(
    modalities, *, strategy="spatial", keep_prob=0.7, k=None, min_keep=1, rescale="none",
    fill="zero", groups=(), pairing="independent", time_keep_prob=None, block_s=None,
    synchronous=True, anneal=0.0,
) -> LatentMask:  # fmt: skip
    """A specification of masks, checked.

    Args:
      modalities: names, in the order of the latents.
      strategy: what is drawn for itself, for each sample and view:
        "spatial"         a group of modalities, whole latents
        "random"          a feature of a group's latents
        "feature_shared"  a feature, the same ones in all modalities
        "subset"          exactly `k` of the groups that are there, or all if there are fewer
        "temporal"        blocks of time on the feature maps that latents are the means of
        "none"            nothing: both views are whole
      keep_prob: probability that something is kept, in (0, 1]; {modality: probability} where
        modalities differ.
      k: groups kept by "subset".
      min_keep: 1 keeps something of what is there in every view: one more draw, uniform over what
        could be kept, replaces an empty view. 0 leaves empty views as they are.
      rescale: "inverse_keep" divides latents by their keep_prob, as dropout does.
      fill: what is hidden becomes "zero", or a learned "token".
      groups: sequences of modalities that fall out together, such as the sensors of one device; a
        modality in none of them is a group of its own.
      pairing: of the two views: "independent"; "disjoint", nothing is in both (keep_prob at most
        0.5, or 2 k at most the number of groups); "identical_excluded", independent, and pairs of
        views that came out the same do not count in the loss.
      time_keep_prob: masks blocks of time, too, where the strategy is another than "temporal".
      block_s: length of such a block in seconds.
      synchronous: whether the same blocks are hidden in all modalities.
      anneal: share of the training over which keep probabilities fall from 1 to what they are.
    Raises: ValueError naming the option.
    """
    for option, value, known in (
        ("strategy", strategy, STRATEGIES),
        ("pairing", pairing, PAIRINGS),
        ("rescale", rescale, RESCALES),
        ("fill", fill, FILLS),
        ("min_keep", min_keep, (0, 1)),
    ):
        if value not in known:
            raise ValueError(
                f"mask.{option} must be one of {', '.join(map(str, known))}, got {value!r}"
            )
    modalities = tuple(modalities)
    group_of = _group_numbers(modalities, groups)
    probs = _keep_probs(modalities, keep_prob, group_of)
    count = max(group_of) + 1
    if strategy == "subset" and (k is None or not 1 <= k <= count):
        raise ValueError(
            f"mask.k must be 1 to {count}, the number of groups of modalities, got {k}"
        )
    if strategy != "subset" and k is not None:
        raise ValueError(
            f"mask.k is for strategy='subset': leave it out with {strategy!r}, got {k}"
        )
    if strategy == "temporal":
        if isinstance(keep_prob, Mapping):
            raise ValueError("mask.keep_prob must be one number with strategy='temporal'")
        time_keep_prob = keep_prob if time_keep_prob is None else time_keep_prob
    if time_keep_prob is not None:
        _check_probability("time_keep_prob", time_keep_prob)
        if block_s is None or not block_s > 0:
            raise ValueError(f"mask.block_s must be positive seconds to mask time, got {block_s}")
    if pairing == "disjoint":
        _check_disjoint(strategy, probs, k, count, time_keep_prob, anneal)
    if not 0 <= anneal <= 1:
        raise ValueError(f"mask.anneal must be in [0, 1], got {anneal}")
    if anneal and strategy == "subset":
        raise ValueError("mask.anneal moves keep probabilities; strategy='subset' has none")
    return LatentMask(
        strategy, probs, group_of, k, min_keep, rescale, fill, pairing, time_keep_prob, block_s,
        synchronous, anneal,
    )  # fmt: skip


def draw_latent_masks(key, mask, present, width, *, progress=1.0):
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
    there = jnp.stack([present[:, ids == g].any(axis=1) for g in range(groups)], axis=1)
    if mask.strategy in ("none", "temporal"):
        keep = jnp.broadcast_to(there[None, :, :, None], (2, *there.shape, 1))
    elif mask.strategy == "subset":
        keep = _exactly(key, mask, there)[..., None]
    else:
        keep = _bernoulli(key, mask, there, width, _annealed(mask, progress))
    keep = keep[:, :, ids] & present[None, :, :, None]
    return jnp.broadcast_to(keep, (*keep.shape[:-1], width))


def draw_time_mask(key, mask, batch, steps, window_s, *, progress=1.0):
    """What two views keep of a modality's feature map: bool [2, batch, steps].

    One block at least is kept where `min_keep` says so. With the same key, modalities whose windows
    hold as many blocks lose the same ones, whatever their rates.

    Args:
      key: typed key.
      mask: LatentMask with `time_keep_prob`.
      batch: rows. steps: of the feature map. window_s: duration of the window.
      progress: as in `draw_latent_masks`.
    """
    blocks = max(math.ceil(window_s / mask.block_s - 1e-6), 1)
    prob = 1 - (1 - mask.time_keep_prob) * _ramp(mask, progress)
    u = jax.random.uniform(key, (2, batch, blocks))
    keep = u < prob
    if mask.min_keep:
        empty = ~keep.any(axis=-1, keepdims=True)
        keep |= empty & (u == u.min(axis=-1, keepdims=True))
    at = (np.arange(steps) + 0.5) / steps * window_s / mask.block_s
    return keep[:, :, np.minimum(at.astype(int), blocks - 1)]


def hide(latents, keep, mask, *, token=None, progress=1.0):
    """Latents [..., modalities, width] with what is not kept replaced; see `rescale` and `fill`.

    token: [modalities, width] for fill "token".
    """
    if mask.rescale == "inverse_keep" and mask.strategy not in ("none", "temporal"):
        rate = _annealed(mask, progress)
        if mask.strategy == "subset":
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


def _bernoulli(key, mask, there, width, prob):
    """Independent draws, bool [2, batch, groups, width or 1]."""
    b, groups = there.shape
    drawn = {
        "spatial": (b, groups, 1),
        "random": (b, groups, width),
        "feature_shared": (b, 1, width),
    }[mask.strategy]
    there, prob = there[:, :, None], prob[None, :, None]
    if mask.pairing == "disjoint":
        u = jax.random.uniform(key, drawn)
        draws = [u, 1 - u]
    else:
        draws = [jax.random.uniform(k, drawn) for k in jax.random.split(key)]
    keeps = [there & (u < prob) for u in draws]
    if mask.min_keep:
        forced = [_one_of(u, keep, there, prob) for u, keep in zip(draws, keeps)]
        if mask.pairing == "disjoint":  # what one view has to have, the other gives up
            several = jnp.broadcast_to(there, keeps[0].shape).sum((1, 2), keepdims=True) > 1
            forced = [several & f for f in forced]
            keeps = [keeps[0] & ~forced[1], keeps[1] & ~forced[0]]
        keeps = [keep | f for keep, f in zip(keeps, forced)]
    return jnp.stack(keeps)


def _one_of(u, keep, there, prob):
    """One of what is there, where nothing is kept: uniform, as u given that is uniform above prob.

    (u - prob) / (1 - prob) is uniform on [0, 1) for all that was not kept; its least is taken.
    """
    rank = jnp.where(there, (u - prob) / jnp.maximum(1 - prob, 1e-6), jnp.inf)
    least = there & (rank == rank.min(axis=(1, 2), keepdims=True))
    return least & ~keep.any(axis=(1, 2), keepdims=True)


def _exactly(key, mask, there):
    """Exactly k groups of those that are there, bool [2, batch, groups]."""
    u = jax.random.uniform(key, (2, *there.shape))
    u = jnp.where(there[None], u, jnp.inf)
    rank = (u[..., None, :] < u[..., :, None]).sum(axis=-1)  # sorting is slow on CPUs
    count = there.sum(axis=1, keepdims=True)
    if mask.pairing != "disjoint":
        return there[None] & (rank < mask.k)
    first, last = (jnp.minimum(mask.k, n) for n in ((count + 1) // 2, count // 2))
    return there[None] & jnp.stack([rank[0] < first, rank[0] >= count - last])


def _group_numbers(modalities, groups):
    """The number of each modality's group, in the order of the modalities."""
    owner = {}
    for group in groups:
        if isinstance(group, str) or not tuple(group):
            raise ValueError(
                f"mask.groups must hold sequences of modalities, such as ({modalities},), got "
                f"{group!r}"
            )
        for m in group:
            if m not in modalities:
                raise ValueError(f"mask.groups names {m!r}; there is {', '.join(modalities)}")
            if m in owner:
                raise ValueError(f"mask.groups has {m!r} twice")
            owner[m] = tuple(group)
    names = list(dict.fromkeys(owner.get(m, (m,)) for m in modalities))
    return tuple(names.index(owner.get(m, (m,))) for m in modalities)


def _keep_probs(modalities, keep_prob, group_of):
    """One probability for each group."""
    if isinstance(keep_prob, Mapping):
        if set(keep_prob) != set(modalities):
            raise ValueError(
                f"mask.keep_prob must name each of {', '.join(modalities)}, got "
                f"{', '.join(keep_prob) or 'none'}"
            )
        each = [keep_prob[m] for m in modalities]
    else:
        each = [keep_prob] * len(modalities)
    probs = {}
    for m, group, prob in zip(modalities, group_of, each):
        _check_probability("keep_prob", prob)
        if probs.setdefault(group, prob) != prob:
            raise ValueError(
                f"mask.keep_prob must be one for all modalities of a group; that of {m!r} differs"
            )
    return tuple(float(probs[group]) for group in sorted(probs))


def _check_probability(option, prob):
    if not 0 < prob <= 1:
        raise ValueError(f"mask.{option} must be in (0, 1], got {prob}")


def _check_disjoint(strategy, probs, k, count, time_keep_prob, anneal):
    if strategy in ("none", "temporal") or time_keep_prob is not None or anneal:
        raise ValueError(
            "mask.pairing='disjoint' goes with the strategies spatial, random, feature_shared and "
            "subset, without anneal or masks of time"
        )
    if strategy == "subset":
        if 2 * k > count:
            raise ValueError(
                f"mask.pairing='disjoint' needs 2 k groups of modalities: k={k}, there are {count}"
            )
    elif max(probs) > 0.5:
        raise ValueError(
            f"mask.pairing='disjoint' needs a keep_prob of at most 0.5, got {max(probs)}"
        )

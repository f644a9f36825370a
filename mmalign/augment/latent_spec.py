"""What latent masks are drawn by: a specification, checked."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mmalign.options import known, listed, one_of

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
    modalities: Sequence[str], *, strategy="spatial", keep_prob=0.7, k=None, min_keep=1,
    rescale="none", fill="zero", groups=(), pairing="independent", time_keep_prob=None,
    block_s=None, synchronous=True, anneal=0.0,
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
    for option, value, choices in (
        ("strategy", strategy, STRATEGIES),
        ("pairing", pairing, PAIRINGS),
        ("rescale", rescale, RESCALES),
        ("fill", fill, FILLS),
        ("min_keep", min_keep, (0, 1)),
    ):
        one_of(f"mask.{option}", value, choices)
    modalities = tuple(modalities)
    group_of = _group_numbers(modalities, groups)
    probs = _keep_probs(modalities, keep_prob, group_of)
    if strategy == "temporal":
        if isinstance(keep_prob, Mapping):
            raise ValueError("mask.keep_prob must be one number with strategy='temporal'")
        time_keep_prob = keep_prob if time_keep_prob is None else time_keep_prob
    mask = LatentMask(
        strategy, probs, group_of, k, min_keep, rescale, fill, pairing, time_keep_prob, block_s,
        synchronous, anneal,
    )  # fmt: skip
    _check_subset(mask)
    _check_time(mask)
    _check_anneal(mask)
    if pairing == "disjoint":
        _check_disjoint(mask)
    return mask


def _check_subset(mask):
    groups = len(mask.keep_prob)
    if mask.strategy != "subset" and mask.k is not None:
        raise ValueError(
            f"mask.k is for strategy='subset': leave it out with {mask.strategy!r}, got {mask.k}"
        )
    if mask.strategy == "subset" and (mask.k is None or not 1 <= mask.k <= groups):
        raise ValueError(
            f"mask.k must be 1 to {groups}, the number of groups of modalities, got {mask.k}"
        )


def _check_time(mask):
    if mask.time_keep_prob is None:
        return
    _check_probability("time_keep_prob", mask.time_keep_prob)
    if mask.block_s is None or not mask.block_s > 0:
        raise ValueError(f"mask.block_s must be positive seconds to mask time, got {mask.block_s}")


def _check_anneal(mask):
    if not 0 <= mask.anneal <= 1:
        raise ValueError(f"mask.anneal must be in [0, 1], got {mask.anneal}")
    if mask.anneal and mask.strategy == "subset":
        raise ValueError("mask.anneal moves keep probabilities; strategy='subset' has none")


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
            known("modality of mask.groups", m, modalities)
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
                f"mask.keep_prob must name each of {listed(modalities, sort=False)}, got "
                f"{listed(keep_prob, sort=False)}"
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


def _check_disjoint(mask):
    unfit = mask.strategy in ("none", "temporal") or mask.time_keep_prob is not None
    if unfit or mask.anneal:
        raise ValueError(
            "mask.pairing='disjoint' goes with the strategies spatial, random, feature_shared and "
            "subset, without anneal or masks of time"
        )
    groups, largest = len(mask.keep_prob), max(mask.keep_prob)
    if mask.strategy == "subset":
        if 2 * mask.k > groups:
            raise ValueError(
                f"mask.pairing='disjoint' needs 2 k groups of modalities: k={mask.k}, there are "
                f"{groups}"
            )
    elif largest > 0.5:
        raise ValueError(f"mask.pairing='disjoint' needs a keep_prob of at most 0.5, got {largest}")

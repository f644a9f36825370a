"""Contrasts of all modalities at once, in place of pairs of them: Symile and GRAM."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from mmalign import losses, options
from mmalign.losses.clip import learned_temperature
from mmalign.methods.contract import Method, Modality
from mmalign.methods.cross import projected


def create_symile(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, out: int = 128,
) -> Method:  # fmt: skip
    """Symile (Saporta et al. 2024, arXiv:2411.01053): the product of all modalities' projections.

    Args:
      modalities, encoder, augment, out: as in `cross.create`.
    With two modalities it is CLIP. With more, negatives of an anchor are one tuple for each other
    row, its modalities shifted against each other by numbers that each step draws. A window counts
    if it has all modalities. See `fuse_side_by_side` for a missing modality.
    """
    names = tuple(modalities)

    def cost(z, present, log_scale, key):
        views, where = [z[m] for m in names], [present[m] for m in names]
        shifts = None
        if len(names) > 2:
            complete = functools.reduce(jnp.logical_and, where).sum()
            shifts = jax.random.randint(key, (len(names) - 2,), 1, jnp.maximum(complete, 2))
        temperature = learned_temperature(log_scale)
        return losses.symile(views, shifts, temperature=temperature, where=where).mean()

    return projected("symile", modalities, cost, encoder=encoder, augment=augment, out=out)


def create_gram(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, out: int = 128, anchor: str | None = None,
    smoothing: float = 0.1,
) -> Method:  # fmt: skip
    """GRAM (Cicchetti et al. 2025, arXiv:2412.11959): all modalities' projections span no volume.

    Args:
      modalities, encoder, augment, out: as in `cross.create`.
      anchor: the modality that all others are contrasted with; None for the first.
      smoothing: of what is wanted, as the authors train.
    A window without the anchor, or with nothing else, does not count. See `fuse_side_by_side` for a
    missing modality.
    """
    names = tuple(modalities)
    if anchor is not None:
        options.known("modality of method.anchor", anchor, names)
    first = anchor or names[0]
    others = [m for m in names if m != first]

    def cost(z, present, log_scale, key):
        del key
        return losses.gram(
            z[first], [z[m] for m in others], temperature=learned_temperature(log_scale),
            smoothing=smoothing, where=[present[first], *(present[m] for m in others)],
        ).mean()  # fmt: skip

    return projected("gram", modalities, cost, encoder=encoder, augment=augment, out=out)

"""What autoencoders share: which patches to hide, and what decoding a window costs."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from mmalign.losses import masked_mse
from mmalign.methods.sensors import Sensors, named_key


def draw_masks(front: Sensors, key: jax.Array, grids: Mapping, ratio: float) -> dict:
    """Which patches of each window to hide: {m: bool [b, H, W]}."""
    return {
        m: front.backbones[m].patching.draw_mask(named_key(key, m), len(x), ratio)
        for m, x in grids.items()
    }


def reconstruction(
    front: Sensors, m: str, params: Any, code: jax.Array, grid: jax.Array, present: jax.Array,
    key: jax.Array | None, *, masked: jax.Array | None = None, valid: jax.Array | None = None,
) -> jax.Array:  # fmt: skip
    """Mean squared error of modality m's patches, decoded from `code` [b, d].

    Args:
      params: of modality m, with its "decoder".
      grid: [b, rows, cols, channels], what is to be decoded.
      present: bool [b], the windows that count.
      key: of the decoder's dropout, which is off without one.
      masked: bool [b, H, W], the hidden patches, which are asked for; None for all. All are, too,
        of a window in which none is hidden: half of a single patch, say.
      valid: bool [b, time], the samples that were measured; None for all. A patch with a sample
        that was not is not asked for, nor is one of padding alone.
    """
    patching = front.backbones[m].patching
    guess = front.decode(m, params["decoder"], code, key=named_key(key, "decoder"))
    asked = jnp.broadcast_to(patching.valid[None], guess.shape[:-1])
    if masked is not None:
        asked &= masked | ~masked.any(axis=(1, 2), keepdims=True)
    if valid is not None:
        asked &= _measured(front, m, valid)
    return masked_mse(guess, patching.patchify(grid), asked, where=present).mean()


def _measured(front, m, valid):
    """Bool [b, H, W]: no sample that a patch holds is missing."""
    missing = (~valid)[..., None].astype(jnp.float32)
    # a cell is made of samples as the inputs' are; in a spectrum their sum is one of the values
    rows = (front.transforms[m](missing) != 0).any(axis=(2, 3))
    patching = front.backbones[m].patching
    cells = jnp.broadcast_to(rows[:, :, None, None], (*rows.shape, patching.size[1], 1))
    return ~patching.patchify(cells).any(axis=-1)

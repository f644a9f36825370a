"""A window as a grid of patches: padding, cutting, and drawing which of them a model must guess."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


def pair(patch: int | Sequence[int]) -> tuple[int, int]:
    """(rows, cols) of a patch; a number alone counts rows of one column, as in a series."""
    rows, cols = (patch, 1) if isinstance(patch, int) else patch
    return rows, cols


def square_patches(
    size: Sequence[int], patch: int | Sequence[int], block: int | Sequence[int]
) -> "Patching":
    """Patching of an image, [height, width] pixels; a number alone counts along both axes."""
    (ph, pw), (bh, bw) = (pair((n, n)) if isinstance(n, int) else pair(n) for n in (patch, block))
    return Patching(pair(size), (ph, pw), (bh, bw), (ph * bh, pw * bw))


class Patching(NamedTuple):
    """How windows of `size` are cut; everything here is known when a program is traced.

    size: (rows, cols) of a window, in cells: intervals and bins, or time steps and 1.
    patch: (rows, cols) of a patch, in cells.
    block: (rows, cols) of a mask block, in patches; a block is hidden as a whole.
    multiple: (rows, cols), in cells; zeros are added at the end of each axis up to the next
      multiple of it. A multiple of patch * block itself.
    """

    size: tuple[int, int]
    patch: tuple[int, int]
    block: tuple[int, int]
    multiple: tuple[int, int]

    @property
    def padded(self) -> tuple[int, int]:
        """(rows, cols) in cells after padding."""
        rows, cols = (-(-s // m) * m for s, m in zip(self.size, self.multiple))
        return rows, cols

    @property
    def grid(self) -> tuple[int, int]:
        """(H, W), the number of patches along each axis."""
        for step, patch, block in zip(self.multiple, self.patch, self.block):
            if step % (patch * block):
                raise ValueError(
                    f"multiple={self.multiple} must hold whole mask blocks: give multiples of "
                    f"patch * block, here {self.patch} * {self.block}"
                )
        rows, cols = (p // q for p, q in zip(self.padded, self.patch))
        return rows, cols

    @property
    def valid(self) -> np.ndarray:
        """Numpy bool [H, W]: the patch holds a real cell. Losses leave the others out."""
        rows, cols = (np.arange(n) * p < s for n, p, s in zip(self.grid, self.patch, self.size))
        return rows[:, None] & cols[None, :]

    def values(self, channels: int) -> int:
        """Numbers in a patch of inputs with `channels` channels."""
        return self.patch[0] * self.patch[1] * channels

    def draw_mask(
        self, key: jax.Array, batch: int, ratio: float, *, include_padding: bool = False
    ) -> jax.Array:
        """Draws, for each row alone, floor(ratio * blocks) mask blocks to hide.

        Among the blocks that hold a real cell; a model would otherwise spend its capacity on where
        the padding is. `include_padding=True` draws among all blocks, as the public code does.

        Args:
          key: typed key.
          batch: number of rows.
          ratio: share of blocks in [0, 1], a Python number.
          include_padding: whether wholly padded blocks count.
        Returns: bool [batch, H, W], True = hidden; the same number of blocks in every row.
        """
        if not 0 <= ratio <= 1:
            raise ValueError(f"ratio must lie in [0, 1], got {ratio}")
        (h, w), (bh, bw) = self.grid, self.block
        blocks = self.valid.reshape(h // bh, bh, w // bw, bw).any((1, 3))
        eligible = blocks.ravel() | include_padding
        hidden = math.floor(ratio * eligible.sum() + 1e-9)  # 0.29 * 100 is 28.999...
        # One ticket per block, the lowest win. The block's number in the low bits leaves no ties,
        # which would break the count; the top bit keeps the excluded behind everybody.
        numbers = np.arange(eligible.size, dtype=np.uint32)
        low = np.uint32((1 << (eligible.size - 1).bit_length()) - 1)
        tickets = jax.random.bits(key, (batch, eligible.size)) >> 1 & ~low | numbers[None]
        tickets = jnp.where(eligible[None], tickets, jnp.uint32(0xFFFFFFFF))
        if hidden:
            drawn = tickets <= jnp.sort(tickets, axis=1)[:, hidden - 1, None]
        else:
            drawn = jnp.zeros_like(tickets, bool)
        drawn = drawn.reshape(batch, h // bh, 1, w // bw, 1)
        return jnp.broadcast_to(drawn, (batch, h // bh, bh, w // bw, bw)).reshape(batch, h, w)

    def pad(self, x: jax.Array) -> jax.Array:
        """[batch, rows, cols, channels] with zeros added at the end of rows and cols."""
        if x.ndim != 4 or x.shape[1:3] != tuple(self.size):
            raise ValueError(
                f"need [batch, {self.size[0]}, {self.size[1]}, channels], got {x.shape}"
            )
        rows, cols = (p - s for p, s in zip(self.padded, self.size))
        return jnp.pad(x, ((0, 0), (0, rows), (0, cols), (0, 0)))

    def patchify(self, x: jax.Array) -> jax.Array:
        """[batch, rows, cols, channels] -> [batch, H, W, ph * pw * channels], padded with zeros."""
        (h, w), (ph, pw), channels = self.grid, self.patch, x.shape[-1]
        x = self.pad(x).reshape(-1, h, ph, w, pw, channels)
        return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, h, w, self.values(channels))

    def unpatchify(self, patches: jax.Array) -> jax.Array:
        """Undoes `patchify`; padding is cut off."""
        (h, w), (ph, pw) = self.grid, self.patch
        if patches.shape[1:3] != (h, w) or patches.shape[3] % (ph * pw):
            raise ValueError(
                f"need [batch, {h}, {w}, a multiple of {ph * pw}], got {patches.shape}"
            )
        x = patches.reshape(-1, h, w, ph, pw, patches.shape[3] // (ph * pw))
        x = x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, *self.padded, x.shape[-1])
        return x[:, : self.size[0], : self.size[1]]

    def cells(self, masked: jax.Array, *, padded: bool = False) -> jax.Array:
        """Mask of patches [batch, H, W] -> mask of cells [batch, rows, cols].

        Padding is cut off unless `padded`.
        """
        (h, w), (ph, pw) = self.grid, self.patch
        spread = jnp.broadcast_to(masked[:, :, None, :, None], (len(masked), h, ph, w, pw))
        spread = spread.reshape(-1, *self.padded)
        return spread if padded else spread[:, : self.size[0], : self.size[1]]

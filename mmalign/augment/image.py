"""Augmentations of one image, `f(key, x, *, knobs) -> x` with x [height, width, channels].

For values that are standardised: 0 is the mean of a channel, and brightness and noise are in
standard deviations. SimCLR's policy of several of them is in `simclr`.
"""

from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.augment.example import checked_share, one_example, white_noise

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601


@one_example("[height, width, channels] image")
def random_resized_crop(
    key: jax.Array,
    x: jax.Array,
    *,
    area: tuple[float, float] = (0.3, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> jax.Array:
    """A random part of the image, blown up to its size by linear interpolation.

    `area` is the range of the part's share of the image, uniform; `ratio` of its width to its
    height, both in shares of the image's, uniform on a logarithmic scale. A part that would stick
    out is cut to the image.
    """
    return resampled(x, *crop_weights(key, x.shape[:2], area=area, ratio=ratio))


def crop_weights(
    key: jax.Array, shape: Sequence[int], *, area: tuple[float, float],
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Iterator[jax.Array]:  # fmt: skip
    """[height, height], then [width, width]: what each pixel of a crop takes of the image's.

    Matrices, as products are quicker than gathers where every example has a crop of its own.
    """
    least, most = (checked_share("area", share) for share in area)
    key_area, key_ratio, *key_place = jax.random.split(key, 4)
    share = jax.random.uniform(key_area, (), minval=least, maxval=most)
    low, high = np.log(ratio)
    stretch = jnp.exp(jax.random.uniform(key_ratio, (), minval=low, maxval=high) / 2)
    side = jnp.sqrt(share)
    for size, key, part in zip(shape, key_place, (side / stretch, side * stretch)):
        part = jnp.minimum(part, 1.0)
        start = jax.random.uniform(key) * (1 - part)
        yield _reading(size, start, part)


def resampled(x: jax.Array, rows: jax.Array, cols: jax.Array) -> jax.Array:
    """Weighted sums of pixels, along rows [height', height] and then columns [width', width]."""
    height, width, channels = x.shape
    x = jnp.matmul(rows, x.reshape(height, -1), precision="highest")
    planes = jnp.moveaxis(x.reshape(len(rows), width, channels), -1, 0).reshape(-1, width)
    planes = jnp.matmul(planes, cols.T, precision="highest")  # all channels in one product
    return jnp.moveaxis(planes.reshape(channels, len(rows), len(cols)), 0, -1)


def _reading(size, start, part):
    """[size, size] of an axis, of which the share `part` is shown, from `start` on."""
    pixels = jnp.arange(size, dtype=start.dtype)
    at = jnp.clip((start + (pixels + 0.5) / size * part) * size - 0.5, 0, size - 1)
    return jnp.maximum(1 - jnp.abs(at[:, None] - pixels[None]), 0)


def horizontal_flip(key: jax.Array, x: jax.Array) -> jax.Array:
    """Left and right change places. Takes a key so that all take one."""
    del key
    return x[:, ::-1]


@one_example("[height, width, channels] image")
def brightness_contrast(
    key: jax.Array, x: jax.Array, *, brightness: float = 0.4, contrast: float = 0.4
) -> jax.Array:
    """Moves all values by ~ U(-brightness, brightness), after their distance from the mean of the
    image was multiplied by ~ U(1 - contrast, 1 + contrast).
    """
    gain, shift = light(key, x.mean(), brightness, contrast)
    return gain * x + shift


def light(
    key: jax.Array, mean: jax.Array, brightness: float, contrast: float
) -> tuple[jax.Array, jax.Array]:
    """(gain, shift) of `brightness_contrast` of an image with that mean."""
    shift, gain = jax.random.uniform(key, (2,), minval=-1, maxval=1)
    gain = 1 + contrast * gain
    return gain, mean * (1 - gain) + brightness * shift


@one_example("[height, width, channels] image")
def grayscale(key: jax.Array, x: jax.Array) -> jax.Array:
    """All three channels become the luminance of red, green and blue. Takes a key, as all do."""
    del key
    if x.shape[-1] != 3:
        raise ValueError(f"grayscale needs 3 channels, red, green and blue, got {x.shape[-1]}")
    grey = jnp.matmul(x, jnp.asarray(LUMINANCE, x.dtype), precision="highest")
    return jnp.broadcast_to(grey[..., None], x.shape)


@one_example("[height, width, channels] image")
def jitter(key: jax.Array, x: jax.Array, *, std: float = 0.1) -> jax.Array:
    """Adds white noise of standard deviation `std`."""
    return white_noise(key, x, std)

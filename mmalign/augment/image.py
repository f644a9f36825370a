"""Augmentations of one image, `f(key, x, *, knobs) -> x` with x [height, width, channels].

For values that are standardised: 0 is the mean of a channel, and brightness and noise are in
standard deviations. SimCLR's policy of several of them is in `simclr`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.augment.example import checked_share, one_example, white_noise

_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601


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
    least, most = (checked_share("area", share) for share in area)
    key_area, key_ratio, *key_place = jax.random.split(key, 4)
    share = jax.random.uniform(key_area, (), x.dtype, least, most)
    stretch = jnp.exp(jax.random.uniform(key_ratio, (), x.dtype, *np.log(ratio)) / 2)
    size = jnp.sqrt(share)
    for axis, (key, part) in enumerate(zip(key_place, (size / stretch, size * stretch))):
        part = jnp.minimum(part, 1.0)
        start = jax.random.uniform(key, (), x.dtype) * (1 - part)
        weight = _reading(x.shape[axis], start, part)
        x = jnp.moveaxis(jnp.tensordot(weight, x, axes=(1, axis), precision="highest"), 0, axis)
    return x


def _reading(size, start, part):
    """[size, size]: what each pixel takes of those of an axis, to show `part` of it from `start`.

    A matrix, as products are quicker than gathers where every example has a crop of its own.
    """
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
    shift, gain = jax.random.uniform(key, (2,), x.dtype, -1, 1)
    mean = x.mean()
    return mean + (x - mean) * (1 + contrast * gain) + brightness * shift


@one_example("[height, width, channels] image")
def grayscale(key: jax.Array, x: jax.Array) -> jax.Array:
    """All three channels become the luminance of red, green and blue. Takes a key, as all do."""
    del key
    if x.shape[-1] != 3:
        raise ValueError(f"grayscale needs 3 channels, red, green and blue, got {x.shape[-1]}")
    grey = jnp.matmul(x, jnp.asarray(_LUMINANCE, x.dtype), precision="highest")
    return jnp.broadcast_to(grey[..., None], x.shape)


@one_example("[height, width, channels] image")
def jitter(key: jax.Array, x: jax.Array, *, std: float = 0.1) -> jax.Array:
    """Adds white noise of standard deviation `std`."""
    return white_noise(key, x, std)

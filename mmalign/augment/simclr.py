"""SimCLR's policy for images as one augmentation, and the steps of it that others do without.

As in `image`, values are standardised: brightness is in standard deviations, and what multiplies
works around the mean of the image or around its grey, not around black.
"""

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.augment import image
from mmalign.augment.example import checked_share, one_example

_BLURRED_AT = 224  # pixels of the images that published radii are for


@one_example("[height, width, channels] image")
def simclr(
    key: jax.Array, x: jax.Array, *, area: tuple[float, float] = (0.08, 1.0), jitter: float = 0.8,
    grey: float = 0.2, blur: float = 0.5, flip: float = 0.5,
) -> jax.Array:  # fmt: skip
    """A crop, then colour jitter, grey, blur and a flip, each with a probability of its own.

    Args:
      area: of the crop, a share of the image.
      jitter, grey, blur, flip: probabilities. Images of other than three channels have no colours:
        of the jitter they get brightness and contrast alone.
    References: Chen et al. 2020, arXiv:2002.05709, appendix A; probabilities and strengths as in
      CoMM (Dufumier et al. 2025, arXiv:2409.07402), half of SimCLR's in colour.
    """
    coloured = x.shape[-1] == 3
    key_crop, *keys = jax.random.split(key, 5)
    x = image.random_resized_crop(key_crop, x, area=area)
    steps = [
        (jitter, colour_jitter if coloured else image.brightness_contrast),
        (grey if coloured else 0.0, image.grayscale if coloured else image.horizontal_flip),
        (blur, gaussian_blur),
        (flip, image.horizontal_flip),
    ]
    for key, (probability, step) in zip(keys, steps):
        coin, key = jax.random.split(key)
        take = jax.random.bernoulli(coin, float(checked_share("probability", probability)))
        x = jnp.where(take, step(key, x), x)
    return x


@one_example("[height, width, channels] image")
def colour_jitter(
    key: jax.Array, x: jax.Array, *, brightness: float = 0.4, contrast: float = 0.4,
    saturation: float = 0.4, hue: float = 0.1,
) -> jax.Array:  # fmt: skip
    """Brightness and contrast as `image.brightness_contrast`, then saturation and hue.

    The distance from grey is multiplied by ~ U(1 - saturation, 1 + saturation) and turned around it
    by ~ U(-hue, hue) of a whole turn. The order is fixed, where torchvision's is random.
    """
    key_light, key_gain, key_turn = jax.random.split(key, 3)
    x = image.brightness_contrast(key_light, x, brightness=brightness, contrast=contrast)
    grey = image.grayscale(key_light, x)
    gain = 1 + saturation * jax.random.uniform(key_gain, (), x.dtype, -1, 1)
    angle = 2 * np.pi * hue * jax.random.uniform(key_turn, (), x.dtype, -1, 1)
    return grey + gain * jnp.matmul(x - grey, _around_grey(angle), precision="highest")


@one_example("[height, width, channels] image")
def gaussian_blur(
    key: jax.Array, x: jax.Array, *, sigma: tuple[float, float] = (0.1, 2.0)
) -> jax.Array:
    """Blur of ~ U(*sigma) pixels, of an image 224 pixels high; as much less of a smaller one.

    At the edges the weights of what lies inside are scaled to 1.
    """
    width = jax.random.uniform(key, (), x.dtype, *sigma) * x.shape[0] / _BLURRED_AT
    for axis in range(2):
        place = jnp.arange(x.shape[axis], dtype=x.dtype)
        weight = jax.nn.softmax(-jnp.square((place[:, None] - place[None]) / width) / 2, axis=1)
        x = jnp.moveaxis(jnp.tensordot(weight, x, axes=(1, axis), precision="highest"), 0, axis)
    return x


def _around_grey(angle):
    """[3, 3] that turns colours, as rows, around the axis of greys."""
    third, root = 1 / 3, 3**-0.5
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    same = cos + third * (1 - cos)
    before, after = third * (1 - cos) - root * sin, third * (1 - cos) + root * sin
    return jnp.stack([
        jnp.stack([same, after, before]),
        jnp.stack([before, same, after]),
        jnp.stack([after, before, same]),
    ])  # fmt: skip

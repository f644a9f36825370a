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

    All of them are linear, so that crop, blur and flip are one product a side, and what happens to
    colours is one matrix, which is quicker than one after the other. Contrast works around the mean
    of what is blurred already.

    Args:
      area: of the crop, a share of the image.
      jitter, grey, blur, flip: probabilities. Images of other than three channels have no colours:
        of the jitter they get brightness and contrast alone.
    References: Chen et al. 2020, arXiv:2002.05709, appendix A; probabilities and strengths as in
      CoMM (Dufumier et al. 2025, arXiv:2409.07402), half of SimCLR's in colour.
    """
    key_crop, *keys = jax.random.split(key, 5)
    odds = {"jitter": jitter, "grey": grey, "blur": blur, "flip": flip}
    takes, drawn = {}, {}
    for key, (name, probability) in zip(keys, odds.items()):
        coin, drawn[name] = jax.random.split(key)
        takes[name] = jax.random.bernoulli(coin, float(checked_share(name, probability)))
    sides = image.crop_weights(key_crop, x.shape[:2], area=area)
    blurs = _blur_weights(drawn["blur"], x.shape[:2])
    rows, cols = (
        jnp.where(takes["blur"], jnp.matmul(b, side, precision="highest"), side)
        for b, side in zip(blurs, sides)
    )
    x = image.resampled(x, rows, jnp.where(takes["flip"], cols[::-1], cols))
    if x.shape[-1] != 3:
        return jnp.where(takes["jitter"], image.brightness_contrast(drawn["jitter"], x), x)
    colours, shift = _colour_map(drawn["jitter"], x.mean())
    colours = jnp.where(takes["jitter"], colours, jnp.eye(3))
    greys = jnp.where(takes["grey"], _to_grey(), jnp.eye(3))
    return _mapped(x, colours @ greys) + jnp.where(takes["jitter"], shift, 0.0)


@one_example("[height, width, channels] image")
def colour_jitter(
    key: jax.Array, x: jax.Array, *, brightness: float = 0.4, contrast: float = 0.4,
    saturation: float = 0.4, hue: float = 0.1,
) -> jax.Array:  # fmt: skip
    """Brightness and contrast as `image.brightness_contrast`, then saturation and hue.

    The distance from grey is multiplied by ~ U(1 - saturation, 1 + saturation) and turned around it
    by ~ U(-hue, hue) of a whole turn. The order is fixed, where torchvision's is random.
    """
    if x.shape[-1] != 3:
        raise ValueError(f"colour_jitter needs 3 channels, red, green and blue, got {x.shape[-1]}")
    knobs = dict(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
    colours, shift = _colour_map(key, x.mean(), **knobs)
    return _mapped(x, colours) + shift


@one_example("[height, width, channels] image")
def gaussian_blur(
    key: jax.Array, x: jax.Array, *, sigma: tuple[float, float] = (0.1, 2.0)
) -> jax.Array:
    """Blur of ~ U(*sigma) pixels, of an image 224 pixels high; as much less of a smaller one.

    At the edges the weights of what lies inside are scaled to 1.
    """
    return image.resampled(x, *_blur_weights(key, x.shape[:2], sigma))


def _blur_weights(key, shape, sigma=(0.1, 2.0)):
    """([height, height], [width, width]): what each pixel takes of the others."""
    radius = jax.random.uniform(key, (), minval=sigma[0], maxval=sigma[1]) * shape[0] / _BLURRED_AT
    for size in shape:
        place = jnp.arange(size, dtype=radius.dtype)
        yield jax.nn.softmax(-jnp.square((place[:, None] - place[None]) / radius) / 2, axis=1)


def _colour_map(key, mean, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1):
    """(colours [3, 3], shift): x @ colours + shift, which greys stay greys under."""
    key_light, key_gain, key_turn = jax.random.split(key, 3)
    line, shift = image.light(key_light, mean, brightness, contrast)
    gain = 1 + saturation * jax.random.uniform(key_gain, (), minval=-1, maxval=1)
    angle = 2 * np.pi * hue * jax.random.uniform(key_turn, (), minval=-1, maxval=1)
    around = (jnp.eye(3) - _to_grey()) @ _around_grey(angle)
    return line * (_to_grey() + gain * around), shift


def _to_grey():
    """Numpy [3, 3] that maps colours, as rows, to the grey of their luminance."""
    return np.outer(image.LUMINANCE, np.ones(3)).astype(np.float32)


def _mapped(x, colours):
    """[h, w, 3] @ [3, 3] as sums: a product of three columns is slow."""
    return sum(x[..., i, None] * colours[None, None, i] for i in range(3))


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

import jax
import numpy as np
import pytest

from mmalign.augment import Policy, image
from mmalign.augment.simclr import colour_jitter, gaussian_blur, simclr

MANY = jax.random.split(jax.random.key(7), 400)
NEVER = {"jitter": 0.0, "grey": 0.0, "blur": 0.0, "flip": 0.0}


def each(augmentation, x, **knobs):
    """The augmentation under many keys: [keys, height, width, channels]."""
    return np.asarray(jax.jit(jax.vmap(lambda key: augmentation(key, x, **knobs)))(MANY))


@pytest.fixture
def x(rng):
    return rng.normal(size=(8, 10, 3)).astype(np.float32)


def test_steps_are_taken_as_often_as_they_say(x):
    only = lambda **odds: each(simclr, x, area=(1.0, 1.0), **NEVER | odds)
    still = only()  # a crop of everything may still be stretched, by its ratio
    moved = lambda out: (np.abs(out - still).max(axis=(1, 2, 3)) > 1e-4).mean()
    for name in ("jitter", "grey", "flip"):  # a blur is too slight to be seen here
        assert moved(only(**{name: 1.0})) > 0.98
        assert abs(moved(only(**{name: 0.4})) - 0.4) < 0.08
    grey = only(grey=1.0)
    np.testing.assert_allclose(grey, np.repeat(grey[..., :1], 3, axis=-1), atol=1e-5)
    flipped = only(flip=1.0)
    np.testing.assert_allclose(flipped, still[:, :, ::-1], atol=1e-5)


def test_it_is_its_steps_one_after_the_other(x):
    always = dict.fromkeys(NEVER, 1.0)
    got = jax.jit(lambda key: simclr(key, x, **always))(MANY[0])
    key_crop, *keys = jax.random.split(MANY[0], 5)
    jitter, _, blur, _ = (jax.random.split(key)[1] for key in keys)

    @jax.jit
    def in_steps(x):
        x = image.random_resized_crop(key_crop, x, area=(0.08, 1.0))
        x = gaussian_blur(blur, x)[:, ::-1]
        return image.grayscale(MANY[0], colour_jitter(jitter, x))

    np.testing.assert_allclose(got, in_steps(x), atol=1e-5)
    with pytest.raises(ValueError, match=r"colour_jitter needs 3 channels.*got 1"):
        colour_jitter(jitter, x[..., :1])


def test_colours_turn_around_grey_and_keep_their_distance(x):
    out = each(colour_jitter, x, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.25)
    luminance = lambda x: x @ np.array([0.299, 0.587, 0.114], np.float32)
    grey = luminance(x)[..., None]
    size = lambda chroma: np.linalg.norm(chroma, axis=-1)
    np.testing.assert_allclose(size(out - grey), np.tile(size(x - grey), (400, 1, 1)), rtol=1e-4)
    along = (out - grey).sum(axis=-1)  # the part along grey does not turn
    np.testing.assert_allclose(along, np.tile((x - grey).sum(axis=-1), (400, 1, 1)), atol=1e-4)
    gains = each(colour_jitter, x, brightness=0.0, contrast=0.0, saturation=0.4, hue=0.0)
    ratio = size(gains - grey) / size(x - grey)
    assert ratio.min() + 1e-4 >= 0.6 and ratio.max() <= 1.4 + 1e-4 and ratio.std() > 0.15


def test_a_blur_is_a_gaussian_as_wide_as_the_picture_is_high():
    dot = np.zeros((57, 57, 1), np.float32)
    dot[28, 28] = 1
    out = each(gaussian_blur, dot, sigma=(8.0, 8.0))[0, ..., 0]
    np.testing.assert_allclose(out.sum(), 1, atol=1e-4)
    place = np.arange(57) - 28
    width = np.sqrt((out.sum(axis=1) * place**2).sum())
    np.testing.assert_allclose(width, 8 * 57 / 224, rtol=0.02)
    flat = each(gaussian_blur, np.ones((6, 7, 2), np.float32))
    np.testing.assert_allclose(flat, 1, atol=1e-5)


def test_pictures_without_colours_get_light_alone(rng):
    one = rng.normal(size=(8, 9, 1)).astype(np.float32)
    assert np.isfinite(each(simclr, one, grey=1.0)).all()


def test_a_policy_draws_it_for_every_picture_by_itself(rng):
    batch = np.repeat(rng.normal(size=(1, 8, 8, 3)), 6, axis=0).astype(np.float32)
    policy = Policy(
        per_kind={"image": {"pool": ("simclr",), "probability": 1.0}}, kinds={"a": "image"}
    )
    out = jax.jit(policy)(MANY[0], {"a": batch})["a"]
    assert out.shape == batch.shape and len(np.unique(np.asarray(out).round(4), axis=0)) == 6

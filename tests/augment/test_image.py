import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.augment import image

MANY = jax.random.split(jax.random.key(7), 2000)


def each(augmentation, x, keys=MANY, **knobs):
    """The augmentation under many keys: [keys, height, width, channels]."""
    return np.asarray(jax.jit(jax.vmap(lambda key: augmentation(key, x, **knobs)))(keys))


@pytest.fixture
def x(rng):
    return rng.normal(size=(7, 9, 3)).astype(np.float32)


def test_a_crop_is_a_part_of_the_image_blown_up():
    """Of the coordinates themselves: linear interpolation keeps them."""
    down, right = np.meshgrid(np.arange(32.0), np.arange(48.0), indexing="ij")
    plane = np.stack([down, right], axis=-1).astype(np.float32)
    out = each(image.random_resized_crop, plane, area=(0.25, 0.81))
    assert out.shape == (2000, 32, 48, 2)
    rows, cols = out[:, :, :1, 0], out[:, :1, :, 1]
    np.testing.assert_allclose(out[..., 0], np.broadcast_to(rows, out.shape[:-1]), atol=1e-3)
    np.testing.assert_allclose(out[..., 1], np.broadcast_to(cols, out.shape[:-1]), atol=1e-3)
    middle = lambda at: np.diff(at, axis=1)[:, 8:-8].reshape(2000, -1)  # edges repeat a pixel
    steps = [middle(rows[:, :, 0]), middle(cols[:, 0])]
    sides = [step.mean(axis=1) for step in steps]
    for step, side in zip(steps, sides):
        np.testing.assert_allclose(step, np.broadcast_to(side[:, None], step.shape), atol=1e-3)
        assert side.max() <= 1.001
    area, ratio = sides[0] * sides[1], sides[1] / sides[0]
    assert 0.22 < area.min() < 0.3 and 0.75 < area.max() < 0.815
    assert abs(area.mean() - 0.53) < 0.02 and abs(np.log(ratio).mean()) < 0.02
    assert 0.74 < ratio.min() < 0.8 and 1.25 < ratio.max() < 1.34
    assert len(np.unique(rows[:, 16, 0].round(2))) > 500  # places differ


def test_a_crop_of_everything_changes_nothing(x):
    out = each(image.random_resized_crop, x, MANY[:5], area=(1.0, 1.0), ratio=(1.0, 1.0))
    np.testing.assert_allclose(out, np.broadcast_to(x, out.shape), atol=1e-5)
    flat = each(image.random_resized_crop, np.ones((1, 1, 2), np.float32), MANY[:5])
    np.testing.assert_allclose(flat, 1, atol=1e-6)


def test_a_flip_exchanges_left_and_right(x):
    np.testing.assert_array_equal(image.horizontal_flip(MANY[0], x), x[:, ::-1])


def test_brightness_and_contrast_are_a_line_around_the_mean(x):
    out = each(image.brightness_contrast, x, brightness=0.3, contrast=0.2)
    deviation = x - x.mean()
    gain = (out * deviation).sum(axis=(1, 2, 3)) / (deviation**2).sum()
    shift = out.mean(axis=(1, 2, 3)) - x.mean()
    line = x.mean() + gain[:, None, None, None] * deviation + shift[:, None, None, None]
    np.testing.assert_allclose(out, line, atol=1e-4)
    for found, middle, width in ((gain, 1, 0.2), (shift, 0, 0.3)):
        assert abs(found.mean() - middle) < 0.03 and np.abs(found - middle).max() <= width + 1e-3
        np.testing.assert_allclose(found.std(), width / 3**0.5, rtol=0.05)
    assert abs(np.corrcoef(gain, shift)[0, 1]) < 0.1


def test_grayscale_is_the_luminance_in_all_three_channels(x):
    out = np.asarray(image.grayscale(MANY[0], jnp.asarray(x)))
    np.testing.assert_array_equal(out, out[..., :1] * np.ones(3, np.float32))
    np.testing.assert_allclose(out[..., 0], x @ [0.299, 0.587, 0.114], atol=1e-6)
    with pytest.raises(ValueError, match=r"needs 3 channels.*got 1"):
        image.grayscale(MANY[0], jnp.asarray(x[..., :1]))


def test_jitter_is_white_noise(x):
    noise = each(image.jitter, x, MANY[:300], std=0.2) - x
    np.testing.assert_allclose(noise.std(), 0.2, rtol=0.03)
    assert abs(np.corrcoef(noise.reshape(-1, 3).T)[0, 1]) < 0.03


def test_what_is_not_a_float_image_is_refused(x):
    with pytest.raises(ValueError, match=r"one \[height, width, channels\] image.*\(1, 7, 9, 3\)"):
        image.jitter(MANY[0], x[None])
    with pytest.raises(TypeError, match="int32"):
        image.brightness_contrast(MANY[0], jnp.ones((2, 2, 1), jnp.int32))
    with pytest.raises(ValueError, match=r"area must lie within 0 and 1, got 2\.0"):
        image.random_resized_crop(MANY[0], x, area=(0.5, 2.0))

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models import backbone
from mmalign.models.statistics import BANDS, LEVELS, window_statistics

statistics = jax.jit(window_statistics)
ALONE = 7 + 2 * len(LEVELS)  # of a channel, without its spectrum and correlations


def test_they_are_those_of_numpy(rng):
    x = rng.normal(size=(5, 40, 1)).astype(np.float32)
    got = np.asarray(statistics(x))
    variance = x.var(axis=1) + 1e-3
    want = [x.mean(axis=1), np.sqrt(variance), np.log(variance) / 2, x.max(axis=1), x.min(axis=1)]
    for side in (x, -x):
        want += [np.maximum(side - level, 0).mean(axis=1) for level in LEVELS]
    want += [np.log(np.abs(np.diff(x, axis=1)).mean(axis=1) + 1e-3)]
    np.testing.assert_allclose(got[:, :14], np.concatenate(want, axis=1), atol=1e-5)


def test_a_tone_is_in_the_band_of_its_frequency_and_twice_as_loud_four_times_as_strong():
    time = np.arange(128)
    tones = np.stack([np.sin(2 * np.pi * f * time / 128) for f in (4, 30)])[..., None]
    powers = np.asarray(statistics(tones.astype(np.float32)))[:, 14:]
    assert powers[0].argmax() == 3 and powers[1].argmax() > 10
    louder = np.asarray(statistics((2 * tones).astype(np.float32)))[:, 14:]
    np.testing.assert_allclose((louder - powers).max(axis=1), np.log(2), atol=1e-2)


def test_channels_that_go_together_are_told_from_those_that_do_not(rng):
    a, b = rng.normal(size=(2, 3, 50)).astype(np.float32)
    pairs = np.asarray(statistics(np.stack([a, 2 * a + 1, -a, b], axis=2)))[:, -10:]
    np.testing.assert_allclose(pairs[:, 0], 1, atol=0.01)  # of the first and the second
    np.testing.assert_allclose(pairs[:, 1], -1, atol=0.01)
    assert (np.abs(pairs[:, 2]) < 0.5).all()


def test_what_is_not_seen_is_not_read_and_the_rest_stays_what_it_was(rng):
    x = rng.normal(size=(4, 64, 3)).astype(np.float32)
    seen = rng.uniform(size=(4, 64)) < 0.5
    hidden = np.where(seen[..., None], x, np.float32(1e6))
    shown = np.where(seen[..., None], x, 0)
    np.testing.assert_array_equal(statistics(hidden, seen), statistics(shown, seen))
    half, whole = (np.asarray(statistics(x, s)) for s in (seen, np.ones((4, 64), bool)))
    assert np.abs(half - whole).mean() < 0.6 * np.abs(half - half[::-1]).mean() + 0.3
    np.testing.assert_allclose(whole, statistics(x), atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 2, 3), (2, 3, 20), (2, 9, 8), (2, 700, 1)])
def test_any_length_and_any_channels_give_finite_values_and_gradients(shape):
    for x in (jnp.zeros(shape), jnp.ones(shape), 1e3 * jnp.ones(shape)):
        value, gradient = jax.jit(jax.value_and_grad(lambda x: window_statistics(x).sum()))(x)
        assert np.isfinite(value) and np.isfinite(gradient).all()
    channels = shape[2] + (shape[2] > 1)
    most = channels * (ALONE + BANDS) + channels * (channels - 1) // 2
    assert window_statistics(jnp.ones(shape)).shape[1] <= most


def test_they_are_the_last_part_of_an_embedding(rng):
    net = backbone("compact", (32, 1), 3, patch=4, width=4, dim=10, statistics=6, dropout=0.5)
    x = rng.normal(size=(6, 32, 1, 3)).astype(np.float32)
    variables = jax.jit(net.encoder.init)(jax.random.key(0), x)
    pooled = net.encoder.apply(variables, x)["pooled"]
    assert pooled.shape == (6, net.dim)
    np.testing.assert_allclose(pooled[:, 10:], statistics(x[:, :, 0]), atol=1e-5)
    with pytest.raises(ValueError, match=r"statistics are of series, not of grids of 8 x 5"):
        backbone("compact", (8, 5), 3, statistics=6)

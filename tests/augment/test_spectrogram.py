import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.augment import spectrogram

MANY = jax.random.split(jax.random.key(3), 500)
# time, interval, overlap; the last goes by FFT
GEOMETRIES = [(128, 16, 0.0), (128, 16, 0.5), (125, 25, 0.0), (45, 9, 1 / 3), (900, 300, 0.5)]


@pytest.mark.parametrize("onesided", [False, True])
@pytest.mark.parametrize(("time", "interval", "overlap"), GEOMETRIES)
def test_spectrum_is_numpy_s_and_back(rng, time, interval, overlap, onesided):
    x = rng.normal(size=(time, 3))
    knobs = {"interval": interval, "overlap": overlap, "onesided": onesided}
    z, back = jax.jit(
        lambda x: (z := spectrogram.interval_fft(x, **knobs), spectrogram.interval_ifft(z, **knobs))
    )(x.astype(np.float32))
    hop = round(interval * (1 - overlap))
    frames = np.stack([x[s : s + interval] for s in range(0, time - interval + 1, hop)])
    want = (np.fft.rfft if onesided else np.fft.fft)(frames, axis=1)
    assert z.dtype == jnp.float32
    np.testing.assert_allclose(z, np.concatenate([want.real, want.imag], -1), atol=2e-4)
    np.testing.assert_allclose(back, x, atol=1e-5)


def test_published_geometries_give_the_published_tensors():
    shape = lambda x, **k: jax.eval_shape(lambda: spectrogram.interval_fft(x, **k)).shape
    assert shape(jnp.ones((16000, 1)), interval=1600) == (10, 1600, 2)
    assert shape(jnp.ones((200, 3)), interval=40, overlap=0.5) == (9, 40, 6)
    assert shape(jnp.ones((250, 3)), interval=50, overlap=0.5) == (9, 50, 6)
    assert shape(jnp.ones((250, 3)), interval=50, overlap=0.5, onesided=True) == (9, 26, 6)


def test_inverse_of_a_turned_spectrum_is_its_real_part(rng):
    z = rng.normal(size=(4, 10, 6))
    want = np.fft.ifft(z[..., :3] + 1j * z[..., 3:], axis=1).real.reshape(40, 3)
    back = jax.jit(lambda z: spectrogram.interval_ifft(z, interval=10))
    got = back(jnp.asarray(z, jnp.float32))
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_half_precision_series_are_transformed_in_float32(rng):
    x = rng.normal(size=(32, 2)).astype(jnp.bfloat16)
    z = jax.jit(lambda x: spectrogram.interval_fft(x, interval=8))(x)
    assert z.dtype == jnp.float32
    want = np.fft.fft(x.astype(np.float64).reshape(4, 8, 2), axis=1)
    np.testing.assert_allclose(z, np.concatenate([want.real, want.imag], -1), atol=1e-5)


def test_bad_geometry_is_refused():
    with pytest.raises(ValueError, match="48 samples, 48 apart, do not divide a series of 128"):
        spectrogram.interval_fft(jnp.ones((128, 3)), interval=48)
    with pytest.raises(ValueError, match="do not divide a series of 8"):
        spectrogram.interval_fft(jnp.ones((8, 3)), interval=16)
    for overlap in 0.3, 1.0, -0.5:
        with pytest.raises(ValueError, match=f"overlap {overlap} of interval 16"):
            spectrogram.interval_fft(jnp.ones((128, 3)), interval=16, overlap=overlap)
    with pytest.raises(ValueError, match="vmap for a batch"):
        spectrogram.interval_fft(jnp.ones((2, 128, 3)), interval=16)
    with pytest.raises(ValueError, match=r"expected \[intervals, 9, 2 \* channels\].*\(8, 16, 6\)"):
        spectrogram.interval_ifft(jnp.ones((8, 16, 6)), interval=16, onesided=True)


def test_phase_shift_preserves_magnitudes_and_adds_one_angle(rng):
    z = jnp.asarray(rng.normal(size=(4, 10, 6)), jnp.float32)
    out = np.asarray(jax.jit(jax.vmap(lambda key: spectrogram.phase_shift(key, z)))(MANY))
    pair = lambda z: z[..., :3] + 1j * z[..., 3:]
    turn = pair(out) / pair(np.asarray(z))[None]
    np.testing.assert_allclose(np.abs(turn), 1, rtol=1e-4)
    np.testing.assert_allclose(turn, turn[:, :1, :1, :1] * np.ones_like(turn), atol=1e-4)
    angle = np.angle(turn[:, 0, 0, 0])
    counts = np.histogram(angle, bins=5, range=(-np.pi, np.pi))[0]
    np.testing.assert_allclose(counts, 100, atol=45)


@pytest.mark.parametrize(("name", "axis"), [("frequency_mask", 1), ("time_mask", 0)])
def test_masks_zero_a_band_of_their_axis(name, axis):
    z = jnp.ones((10, 20, 4))
    mask = getattr(spectrogram, name)
    each = jax.vmap(lambda key: (mask(key, z, fraction=0.3), mask(key, z, fraction=0.0)))
    out, none = jax.tree.map(np.asarray, jax.jit(each)(MANY))
    along = np.moveaxis(out, axis + 1, 1).reshape(len(MANY), z.shape[axis], -1)
    assert (along == along[..., :1]).all()
    width = (along[..., 0] == 0).sum(1)
    assert set(width) == set(range(int(0.3 * z.shape[axis]) + 1))
    np.testing.assert_array_equal(none, np.broadcast_to(z, none.shape))

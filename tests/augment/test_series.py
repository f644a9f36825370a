import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.augment import series, warps

MANY = jax.random.split(jax.random.key(7), 4000)


@pytest.fixture
def x(rng):
    return jnp.asarray(rng.normal(size=(48, 3)), jnp.float32)


def each(augmentation, x, keys=MANY, **knobs):
    """The augmentation under many keys: [keys, time, channels]."""
    return np.asarray(jax.jit(jax.vmap(lambda key: augmentation(key, x, **knobs)))(keys))


def test_permutation_preserves_the_multiset_of_intervals(x):
    out = each(series.permutation, x, MANY[:50], interval=8)
    want = sorted(np.asarray(x).reshape(6, -1).tolist())
    for view in out:
        assert sorted(view.reshape(6, -1).tolist()) == want
    assert len({view.tobytes() for view in out}) > 40


def test_permutation_puts_every_interval_everywhere_equally_often():
    ramp = jnp.arange(4.0)[:, None]
    out = each(series.permutation, ramp, interval=1)[..., 0]
    for place in range(4):
        share = np.bincount(out[:, place].astype(int), minlength=4) / len(MANY)
        np.testing.assert_allclose(share, 0.25, atol=5 * np.sqrt(0.25 * 0.75 / len(MANY)))


def test_permutation_chooses_at_most_ten_intervals_by_itself():
    ramp = jnp.arange(128.0)[:, None]
    out = each(series.permutation, ramp, MANY[:20])[..., 0].reshape(20, 8, 16)
    np.testing.assert_array_equal(np.diff(out, axis=-1), 1)
    assert (out[..., 0] % 16 == 0).all() and not (out[:, 0, 0] == 0).all()


@pytest.mark.parametrize(("time", "left"), [(11, 1), (23, 1), (1, 0)])
def test_permutation_leaves_the_rest_of_an_odd_length_at_the_end(time, left):
    at = np.broadcast_to(np.arange(time), (40, time))
    out = each(series.permutation, jnp.arange(float(time))[:, None], MANY[:40])[..., 0]
    np.testing.assert_array_equal(np.sort(out, axis=1), at)
    np.testing.assert_array_equal(out[:, time - left :], at[:, time - left :])
    assert time == 1 or (out != at).any()


def test_permutation_cuts_every_length_in_two_to_ten_equal_parts_and_at_most_one_sample():
    for time in range(2, 301):
        count, interval = series._parts(time)
        assert 2 <= count <= 10 and time - count * interval == (
            0 if any(time % n == 0 for n in range(2, 11)) else 1
        )
    assert series._parts(1) == (1, 1)


@pytest.mark.parametrize(("time", "interval"), [(48, 7), (48, 0), (48, 96), (13, 5)])
def test_permutation_refuses_intervals_that_do_not_divide(time, interval):
    with pytest.raises(ValueError, match=f"does not divide a series of {time}"):
        series.permutation(MANY[0], jnp.ones((time, 2)), interval=interval)


def test_negation_and_flip_undo_themselves(x):
    for augmentation in series.negation, series.horizontal_flip:
        once = augmentation(MANY[0], x)
        assert not np.array_equal(once, x)
        np.testing.assert_array_equal(augmentation(MANY[0], once), x)
    np.testing.assert_array_equal(series.horizontal_flip(MANY[0], x)[0], x[-1])


def test_scaling_is_one_normal_factor(x):
    factors = each(series.scaling, x, std=0.2) / np.asarray(x)
    np.testing.assert_allclose(factors, factors[:, :1, :1] * np.ones_like(x), rtol=1e-5)
    factor = factors[:, 0, 0]
    np.testing.assert_allclose(factor.mean(), 1, atol=5 * 0.2 / np.sqrt(len(MANY)))
    np.testing.assert_allclose(factor.std(), 0.2, rtol=5 / np.sqrt(2 * len(MANY)))


def test_jitter_is_white_noise_of_the_given_size(x):
    noise = each(series.jitter, x, MANY[:200], std=0.01, value_range=20.0) - np.asarray(x)
    np.testing.assert_allclose(noise.std(), 0.2, rtol=0.03)
    flat = noise.reshape(-1, 2)
    assert abs(np.corrcoef(flat.T)[0, 1]) < 0.05


def test_magnitude_warp_is_one_smooth_curve_around_one(x):
    ones = jnp.ones((100, 2))
    curves = each(warps.magnitude_warp, ones, std=0.05)
    np.testing.assert_array_equal(curves[..., 0], curves[..., 1])
    at_knots = curves[:, [0, 33, 66, 99], 0]  # order 4: knots at both ends and two thirds
    np.testing.assert_allclose(at_knots.mean(0), 1, atol=0.005)
    np.testing.assert_allclose(at_knots.std(0), 0.05, rtol=0.06)
    assert np.abs(np.diff(curves, n=2, axis=1)).max() < 2e-3
    out = warps.magnitude_warp(MANY[0], x)
    np.testing.assert_allclose(out, x * warps.magnitude_warp(MANY[0], jnp.ones((48, 3))), rtol=1e-5)


@pytest.mark.parametrize("std", [0.2, 10.0])
@pytest.mark.parametrize("time", [2, 61])
def test_time_warp_moves_forward_and_keeps_the_ends(std, time):
    ramp = jnp.arange(time, dtype=jnp.float32)[:, None]  # cubics keep lines: out = the path
    path = each(warps.time_warp, ramp, MANY[:500], std=std)[..., 0]
    np.testing.assert_allclose(path[:, 0], 0, atol=1e-5)
    np.testing.assert_allclose(path[:, -1], time - 1, rtol=1e-6)
    assert np.diff(path, axis=1).min() > 0
    if time > 2:
        assert np.abs(path - np.asarray(ramp)[None, :, 0]).max() > 1


def test_time_warp_leaves_a_single_sample_as_it_is(x):
    np.testing.assert_array_equal(warps.time_warp(MANY[0], x[:1], std=1.0), x[:1])


def test_time_warp_path_has_no_preferred_direction():
    path = each(warps.time_warp, jnp.arange(61.0)[:, None])[..., 0]
    drift = path.mean(0) - np.arange(61)
    assert np.abs(drift).max() < 6 * path.std(0).max() / np.sqrt(len(MANY))


def test_time_warp_reads_smooth_signals_along_the_path():
    t = jnp.arange(100.0)
    wave = lambda t: np.stack([np.sin(2 * np.pi * t / 20), np.cos(2 * np.pi * t / 25)], -1)
    x = jnp.concatenate([t[:, None], jnp.asarray(wave(np.asarray(t)), jnp.float32)], axis=1)
    out = each(warps.time_warp, x, MANY[:20])
    np.testing.assert_allclose(out[:, 1:-1, 1:], wave(out[:, 1:-1, 0]), atol=0.005)


def test_channel_shuffle_moves_whole_channels(x):
    out = each(series.channel_shuffle, x, MANY[:50])
    for view in out:
        assert sorted(view.T.tolist()) == sorted(np.asarray(x).T.tolist())
    assert len({view.tobytes() for view in out}) == 6


def test_rotation_is_proper_with_angle_and_axis_as_said(rng):
    x = jnp.asarray(np.concatenate([np.eye(3), rng.normal(size=(10, 3))]), jnp.float32)
    out = each(series.rotation, jnp.concatenate([x, 2 * x], axis=1), angle=1.0)
    np.testing.assert_allclose(out[..., 3:], 2 * out[..., :3], atol=1e-5)  # all triads alike
    norms = np.linalg.norm(out[..., :3], axis=-1)
    want = np.linalg.norm(x, axis=-1)[None]
    np.testing.assert_allclose(norms, np.broadcast_to(want, norms.shape), rtol=1e-5)
    turn = out[:, :3, :3]
    np.testing.assert_allclose(np.linalg.det(turn), 1, rtol=1e-5)
    angle = np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert angle.max() <= 1.0 + 1e-3
    np.testing.assert_allclose(angle.mean(), 0.5, atol=0.03)  # |U(-1, 1)|
    axis = np.stack([turn[:, i, j] - turn[:, j, i] for i, j in ((1, 2), (2, 0), (0, 1))], -1)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    np.testing.assert_allclose(axis.T @ axis / len(MANY), np.eye(3) / 3, atol=0.03)


def test_rotation_needs_triads():
    with pytest.raises(ValueError, match=r"triads.*got 4 channels"):
        series.rotation(MANY[0], jnp.ones((8, 4)))


def test_time_shift_rolls_within_the_fraction():
    out = each(series.time_shift, jnp.arange(20)[:, None], fraction=0.25)[..., 0]
    np.testing.assert_array_equal(np.diff(out, axis=1) % 20, 1)
    shift = (-out[:, 0] + 10) % 20 - 10
    assert set(shift) == set(range(-5, 6))


@pytest.mark.parametrize("time", [48, 47, 600])  # 600 goes by FFT
def test_phase_shift_preserves_magnitudes_and_adds_one_angle(rng, time):
    x = jnp.asarray(rng.normal(size=(time, 2)) + 3, jnp.float32)
    before = np.fft.rfft(np.asarray(x, np.float64), axis=0)
    after = np.fft.rfft(each(series.phase_shift, x, MANY[:5]).astype(np.float64), axis=1)
    scale = np.abs(before).max()
    np.testing.assert_allclose(
        np.abs(after), np.abs(before)[None] * np.ones((5, 1, 1)), atol=2e-6 * scale
    )
    inner = slice(1, (time + 1) // 2)
    turn = after[:, inner] / before[None, inner]
    np.testing.assert_allclose(turn, turn[:, :1, :1] * np.ones_like(turn), atol=1e-3)
    np.testing.assert_allclose(after[:, 0].real, before[None, 0].real * np.ones((5, 1)), rtol=1e-5)
    assert np.abs(np.diff(np.angle(turn[:, 0, 0]))).min() > 1e-3


def test_frequency_mask_only_removes(x):
    before = np.fft.rfft(np.asarray(x), axis=0)
    after = np.fft.rfft(each(series.frequency_mask, x, MANY[:100], fraction=0.3), axis=1)
    gone = np.abs(after) < 1e-4
    np.testing.assert_allclose(after[~gone], np.broadcast_to(before, after.shape)[~gone], atol=1e-4)
    assert gone[:, :, 0].sum(1).max() == int(0.3 * 25)


def test_time_mask_zeroes_one_run_of_random_length():
    out = each(series.time_mask, jnp.ones((20, 2)), fraction=0.3)
    np.testing.assert_array_equal(out[..., 0], out[..., 1])
    masked = out[..., 0] == 0
    share = np.bincount(masked.sum(1), minlength=7) / len(MANY)
    np.testing.assert_allclose(share, np.full(7, 1 / 7), atol=0.03)
    assert (np.abs(np.diff(np.pad(masked.astype(int), ((0, 0), (1, 1))), axis=1)).sum(1) <= 2).all()


def test_zero_strength_changes_nothing(x):
    zero = {
        "scaling": {"std": 0.0},
        "jitter": {"std": 0.0},
        "magnitude_warp": {"std": 0.0},
        "time_warp": {"std": 0.0},
        "rotation": {"angle": 0.0},
        "time_shift": {"fraction": 0.0},
        "time_mask": {"fraction": 0.0},
        "frequency_mask": {"fraction": 0.0},
        "permutation": {"interval": 48},
    }
    of = lambda name: getattr(warps if "warp" in name else series, name)
    run = lambda key: {name: of(name)(key, x, **zero[name]) for name in zero}
    for name, out in jax.jit(run)(MANY[0]).items():
        np.testing.assert_allclose(out, x, atol=1e-4, err_msg=name)


def test_what_is_not_a_float_series_is_refused(x):
    with pytest.raises(ValueError, match=r"one \[time, channels\] series.*\(1, 48, 3\)"):
        series.scaling(MANY[0], x[None])
    with pytest.raises(TypeError, match="int32"):
        warps.time_warp(MANY[0], jnp.arange(8)[:, None])
    with pytest.raises(ValueError, match=r"order must be at least 2.*got 1"):
        warps.magnitude_warp(MANY[0], x, order=1)
    with pytest.raises(ValueError, match=r"fraction.*got 1\.5"):
        series.time_mask(MANY[0], x, fraction=1.5)

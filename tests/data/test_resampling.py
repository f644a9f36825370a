"""An even clock out of late stamps, and signals that survive on it."""

import numpy as np
import pytest

from mmalign.data.resampling import decimate, even_clock, resample, resample_windows

RATE_HZ, EPOCH_S = 102.44, 1_657_533_977.813


def late_stamps(rng, n, worst_s=0.15):
    """Even times and the stamps of their delivery: late, in bursts, whole ms, in order."""
    times = EPOCH_S + np.arange(n) / RATE_HZ
    late = rng.exponential(0.008, n)
    late[rng.random(n) < 0.02] += worst_s
    return times, np.floor(np.maximum.accumulate(times + late) * 1000) / 1000


def test_even_clock_is_found_under_late_stamps(rng):
    times, stamps = late_stamps(rng, 1100)
    assert (np.diff(stamps) == 0).sum() > 100  # the bursts are there
    start, rate = even_clock(stamps)
    assert abs(rate / RATE_HZ - 1) < 1e-3
    fitted = start + np.arange(1100) / rate
    assert np.abs(fitted - times).max() < 0.005  # a quarter of a step of the 50 Hz clock


@pytest.mark.parametrize("frequency_hz", [1.0, 5.0, 12.0])
def test_sine_survives_jittered_stamps(rng, frequency_hz):
    times, stamps = late_stamps(rng, 1100)
    start, rate = even_clock(stamps)
    wave = np.sin(2 * np.pi * frequency_hz * (times - EPOCH_S))[:, None]
    new = EPOCH_S + 0.5 + np.arange(450) / 50
    got = resample(wave, start, rate, new, 50.0)[:, 0]
    spectrum = np.abs(np.fft.rfft(got * np.hanning(450)))
    assert abs(np.fft.rfftfreq(450, 1 / 50)[spectrum.argmax()] - frequency_hz) < 0.12
    assert abs(got.std() * np.sqrt(2) - 1) < 0.03
    # and in phase, but for the mean delay of a stamp
    late = 0.005
    error = np.abs(got - np.sin(2 * np.pi * frequency_hz * (new - EPOCH_S))).max()
    assert error < 2 * np.pi * frequency_hz * late + 0.02


def test_even_samples_keep_their_shape_and_place():
    times = np.arange(1000) / 100
    values = np.stack([np.sin(2 * np.pi * 3 * times), np.cos(2 * np.pi * 7 * times)], axis=-1)
    new = 1 + np.arange(300) / 50
    got = resample(values, 0.0, 100.0, new, 50.0)
    want = np.stack([np.sin(2 * np.pi * 3 * new), np.cos(2 * np.pi * 7 * new)], axis=-1)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_a_slow_sample_is_lost_where_half_of_its_time_is(rng):
    times_s, x = np.arange(20) / 4, rng.standard_normal((2, 500, 1))
    valid = rng.random((2, 500)) > 0.05  # of 25 each, a few
    valid[1, 240:254] = False  # 14 of the 25 around sample 10
    made, there = resample_windows(
        np.where(valid[..., None], x, np.nan), valid, 100.0, times_s, 4.0
    )
    assert made.dtype == np.float32 and np.isfinite(made).all()
    np.testing.assert_array_equal(~there, np.arange(20) == np.array([[-1], [10]]))


@pytest.mark.parametrize("frequency_hz", [30.0, 38.0, 45.0])
def test_frequencies_above_the_new_nyquist_do_not_fold_back(frequency_hz):
    wave = np.sin(2 * np.pi * frequency_hz * np.arange(1000) / 100)[:, None]
    got = resample(wave, 0.0, 100.0, 1 + np.arange(300) / 50, 50.0)
    assert np.abs(got).max() < 0.01


def test_decimation_takes_every_nth_sample_of_what_is_slow_enough():
    times = np.arange(3501) / 700
    slow, fast = np.sin(2 * np.pi * 8 * times), np.sin(2 * np.pi * 95 * times)
    got = decimate(np.stack([slow, fast], axis=-1), 700, 7)
    assert got.shape == (501, 2) and got.dtype == np.float32
    np.testing.assert_allclose(got[20:-20, 0], slow[::7][20:-20], atol=2e-3)
    assert np.abs(got[20:-20, 1]).max() < 0.01  # would fold back to 5 Hz
    np.testing.assert_array_equal(decimate(slow[:, None], 700, 1)[:, 0], slow.astype(np.float32))


def test_clocks_that_are_not_even_are_refused(rng):
    stamps = np.arange(100) / 100
    with pytest.raises(ValueError, match="1 of them earlier than the one before"):
        even_clock(stamps[np.r_[:50, 51, 50, 52:100]])
    with pytest.raises(ValueError, match="at least 16 time stamps in order, got 5"):
        even_clock(stamps[:5])
    with pytest.raises(ValueError, match="off an even clock: samples are lost"):
        even_clock(np.where(np.arange(100) < 80, stamps, stamps + 3))


def test_too_few_samples_for_the_new_rate_are_refused():
    with pytest.raises(ValueError, match="cannot bring 30 Hz to 50 Hz"):
        resample(np.ones((100, 1)), 0.0, 30.0, np.arange(10) / 50, 50.0)

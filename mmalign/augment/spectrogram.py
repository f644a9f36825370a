"""Spectrogram of intervals of one series, and augmentations of it.

`interval_fft` is what FOCAL and InfoMAE call STFT (arXiv:2310.20071, arXiv:2504.09707): intervals
of the window, no taper, the full two-sided FFT of each, real and imaginary parts as channels. All
functions take ONE example; jax.vmap makes batches.
"""

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.augment.example import random_band
from mmalign.augment.fourier import fold, irdft, mirror, rdft, rotate


def interval_fft(
    x: jax.Array, *, interval: int, overlap: float = 0.0, onesided: bool = False
) -> jax.Array:
    """Spectrum of each interval: [time, channels] -> [intervals, bins, 2 * channels].

    Args:
      x: one real series.
      interval: samples per interval.
      overlap: share of an interval that the next one repeats, within [0, 1).
      onesided: keep `interval // 2 + 1` bins instead of `interval`. The rest are their complex
        conjugates: half the cost downstream, not the published tensor.

    Returns:
      float32 or wider; real parts of all channels, then imaginary parts; not scaled (a bin is the
      plain sum over samples).
    """
    if x.ndim != 2:
        raise ValueError(f"expected one [time, channels] series, got {x.shape}; vmap for a batch")
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    z = rdft(intervals(x, interval=interval, overlap=overlap))
    return z if onesided else mirror(z, interval)


def interval_ifft(
    z: jax.Array, *, interval: int, overlap: float = 0.0, onesided: bool = False
) -> jax.Array:
    """Inverse of `interval_fft`: [intervals, bins, 2 * channels] -> [time, channels].

    An augmented spectrum need not be that of a real series: the real part is taken, and samples
    that lie in several intervals are averaged. The same knobs as in `interval_fft`.
    """
    bins = interval // 2 + 1 if onesided else interval
    if z.ndim != 3 or z.shape[1] != bins or z.shape[2] % 2:
        raise ValueError(
            f"expected [intervals, {bins}, 2 * channels] for interval {interval}, got {z.shape}"
        )
    hop = _hop(interval, overlap)
    time = (len(z) - 1) * hop + interval
    frames = irdft(z if onesided else fold(z), interval)
    at = _starts(time, interval, overlap)[:, None] + np.arange(interval)[None]
    count = np.bincount(at.ravel(), minlength=time).astype(frames.dtype)
    return jnp.zeros((time, frames.shape[-1]), frames.dtype).at[at].add(frames) / count[:, None]


def intervals(x: jax.Array, *, interval: int, overlap: float = 0.0) -> jax.Array:
    """The intervals that `interval_fft` transforms: [time, ...] -> [intervals, interval, ...]."""
    starts = _starts(len(x), interval, overlap)
    return jnp.stack([x[s : s + interval] for s in starts])  # slices beat a gather and its grad


def _hop(interval, overlap):
    hop = interval * (1 - overlap)
    if not 0 <= overlap < 1 or interval < 1 or abs(hop - round(hop)) > 1e-6 or round(hop) < 1:
        raise ValueError(
            f"overlap must lie in [0, 1) and leave a whole number of samples between intervals, "
            f"got overlap {overlap} of interval {interval}"
        )
    return round(hop)


def _starts(time, interval, overlap):
    """First samples of the intervals, which must cover the series exactly."""
    hop = _hop(interval, overlap)
    if time < interval or (time - interval) % hop:
        raise ValueError(
            f"intervals of {interval} samples, {hop} apart, do not divide a series of {time} "
            "samples; choose another interval or overlap, or crop the window"
        )
    return np.arange(0, time - interval + 1, hop)


def phase_shift(key: jax.Array, z: jax.Array) -> jax.Array:
    """Adds one angle ~ U(-pi, pi) to the phase of every bin of every interval and channel.

    As published this includes mean, Nyquist and negative frequencies, so the result is not the
    spectrum of a real series; `series.phase_shift` is.
    """
    angle = jax.random.uniform(key, (), z.dtype, -np.pi, np.pi)
    return rotate(z, angle)


def frequency_mask(key: jax.Array, z: jax.Array, *, fraction=0.3) -> jax.Array:
    """Zeroes a random band of bins, up to `fraction` of them, in all intervals.

    The band lies in the tensor as it is: of a two-sided spectrum it does not mask the mirrored
    frequencies.
    """
    return jnp.where(random_band(key, z.shape[1], fraction)[None, :, None], 0, z)


def time_mask(key: jax.Array, z: jax.Array, *, fraction=0.3) -> jax.Array:
    """Zeroes a random run of intervals, up to `fraction` of them.

    The published code means this and indexes the frequency axis instead.
    """
    return jnp.where(random_band(key, z.shape[0], fraction)[:, None, None], 0, z)

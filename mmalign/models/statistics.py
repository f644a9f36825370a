"""Statistics of a window as an encoder's features: what a convolution would first have to learn.

Levels, scales, the shape of the distribution and the spectrum of each channel, and how channels go
together. They are differentiable everywhere, and read only the samples that are seen.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

LEVELS = (0.0, 0.5, 1.0, 2.0)  # in standard deviations of the training data, on both sides
BANDS = 24  # most of them, from one over the window's length to half the rate
PAIRED = 12  # channels; of more of them no correlations are taken
# Squares that count as nothing, of standardised samples: a sensor's last digit, and a spectrum's.
_TINY, _SILENT = 1e-3, 1e-4


def window_statistics(x: jax.Array, seen: jax.Array | None = None) -> jax.Array:
    """Features [b, f] of windows [b, time, channels] of about unit scale, each of order one.

    The length of the vector of all channels is one more channel. Of each: mean, standard deviation
    and its log, extremes, mean excess over LEVELS, log mean absolute difference, and log power in
    bands that widen with frequency. Of each pair, where there are no more than PAIRED channels, the
    correlation. The excesses stand in for quantiles, which need a sort: nine times as slow here.

    seen: bool [b, time], the samples that count; None for all. A spectrum takes the others as the
      mean of those that count, and makes up for the power that is lost.
    """
    if x.shape[2] > 1:
        length = jnp.sqrt(jnp.square(x).sum(axis=2, keepdims=True) + _TINY)
        x = jnp.concatenate([x, length], axis=2)
    if seen is None:  # of one row: of all, XLA folds them for seconds as it compiles
        seen = jnp.ones((1, x.shape[1]), bool)
    weight = seen[..., None].astype(x.dtype)
    share = weight / jnp.maximum(weight.sum(axis=1, keepdims=True), 1)
    mean = (x * share).sum(axis=1, keepdims=True)
    deviation = (x - mean) * weight
    variance = (jnp.square(deviation) * share).sum(axis=1, keepdims=True) + _TINY
    features = [mean, jnp.sqrt(variance), jnp.log(variance) / 2]
    features += [mean + side * (side * deviation).max(axis=1, keepdims=True) for side in (1, -1)]
    features += [_excess(x, share), _change(deviation, weight), _powers(deviation, share)]
    flat = [f.reshape(x.shape[0], -1) for f in features]
    if 1 < x.shape[2] <= PAIRED:
        first, second = np.triu_indices(x.shape[2], 1)
        scaled = deviation * jax.lax.rsqrt(variance)
        products = jnp.einsum("btc,btd->bcd", scaled * share, scaled, precision="highest")
        flat.append(products[:, first, second])
    return jnp.concatenate(flat, axis=1)


def _excess(x, share):
    """Mean of what is above each level, and below its negative: [b, levels, channels]."""
    parts = [
        (jax.nn.relu(side * x - level) * share).sum(axis=1)
        for side in (1, -1) for level in LEVELS
    ]  # fmt: skip
    return jnp.stack(parts, axis=1)


def _change(deviation, weight):
    """Log mean absolute difference of neighbours that are both seen: [b, 1, channels]."""
    both = weight[:, 1:] * weight[:, :-1]
    steps = jnp.abs(jnp.diff(deviation, axis=1)) * both
    mean = steps.sum(axis=1, keepdims=True) / jnp.maximum(both.sum(axis=1, keepdims=True), 1)
    return jnp.log(mean + _TINY)


def _powers(deviation, share):
    """Log power of bands, half of it, so that it is of order one: [b, bands, channels]."""
    time = deviation.shape[1]
    bands = _bands(time // 2)
    taper = np.hanning(time + 2)[1:-1, None].astype(np.float32)
    taper /= np.sqrt(np.square(taper).sum())
    spectrum = jnp.fft.rfft(deviation * taper[None], axis=1)[:, 1:]
    lost = share.max(axis=1, keepdims=True) * time  # what is not seen has no power
    power = (jnp.square(spectrum.real) + jnp.square(spectrum.imag)) * lost
    return jnp.log(jnp.einsum("bfc,fg->bgc", power, bands) + _SILENT) / 2


def _bands(count):
    """[count, bands]: means over frequencies 1 to `count`, at first one by one, then by ratio."""
    ratio, edges, edge = (count + 1) ** (1 / BANDS), [1], 1.0
    while edges[-1] <= count:
        edge = max(edge * ratio, edges[-1] + 1)
        edges.append(min(round(edge), count + 1))
    out = np.zeros((count, len(edges) - 1), np.float32)
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        out[low - 1 : high - 1, band] = 1 / (high - low)
    return out

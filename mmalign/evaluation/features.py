"""Window statistics: what a few lines of feature engineering see of a window, the row to beat.

Of each channel, and of the length of the vector that a modality's channels form: moments,
quantiles, differences, crossings of the mean, energies of spectral bands, spectral entropy,
centroid and peak; and the correlations between channels.
"""

from collections.abc import Mapping

import numpy as np

from mmalign.data.dataset import TRAIN, Dataset

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
BANDS_HZ = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0, 80.0, 160.0, 320.0, np.inf)
_ROWS = 2048  # windows at a time: bounds the memory of the spectra
_TINY = 1e-12


def window_statistics(dataset: Dataset) -> dict[str, np.ndarray]:
    """Features of every window.

    Returns: {modality: float32 [n, features], "joint": all of them side by side}; NaN where a
      modality is absent. Samples of a series that are not valid are filled along straight lines.
    """
    parts = {}
    for m, windows in dataset.inputs.items():
        kind, rate_hz = dataset.kinds[m], dataset.description.rate_hz.get(m)
        rows, valid = np.flatnonzero(dataset.present[m]), dataset.valid.get(m)
        found = []
        for at in np.array_split(rows, max(1, -(-len(rows) // _ROWS))):
            x = np.asarray(windows[at], np.float64)
            if valid is not None:
                x = bridged(x, np.asarray(valid[at]))
            found.append(statistics_of(kind, x, rate_hz))
        features = np.full((len(windows), found[0].shape[1]), np.nan, np.float32)
        features[rows] = np.concatenate(found)
        parts[m] = features
    return {**parts, "joint": np.concatenate(list(parts.values()), axis=1)}


def filled(
    parts: Mapping[str, np.ndarray], dataset: Dataset, present: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Features without NaN: where a modality is absent, those of its average training window.

    parts: as `window_statistics` returns. present: {modality: bool [n]}, where to show them.
    Returns: as `parts`.
    """
    out = {}
    for m in dataset.modalities:
        known = np.asarray(dataset.present[m])
        mean = parts[m][known & (dataset.split == TRAIN)].mean(axis=0)
        shown = known & np.asarray(present[m])
        out[m] = np.where(shown[:, None], parts[m], mean).astype(np.float32)
    return {**out, "joint": np.concatenate(list(out.values()), axis=1)}


def statistics_of(kind: str, x: np.ndarray, rate_hz: float | None = None) -> np.ndarray:
    """Features [n, features] of inputs of a kind, [n, *shape].

    A vector is its own features; of an image, colour moments and those of its differences in a
    grid of 3 by 3 cells; of a sequence of tokens what a series has, but for its spectrum.
    """
    if kind == "vector":
        return x
    if kind == "image":
        return np.concatenate([_cells(x), _cells(_edges(x))], axis=1)
    x = with_magnitude(x)
    columns = [*_moments(x), *_quantiles(x), *_changes(x)]
    if kind == "series":
        columns += _spectrum(x, rate_hz)
    return np.concatenate([*columns, _correlations(x)], axis=1)


def with_magnitude(x: np.ndarray) -> np.ndarray:
    """[n, time, channels] with the length of the vector of all channels as one more channel."""
    if x.shape[2] < 2:
        return x
    return np.concatenate([x, np.linalg.norm(x, axis=2, keepdims=True)], axis=2)


def bridged(x: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """[n, time, channels] with the samples that are not valid [n, time] on straight lines."""
    x, time = x.copy(), np.arange(x.shape[1])
    for i in np.flatnonzero(~valid.all(axis=1) & valid.any(axis=1)):
        gap = ~valid[i]
        for c in range(x.shape[2]):
            x[i, gap, c] = np.interp(time[gap], time[~gap], x[i, ~gap, c])
    return x


def _moments(x):
    """Mean, standard deviation, skewness, kurtosis: [n, channels] each."""
    mean, std = x.mean(axis=1), x.std(axis=1)
    z = (x - mean[:, None]) / np.maximum(std, _TINY)[:, None]
    return [mean, std, (z**3).mean(axis=1), (z**4).mean(axis=1)]


def _quantiles(x):
    return list(np.quantile(x, QUANTILES, axis=1))


def _changes(x):
    """Mean and standard deviation of differences, and the share of steps that cross the mean."""
    if x.shape[1] < 2:
        return []
    steps = np.diff(x, axis=1)
    above = x > x.mean(axis=1, keepdims=True)
    return [np.abs(steps).mean(axis=1), steps.std(axis=1), (above[:, 1:] != above[:, :-1]).mean(1)]


def _spectrum(x, rate_hz):
    """Log energy of each band that has a frequency, spectral entropy, centroid, peak frequency."""
    time = x.shape[1]
    window = np.hanning(time + 2)[1:-1, None]
    power = np.abs(np.fft.rfft((x - x.mean(axis=1, keepdims=True)) * window, axis=1)) ** 2 / time
    hertz = np.fft.rfftfreq(time, 1 / rate_hz)
    power, hertz = power[:, 1:], hertz[1:]
    if not len(hertz):
        return []
    band = np.digitize(hertz, BANDS_HZ)
    energies = [power[:, band == b].sum(axis=1) for b in np.unique(band)]
    share = power / np.maximum(power.sum(axis=1, keepdims=True), _TINY)
    entropy = -(share * np.log(np.maximum(share, _TINY))).sum(axis=1)
    centroid = (share * hertz[:, None]).sum(axis=1)
    return [*(np.log(e + 1e-8) for e in energies), entropy, centroid, hertz[power.argmax(axis=1)]]


def _correlations(x):
    """Of every pair of channels, 0 where one is constant: [n, pairs]."""
    first, second = np.triu_indices(x.shape[2], 1)
    x = x - x.mean(axis=1, keepdims=True)
    x = x / np.maximum(np.sqrt((x**2).sum(axis=1, keepdims=True)), _TINY)
    return np.einsum("ntp,ntp->np", x[:, :, first], x[:, :, second])


def _cells(x, across=3):
    """Mean and deviation of [n, height, width, channels] in a grid of cells."""
    rows, columns = (np.array_split(np.arange(size), min(across, size)) for size in x.shape[1:3])
    cells = [x[:, r[0] : r[-1] + 1, c[0] : c[-1] + 1] for r in rows for c in columns]
    return np.concatenate([f(axis=(1, 2)) for x in cells for f in (x.mean, x.std)], axis=1)


def _edges(x):
    """Absolute differences to the right-hand and lower neighbours, side by side as channels."""
    right = np.abs(np.diff(x, axis=2, append=x[:, :, -1:]))
    down = np.abs(np.diff(x, axis=1, append=x[:, -1:]))
    return np.concatenate([right, down], axis=3)

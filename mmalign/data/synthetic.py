"""The embedded data set: sensor windows whose shared, private and synergistic factors are known.

Every window is a sum of oscillations of random phase. The log-amplitude of each oscillation is one
factor; a factor seen by both sensors is shared, one seen by a single sensor is private. One more
factor, a sign, is carried half by each sensor and readable only from both (synergy): each sensor
shows the sign of its own oscillation's chirp, and the factor is the product of the two signs.
Factors drift slowly from window to window, the private oscillations are the louder ones, and every
subject wears the sensors in their own way (gain, offset, pace). The class is the direction of the
shared factors. As phases are random, no linear function of the samples knows an amplitude.
"""

import numpy as np

from mmalign.data.dataset import TEST, TRAIN, Dataset, Description

WINDOW_S = 2.56
SHARED, PRIVATE = 2, 2  # factors of each kind; private ones per modality

# rate [Hz], channels, unit, and the oscillations' frequencies [Hz] of the shared, private and sign
# factors; emg runs at twice the rate of acc so that nothing may assume one common clock
SENSORS = {
    "acc": (50.0, 3, "m/s^2", (2.0, 8.0), (4.0, 12.0), 18.0),
    "emg": (100.0, 2, "mV", (8.0, 22.0), (14.0, 31.0), 40.0),
}
_SPREAD = 0.8  # log-amplitude per unit of a factor
_LOUDNESS = {"shared": 1.0, "private": 1.2, "sign": 0.5}


def make(*, seed=0, subjects=30, windows=320, test_subjects=8, classes=6, noise=0.15, drift=0.7):
    """The synthetic data set, the same for the same arguments.

    Args:
      seed: of every random draw.
      subjects, test_subjects: people in all, and the last of them, kept for the test.
      windows: of each subject, in four recordings.
      classes: sectors of the plane of the first two shared factors.
      noise: standard deviation of the white noise; an oscillation's typical amplitude is about 1.
      drift: of the factors between neighbouring windows; 0 is a constant, 1 independent windows.
    """
    if not 0 < test_subjects < subjects:
        raise ValueError(f"test_subjects must be in 1..{subjects - 1}, got {test_subjects}")
    if windows < 4 or windows % 4:
        raise ValueError(f"windows must be a multiple of 4 (recordings), got {windows}")
    if classes < 2:
        raise ValueError(f"classes must be 2 or more, got {classes}")
    if not 0 <= drift <= 1:
        raise ValueError(f"drift must be in [0, 1], got {drift}")
    rng = np.random.default_rng(seed)
    n, length = subjects * windows, windows // 4
    names = ("shared", *(f"private_{m}" for m in SENSORS))
    size = lambda name: SHARED if name == "shared" else PRIVATE
    factors = {name: _drifting(rng, n, length, size(name), drift) for name in names}
    signs = {m: rng.choice([-1.0, 1.0], n) for m in SENSORS}
    subject = np.repeat(np.arange(subjects), windows)

    inputs = {}
    for m, (rate_hz, channels, _, *bands) in SENSORS.items():
        levels = {
            "shared": np.exp(_SPREAD * factors["shared"]),
            "private": np.exp(_SPREAD * factors[f"private_{m}"]),
            "sign": np.ones((n, 1)),
        }
        pace = 1 + 0.01 * rng.standard_normal((subjects, 1))[subject]
        time_s = np.arange(round(WINDOW_S * rate_hz)) / rate_hz
        x = noise * rng.standard_normal((n, len(time_s), channels))
        for (kind, level), band in zip(levels.items(), bands):
            for j, hertz in enumerate(np.atleast_1d(band)):
                # the chirp moves by a quarter of its frequency over the window, up or down
                slope = 0.1 * hertz * signs[m][:, None] if kind == "sign" else 0.0
                phase = 2 * np.pi * rng.random((n, 1))
                angle = 2 * np.pi * (hertz * pace + slope * (time_s - WINDOW_S / 2)) * time_s
                wave = _LOUDNESS[kind] * level[:, j, None] * np.sin(angle + phase)
                x += wave[..., None] * _unit(rng.standard_normal(channels))
        gain = np.exp(0.1 * rng.standard_normal((subjects, channels)))[subject]
        offset = 0.1 * rng.standard_normal((subjects, channels))[subject]
        inputs[m] = (x * gain[:, None] + offset[:, None]).astype(np.float32)

    angle = np.arctan2(factors["shared"][:, 1], factors["shared"][:, 0])
    factors["synergy"] = np.prod(list(signs.values()), axis=0)[:, None]
    return Dataset(
        inputs=inputs,
        present={m: np.ones(n, bool) for m in SENSORS},
        label=(np.floor((angle / (2 * np.pi) + 0.5) * classes) % classes).astype(np.int32),
        group=subject.astype(np.int32),
        split=np.where(subject < subjects - test_subjects, TRAIN, TEST).astype(np.int8),
        recording=(np.arange(n) // length).astype(np.int32),
        position=(np.arange(n) % length).astype(np.int32),
        description=Description(
            name="synthetic",
            rate_hz={m: sensor[0] for m, sensor in SENSORS.items()},
            unit={m: sensor[2] for m, sensor in SENSORS.items()},
            channels={m: tuple("xyz"[: sensor[1]]) for m, sensor in SENSORS.items()},
            class_names=tuple(f"sector {i}" for i in range(classes)),
            citation="generated by mmalign",
            licence="Apache-2.0",
        ),
        factors={name: value.astype(np.float32) for name, value in factors.items()},
    )


def _drifting(rng, n, length, size, drift):
    """Stationary AR(1) standard normals [n, size], restarted every `length` rows."""
    fresh = rng.standard_normal((n // length, length, size))
    keep = 1.0 - drift
    for i in range(1, length):
        fresh[:, i] = keep * fresh[:, i - 1] + np.sqrt(1 - keep**2) * fresh[:, i]
    return fresh.reshape(n, size)


def _unit(x):
    return x / np.linalg.norm(x)

"""Augmentations of one time series, `f(key, x, *, knobs) -> x` with x [time, channels].

Pure, with static shapes: jit and vmap them as they are, one key per example (`policy` does). The
shape and dtype of `x` are kept; a float16 or bfloat16 series is computed in float32. A knob that
is not a size may be traced. Each function takes its strongest default from the set that FOCAL
(Liu et al. 2023, arXiv:2310.20071) and InfoMAE (Kimura et al. 2025, arXiv:2504.09707) train with;
where we leave them, the function says so.
"""

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.augment.example import checked_share, one_example, random_band, white_noise
from mmalign.augment.fourier import irdft, rdft, rotate


@one_example("[time, channels] series")
def permutation(key: jax.Array, x: jax.Array, *, interval=None) -> jax.Array:
    """Cuts time in equal intervals and puts them in a random order, the same for all channels.

    `interval` in samples must divide time. None takes the most intervals, up to ten, that leave the
    fewest samples over (the published windows have nine or ten, and leave none); what is left over
    stays at the end.

    The published code permutes intervals after framing, which may overlap by half; here they never
    overlap, so every sample stays in the window exactly once.
    """
    time, channels = x.shape
    if interval is None:
        count, interval = _parts(time)
    elif not 0 < interval <= time or time % interval:
        raise ValueError(
            f"interval {interval} of permutation does not divide a series of {time} samples: give "
            "one in samples that does, or none, which takes the most equal parts"
        )
    else:
        count = time // interval
    cut = count * interval
    order = jax.random.permutation(key, count)
    moved = x[:cut].reshape(-1, interval, channels)[order].reshape(cut, channels)
    return jnp.concatenate([moved, x[cut:]]) if cut < time else moved


def _parts(time):
    """(How many intervals, samples in each) that `permutation` cuts a series in by itself."""
    count = min(range(1, min(time, 10) + 1), key=lambda n: (n == 1, time % n, -n))
    return count, time // count


def negation(key: jax.Array, x: jax.Array) -> jax.Array:
    """-x; for a sensor worn the other way round. Takes a key so that all take one."""
    del key
    return -x


def horizontal_flip(key: jax.Array, x: jax.Array) -> jax.Array:
    """Time runs backwards: the order of intervals and of samples within them is reversed."""
    del key
    return x[::-1]


@one_example("[time, channels] series")
def scaling(key: jax.Array, x: jax.Array, *, std=0.2) -> jax.Array:
    """Multiplies all channels by one number ~ N(1, std^2)."""
    return x * (1 + std * jax.random.normal(key, (), x.dtype))


@one_example("[time, channels] series")
def jitter(key: jax.Array, x: jax.Array, *, std=0.002, value_range=1.0) -> jax.Array:
    """Adds white noise of standard deviation `std * value_range`.

    `value_range` is the span of the modality in the units of x (a 2 g accelerometer in m/s^2:
    19.6); the published noise is 0.2 % of it.
    """
    return white_noise(key, x, std * value_range)


def channel_shuffle(key: jax.Array, x: jax.Array) -> jax.Array:
    """Puts the channels in a random order."""
    return x[:, jax.random.permutation(key, x.shape[1])]


@one_example("[time, channels] series")
def rotation(key: jax.Array, x: jax.Array, *, angle=np.pi) -> jax.Array:
    """Turns tri-axial sensors in space: random axis, angle ~ U(-angle, angle) in radians.

    Channels are triads (x, y, z), all turned alike, as if sitting on one device. Um et al. 2017,
    arXiv:1706.00527; the axis is uniform on the sphere (theirs on the cube), the rotation as a
    whole is not Haar-uniform.
    """
    time, channels = x.shape
    if channels % 3:
        raise ValueError(f"rotation needs channels in triads (x, y, z), got {channels} channels")
    key_axis, key_angle = jax.random.split(key)
    u = jax.random.normal(key_axis, (3,), x.dtype)
    u = u / jnp.linalg.norm(u)
    theta = angle * jax.random.uniform(key_angle, (), x.dtype, -1, 1)
    cross = jnp.cross(jnp.eye(3, dtype=x.dtype), u[None])  # rows: e_i x u, so v @ cross = v x u
    turn = jnp.cos(theta) * jnp.eye(3, dtype=x.dtype)  # Rodrigues
    turn = turn + jnp.sin(theta) * cross + (1 - jnp.cos(theta)) * jnp.outer(u, u)
    triads = x.reshape(time, -1, 3)
    return jnp.matmul(triads, turn, precision="highest").reshape(x.shape)


def time_shift(key: jax.Array, x: jax.Array, *, fraction=0.5) -> jax.Array:
    """Rolls time by a random number of samples, up to `fraction` of the length either way."""
    most = int(checked_share("fraction", fraction) * len(x))
    return jnp.roll(x, jax.random.randint(key, (), -most, most + 1), axis=0)


@one_example("[time, channels] series")
def phase_shift(key: jax.Array, x: jax.Array) -> jax.Array:
    """Adds one angle ~ U(-pi, pi) to the phase of every frequency of the whole series.

    For methods that feed series to their encoders; `spectrogram.phase_shift` is the published
    form. Mean and Nyquist frequency have no phase in a real series and are kept, so magnitudes are
    preserved: an accelerometer keeps its gravity.
    """
    time = len(x)
    angle = jax.random.uniform(key, (), x.dtype, -np.pi, np.pi)
    z = rdft(x)
    has_phase = 2 * np.arange(len(z)) % time != 0
    return irdft(jnp.where(has_phase[:, None], rotate(z, angle), z), time)


@one_example("[time, channels] series")
def frequency_mask(key: jax.Array, x: jax.Array, *, fraction=0.3) -> jax.Array:
    """Takes a random band of frequencies out, up to `fraction` of the one-sided spectrum."""
    z = rdft(x)
    masked = random_band(key, len(z), fraction)
    return irdft(jnp.where(masked[:, None], jnp.zeros((), z.dtype), z), len(x))


def time_mask(key: jax.Array, x: jax.Array, *, fraction=0.3) -> jax.Array:
    """Zeroes a random stretch, up to `fraction` of the series."""
    return jnp.where(random_band(key, len(x), fraction)[:, None], jnp.zeros((), x.dtype), x)

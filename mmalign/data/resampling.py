"""Samples with late, jittered time stamps -> an even clock at another rate."""

import numpy as np

from mmalign.data.gaps import bridged

PASS_BAND = 0.4  # of the new rate: 20 Hz at 50 Hz, where UCI HAR was cut, too
ORDER = 8  # of the low-pass; it runs forth and back, so -6 dB at its edge and no delay
EARLY = 0.25  # of the stamps; on sp-sw-har the rates then differ half as much as with 0.5
JITTER_S = 0.5  # stamps further than this from an even clock mean lost samples


def even_clock(stamps_s: np.ndarray) -> tuple[float, float]:
    """(start_s, rate_hz) of the even clock behind jittered stamps.

    Sensors sample evenly, but a stamp is written when the sample is delivered: in bursts, several
    with one stamp, at times 0.2 s late and never early. Hence a straight line through stamp against
    number, fitted to the quarter of the stamps that is least late.

    Args:
      stamps_s: [n] seconds, not decreasing; n >= 16.
    Raises: ValueError if the stamps fit no even clock.
    """
    number = np.arange(len(stamps_s))
    if len(stamps_s) < 16 or (np.diff(stamps_s) < 0).any() or stamps_s[-1] <= stamps_s[0]:
        raise ValueError(
            f"need at least 16 time stamps in order, got {len(stamps_s)}, "
            f"{np.count_nonzero(np.diff(stamps_s) < 0)} of them earlier than the one before"
        )
    since = stamps_s - stamps_s[0]  # epoch seconds would cost the fit its digits
    early = np.ones(len(since), bool)
    for _ in range(8):
        period, start = np.polyfit(number[early], since[early], 1)
        late = since - (start + period * number)
        early = late <= np.quantile(late, EARLY)
    if np.abs(late).max() > JITTER_S:
        raise ValueError(
            f"time stamps are up to {np.abs(late).max():.2f} s off an even clock: samples are lost"
        )
    return stamps_s[0] + start, 1 / period if period else np.inf  # of stamps that are all but one


def resample(
    values: np.ndarray, start_s: float, rate_hz: float, times_s: np.ndarray, new_rate_hz: float
) -> np.ndarray:
    """Evenly sampled values at other times, after a low-pass that keeps aliases out.

    Args:
      values: [n, channels].
      start_s: time of sample 0.
      rate_hz: of the samples.
      times_s: [m] seconds, inside the sampled range; new_rate_hz apart.
      new_rate_hz: under 1.25 x rate_hz, so that the low-pass has something to cut.
    Returns: float32 [m, channels].
    """
    if not 0 < 2 * PASS_BAND * new_rate_hz < rate_hz:
        raise ValueError(f"cannot bring {rate_hz:.4g} Hz to {new_rate_hz:.4g} Hz: too few samples")
    from scipy.interpolate import CubicSpline  # scipy comes with scikit-learn

    smooth = _low_pass(values, rate_hz, new_rate_hz)
    return CubicSpline(np.arange(len(smooth)), smooth)((times_s - start_s) * rate_hz).astype(
        np.float32
    )


def resample_windows(
    x: np.ndarray, valid: np.ndarray, rate_hz: float, times_s: np.ndarray, new_rate_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Windows at other times since their start; else as `resample`.

    Args:
      x: float [n, time, channels], never read where not valid.
      valid: bool [n, time].
    Returns: (float32 [n, m, channels], zeros where not valid, bool [n, m]). A sample is valid where
      more than half of those are that are nearer to it than to the others.
    """
    n, time, channels = x.shape
    flat = bridged(x, valid).transpose(1, 0, 2).reshape(time, -1)
    made = resample(flat, 0.0, rate_hz, times_s, new_rate_hz)
    made = made.reshape(len(times_s), n, channels).transpose(1, 0, 2)
    place, half = times_s * rate_hz, rate_hz / new_rate_hz / 2
    nearest = np.rint(place).astype(int)  # at a higher rate none may be nearer
    first, end = (np.ceil(place + reach - 1e-6).astype(int) for reach in (-half, half))
    first, end = np.clip(np.minimum(first, nearest), 0, None), np.maximum(end, nearest + 1)
    counts = np.pad(np.cumsum(valid, axis=1), ((0, 0), (1, 0)))
    end = np.minimum(end, time)
    valid = 2 * (counts[:, end] - counts[:, first]) > end - first
    return np.ascontiguousarray(np.where(valid[..., None], made, np.float32(0))), valid


def decimate(values: np.ndarray, rate_hz: float, factor: int) -> np.ndarray:
    """Every `factor`-th sample, from the first, after a low-pass that keeps aliases out.

    Args:
      values: [n, channels], n > 27 if there is something to filter.
      rate_hz: of the samples.
      factor: whole number; 1 returns them as they are.
    Returns: float32 [ceil(n / factor), channels].
    """
    if factor > 1:
        values = _low_pass(values, rate_hz, rate_hz / factor)[::factor]
    return np.array(values, np.float32)


def _low_pass(values, rate_hz, new_rate_hz):
    from scipy.signal import butter, sosfiltfilt

    sections = butter(ORDER, PASS_BAND * new_rate_hz, fs=rate_hz, output="sos")
    return sosfiltfilt(sections, np.asarray(values, np.float64), axis=0)

"""Streams of one device that name a start and a nominal rate: the rates they really have."""

from collections.abc import Mapping

import numpy as np

MOST_DRIFT = 0.005  # of a rate; the streams of Stress-Predict have 0.0015 at most
BLOCK_S = 2.0  # what a device hands over at once: Empatica's temperature comes in blocks of 2 s


def true_rates(streams: Mapping[str, tuple[float, int, float]], where: object) -> dict[str, float]:
    """Samples a second of each stream, such that all of them end together.

    One device stops all its sensors at once, so that a stream which ends later by its nominal rate
    has in truth a faster one. (Measured on 28 people of Stress-Predict whose motion is seen in the
    accelerometer and as a disturbance of the pulse: the second lags behind the first by 1.25 to
    1.5 s at the start, and after 55 minutes by that and 0.91 of the difference of the streams'
    lengths, of which 0.92 was to be expected; correlation 0.96.) The end is the median of the
    nominal ones.
    In a short recording, where a block is more than a drift, rates are the nominal ones.

    Args:
      streams: {name: (start in seconds, samples, nominal rate in Hz)}.
      where: file or recording, for the message.
    Raises: ValueError for a stream that is off by more than MOST_DRIFT and more than a block: it
      was cut off, or samples are lost, and nothing tells where.
    """
    ends = [start + count / rate_hz for start, count, rate_hz in streams.values()]
    end, rates = float(np.median(ends)), {}
    for m, (start, count, rate_hz) in streams.items():
        nominal_s, lasts_s = count / rate_hz, end - start
        drifts = abs(nominal_s - lasts_s) <= MOST_DRIFT * lasts_s
        if not drifts and abs(nominal_s - lasts_s) > BLOCK_S:
            raise ValueError(
                f"{where}: {m} holds {nominal_s:.1f} s of samples at {rate_hz:g} Hz where the "
                f"streams beside it end after {lasts_s:.1f} s: more than a clock drifts "
                f"({100 * MOST_DRIFT:g} %), so samples are lost or it was cut off. Leave the "
                "recording out, or cut all its streams to the time that this one has"
            )
        rates[m] = count / lasts_s if drifts else rate_hz
    return rates


def starts(first_s: float, step_s: float, rate_hz: float, count: int, steps: int) -> np.ndarray:
    """int [windows]: rows at which windows begin that are `step_s` apart on the common clock.

    Args:
      first_s: time of the first window, counted from the stream's first sample.
      rate_hz: as `true_rates` tells it.
      count: rows of the stream. steps: of a window; the last one still fits in.
    """
    most = int(count / (step_s * rate_hz)) + 2
    rows = np.rint((first_s + step_s * np.arange(most)) * rate_hz).astype(int)
    return rows[rows + steps <= count]

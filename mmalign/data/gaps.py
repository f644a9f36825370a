"""Streams with lost samples: short gaps are filled in, long ones are marked or cost the window."""

import numpy as np

from mmalign.data.windows import Windows

# A wireless sensor at 100 Hz loses single packets and bursts of them. A straight line over five
# (60 ms from sample to sample) follows motion below 8 Hz, nearly all of walking; over more, or when
# they pile up in one window, what is learned from would be the line.
LONGEST_GAP = 5  # samples
MOST_FILLED = 0.1  # of the samples of a window


def checked(most_lost: float) -> float:
    """`most_lost`, as a reader's option; ValueError unless it is in [0, 1)."""
    if not 0 <= most_lost < 1:
        raise ValueError(f"most_lost must be in [0, 1), got {most_lost}")
    return float(most_lost)


def mend(values: np.ndarray, longest: int = LONGEST_GAP) -> tuple[np.ndarray, np.ndarray]:
    """A stream with its short gaps filled on straight lines.

    Args:
      values: float [n, channels]; a row with a NaN in any channel is lost.
      longest: rows of a gap that is still filled; longer ones, and those at either end of the
        stream, become NaN in all channels.
    Returns: (float [n, channels], bool [n] which rows were lost).
    """
    lost = np.asarray(np.isnan(values).any(axis=1))
    if not lost.any():
        return values, lost
    values = np.where(lost[:, None], np.asarray(np.nan, values.dtype), values)
    kept, gaps = np.flatnonzero(~lost), np.flatnonzero(lost)
    after = np.searchsorted(kept, gaps)
    inside = (after > 0) & (after < len(kept))
    gaps, after = gaps[inside], after[inside]
    short = gaps[kept[after] - kept[after - 1] - 1 <= longest]
    for c in range(values.shape[1] if len(short) else 0):
        values[short, c] = np.interp(short, kept, values[kept, c])
    return values, lost


def bridged(x: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Windows whose gaps hold straight lines, level at either end, zeros where all is a gap.

    A filter over them sees no edge where samples are lost.

    Args:
      x: float [n, time, channels], anything where not valid.
      valid: bool [n, time].
    """
    some, time = np.asarray(valid.any(axis=1)), np.arange(x.shape[1])
    made = np.where(some[:, None, None], x, x.dtype.type(0))
    rows = np.flatnonzero(some & ~valid.all(axis=1))[:, None]
    there = valid[rows[:, 0]]
    before = np.maximum.accumulate(np.where(there, time, -1), axis=1)
    after = np.minimum.accumulate(np.where(there, time, len(time))[:, ::-1], axis=1)[:, ::-1]
    first, last = np.where(before < 0, after, before), np.where(after == len(time), before, after)
    share = np.clip((time - first) / np.maximum(last - first, 1), 0, 1).astype(x.dtype)[..., None]
    made[rows, time] = (1 - share) * made[rows, first] + share * made[rows, last]
    return made


def cut_out(
    values: np.ndarray, at: np.ndarray, lost: np.ndarray | None = None, *, most_lost: float = 0.0
) -> Windows:
    """The windows of a mended stream.

    A window is whole if no NaN is left in it and no more than MOST_FILLED of its rows were lost:
    all of it counts as valid. Of any other, only the rows that were not lost are valid; it is
    present if `most_lost` allows.

    Args:
      values: float [n, channels].
      at: int [windows, steps], rows of each window.
      lost: bool [n]; None: those that are not finite, where it does not matter how many values were
        filled in.
      most_lost: share of its rows, in [0, 1), that a window which is not whole may have lost; at 0
        all such windows are absent.
    """
    bad = np.asarray(~np.isfinite(values).all(axis=1))
    lost = bad if lost is None else np.asarray(bad | lost)
    share = lost[at].mean(axis=1)
    whole = ~bad[at].any(axis=1) & (share <= MOST_FILLED)
    present = whole | (share <= most_lost)
    valid = (whole[:, None] | ~lost[at]) & present[:, None]
    return Windows(np.where(valid[:, :, None], values[at], 0).astype(np.float32), present, valid)

"""Streams with lost samples: short gaps are filled in, windows with long ones are absent."""

import numpy as np

# A wireless sensor at 100 Hz loses single packets and bursts of them. A straight line over five
# (60 ms from sample to sample) follows motion below 8 Hz, nearly all of walking; over more, or when
# they pile up in one window, what is learned from would be the line.
LONGEST_GAP = 5  # samples
MOST_LOST = 0.1  # of the samples of a window


def mend(values, longest=LONGEST_GAP):
    """A stream with its short gaps filled on straight lines.

    Args:
      values: float [n, channels]; a row with a NaN in any channel is lost.
      longest: rows of a gap that is still filled; longer ones, and those at either end of the
        stream, become NaN in all channels.
    Returns: (float [n, channels], bool [n] which rows were lost).
    """
    lost = np.isnan(values).any(axis=1)
    if not lost.any():
        return values, lost
    values = np.where(lost[:, None], np.asarray(np.nan, values.dtype), values)
    known, gaps = np.flatnonzero(~lost), np.flatnonzero(lost)
    after = np.searchsorted(known, gaps)
    inside = (after > 0) & (after < len(known))
    gaps, after = gaps[inside], after[inside]
    short = gaps[known[after] - known[after - 1] - 1 <= longest]
    for c in range(values.shape[1] if len(short) else 0):
        values[short, c] = np.interp(short, known, values[known, c])
    return values, lost


def whole(values, at, lost=None):
    """The windows of a mended stream and which of them are present.

    A window is absent if a NaN is left in it, or more than MOST_LOST of its rows were lost.

    Args:
      values: float [n, channels].
      at: int [windows, steps], rows of each window.
      lost: bool [n]; None where it does not matter how many values were filled in.
    Returns: (float32 [windows, steps, channels], zeros where absent; bool [windows]).
    """
    bad = ~np.isfinite(values).all(axis=1)
    present = ~bad[at].any(axis=1)
    if lost is not None:
        present &= lost[at].mean(axis=1) <= MOST_LOST
    windows = values[at].astype(np.float32)
    windows[~present] = 0
    return windows, present

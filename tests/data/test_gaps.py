"""Short gaps are filled, windows with long ones are absent."""

import numpy as np

from mmalign.data.gaps import LONGEST_GAP, MOST_LOST, mend, whole
from mmalign.data.windows import cut


def ramp(n, *lost):
    """[n, 2] floats, 10 i and -i, with the slices of `lost` gone."""
    values = np.arange(n)[:, None] * np.array([10.0, -1.0])
    for gap in lost:
        values[gap] = np.nan
    return values


def test_gaps_up_to_the_longest_are_filled_on_a_line():
    values, lost = mend(ramp(30, slice(4, 7), slice(20, 21)), longest=3)
    np.testing.assert_allclose(values, ramp(30))
    np.testing.assert_array_equal(np.flatnonzero(lost), [4, 5, 6, 20])


def test_longer_gaps_and_the_ends_stay_open():
    values, lost = mend(ramp(30, slice(0, 2), slice(10, 14), slice(29, 30)), longest=3)
    want = np.zeros(30, bool)
    want[[0, 1, 10, 11, 12, 13, 29]] = True
    np.testing.assert_array_equal(np.isnan(values), np.stack([want, want], axis=1))
    np.testing.assert_array_equal(lost, want)


def test_one_lost_channel_loses_the_row():
    broken = ramp(30)
    broken[5, 0] = np.nan
    broken[10:20, 1] = np.nan
    values, lost = mend(broken, longest=3)
    np.testing.assert_allclose(values[5], [50, -5])
    assert np.isnan(values[10:20]).all() and lost.sum() == 11
    assert not np.isnan(broken[10:20, 0]).any()  # what came in is left alone


def test_stream_without_gaps_or_without_samples_comes_back():
    values, lost = mend(ramp(5))
    np.testing.assert_array_equal(values, ramp(5))
    assert not lost.any()
    values, lost = mend(np.full((5, 1), np.nan, np.float32))
    assert np.isnan(values).all() and lost.all() and values.dtype == np.float32


def test_window_with_an_open_gap_is_absent_and_zero():
    values, lost = mend(ramp(30, slice(12, 13 + LONGEST_GAP)))
    windows, present = whole(values, cut(30, 10, 10), lost)
    np.testing.assert_array_equal(present, [True, False, True])
    assert windows.dtype == np.float32 and not windows[1].any()
    np.testing.assert_array_equal(windows[2], ramp(30)[20:])


def test_window_of_which_too_much_was_filled_is_absent():
    every = [slice(i, i + 1) for i in range(21, 40, 3)]  # single rows, 7 of the last 20
    values, lost = mend(ramp(60, slice(2, 4), *every))
    assert not np.isnan(values).any()
    at = cut(60, 20, 20)
    assert lost[at].mean(axis=1).tolist() == [MOST_LOST, 0.35, 0.0]
    np.testing.assert_array_equal(whole(values, at, lost)[1], [True, False, True])
    assert whole(values, at)[1].all()  # for streams that are sparse by nature


def test_infinite_values_make_a_window_absent():
    values = ramp(20)
    values[15] = np.inf
    np.testing.assert_array_equal(whole(values, cut(20, 10, 10))[1], [True, False])

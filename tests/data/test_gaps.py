"""Short gaps are filled, windows with long ones are absent, or used where they are valid."""

import numpy as np
import pytest

from mmalign.data.gaps import LONGEST_GAP, MOST_FILLED, bridged, checked, cut_out, mend
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
    windows = cut_out(values, cut(30, 10, 10), lost)
    np.testing.assert_array_equal(windows.present, [True, False, True])
    assert windows.values.dtype == np.float32 and not windows.values[1].any()
    np.testing.assert_array_equal(windows.values[2], ramp(30)[20:])
    np.testing.assert_array_equal(windows.valid.all(axis=1), windows.present)
    np.testing.assert_array_equal(windows.valid.any(axis=1), windows.present)


EVERY = [slice(i, i + 1) for i in range(21, 40, 3)]  # single rows, 7 of the last 20


def test_window_of_which_too_much_was_filled_is_absent():
    values, lost = mend(ramp(60, slice(2, 4), *EVERY))
    assert not np.isnan(values).any()
    at = cut(60, 20, 20)
    assert lost[at].mean(axis=1).tolist() == [MOST_FILLED, 0.35, 0.0]
    np.testing.assert_array_equal(cut_out(values, at, lost).present, [True, False, True])
    assert cut_out(values, at).present.all()  # for streams that are sparse by nature


def test_infinite_values_make_a_window_absent():
    values = ramp(20)
    values[15] = np.inf
    at = cut(20, 10, 10)
    np.testing.assert_array_equal(cut_out(values, at).present, [True, False])
    windows = cut_out(values, at, most_lost=0.1)
    np.testing.assert_array_equal(np.argwhere(~windows.valid), [[1, 5]])
    assert np.isfinite(windows.values).all()


def test_windows_with_gaps_are_used_up_to_the_share_that_may_be_lost():
    # 7 single rows of the second window, 10 rows of the third, all of the last
    values, lost = mend(ramp(80, slice(2, 4), *EVERY, slice(45, 55), slice(60, 80)))
    at = cut(80, 20, 20)
    for most_lost, present in (
        (0.0, [0]),
        (0.34, [0]),
        (0.35, [0, 1]),
        (0.5, [0, 1, 2]),
        (0.99, [0, 1, 2]),
    ):
        windows = cut_out(values, at, lost, most_lost=most_lost)
        np.testing.assert_array_equal(np.flatnonzero(windows.present), present)
        assert not windows.values[~windows.valid].any()
        np.testing.assert_array_equal(windows.valid.any(axis=1), windows.present)
        # what was filled in counts in a whole window, and in no other
        assert windows.valid[0].all()
        for i in present[1:]:
            np.testing.assert_array_equal(windows.valid[i], ~lost[at[i]])
            real = windows.valid[i]
            np.testing.assert_array_equal(windows.values[i][real], ramp(80)[at[i]][real])


def test_raising_the_share_leaves_whole_windows_as_they_are():
    rng = np.random.default_rng(0)
    stream = rng.normal(size=(2000, 3)).astype(np.float32)
    stream[rng.random(2000) < 0.08] = np.nan
    values, lost = mend(stream, longest=2)
    at = cut(2000, 50, 25)
    few, more = (cut_out(values, at, lost, most_lost=x) for x in (0.0, 0.5))
    assert 0.1 < few.present.mean() < 0.9 and more.present.all()
    np.testing.assert_array_equal(more.values[few.present], few.values[few.present])
    assert more.valid[few.present].all() and not more.valid[~few.present].all(axis=1).any()


@pytest.mark.parametrize("most_lost", [-0.1, 1, 1.5])
def test_a_window_without_a_sample_cannot_be_asked_for(most_lost):
    with pytest.raises(ValueError, match=rf"most_lost must be in \[0, 1\), got {most_lost}"):
        checked(most_lost)
    assert checked(0) == 0.0


def test_bridges_are_lines_level_at_the_ends_whatever_is_under_them():
    valid = np.array([[0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]], bool)
    x = np.tile(np.arange(6.0), (3, 1))[..., None]
    x[0], x[2] = np.where(valid[0][:, None], x[0], np.nan), np.inf
    made = bridged(x, valid)[..., 0]
    np.testing.assert_allclose(made, [[1, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5], [0] * 6])

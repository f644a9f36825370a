"""Streams that end together hold as many samples as their real rates give."""

import numpy as np
import pytest

from mmalign.data.drift import starts, true_rates


def test_streams_that_end_together_have_the_rates_that_say_so():
    real = {"bvp": 64.05, "acc": 31.98, "eda": 4.0}
    nominal = {"bvp": 64.0, "acc": 32.0, "eda": 4.0}
    streams = {m: (0.0, round(3300 * real[m]), nominal[m]) for m in real}
    rates = true_rates(streams, "S01")
    for m in real:
        assert rates[m] == pytest.approx(real[m], rel=1e-5)


def test_windows_of_all_streams_begin_at_one_time_to_the_last():
    real = {"bvp": 64.1, "acc": 31.95}
    times = {m: np.arange(round(3300 * hz)) / hz for m, hz in real.items()}
    begun = [
        times[m][starts(2.0, 10.0, hz, len(times[m]), round(10 * hz))] for m, hz in real.items()
    ]
    n = min(map(len, begun))
    assert n == 329
    for at in begun:
        np.testing.assert_allclose(at[:n], 2 + 10 * np.arange(n), atol=0.5 / 31.95 + 1e-9)


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_without_drift_windows_are_those_of_the_rate(overlap):
    step = 640 * (1 - overlap)
    found = starts(0.0, step / 64, 64.0, 6400, 640)
    np.testing.assert_array_equal(found, np.arange(0, 6400 - 640 + 1, step))


def test_a_block_more_in_a_short_recording_is_no_drift():
    streams = {"a": (0.0, 45 * 64, 64.0), "b": (0.0, 45 * 4, 4.0), "c": (0.0, 186, 4.0)}
    rates = true_rates(streams, "")
    assert rates == {"a": 64.0, "b": 4.0, "c": 4.0}


@pytest.mark.parametrize("share", [0.95, 0.5, 0.0])
def test_lost_samples_are_named_with_the_seconds_they_leave(share):
    streams = {"bvp": (0.0, int(share * 3300 * 64), 64.0), "acc": (0.0, 3300 * 32, 32.0),
               "eda": (0.0, 3300 * 4, 4.0)}  # fmt: skip
    with pytest.raises(ValueError, match=rf"S07: bvp holds {3300 * share:.1f} s .* after 3300.0 s"):
        true_rates(streams, "S07")

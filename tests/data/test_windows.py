"""Windows of recordings: rows, labels, stretches, and the data set of all of them."""

import numpy as np
import pytest

from mmalign.data.dataset import TEST, TRAIN, Description
from mmalign.data.windows import Part, Windows, cut, hop, joined, majority, samples, segments

ABOUT = Description(name="toy", rate_hz={"a": 1.0, "b": 2.0}, unit={}, channels={})


def part(n, split, *, group=1, absent=(), gaps=()):
    """n windows of two modalities of unequal length; `absent`, `gaps` (modality, window)."""
    number = np.arange(n, dtype=np.float32)[:, None, None]
    values = {"a": number + np.zeros((4, 1), np.float32), "b": number + np.ones((8, 2), np.float32)}
    windows = {
        m: Windows(x, np.ones(n, bool), np.ones(x.shape[:2], bool)) for m, x in values.items()
    }
    for m, i in absent:
        windows[m].present[i] = windows[m].valid[i] = False
    for m, i in gaps:
        windows[m].valid[i, 1:3] = False
    return Part(windows, np.arange(n), group, split)


def test_windows_start_every_hop_and_end_inside():
    np.testing.assert_array_equal(cut(7, 3, 2), [[0, 1, 2], [2, 3, 4], [4, 5, 6]])
    np.testing.assert_array_equal(cut(8, 4, 4), [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert cut(8, 3, 2).shape == (3, 3)  # the last row is left over
    assert cut(2, 3, 1).shape == (0, 3)
    assert cut(3, 3, 5).shape == (1, 3)


def test_durations_must_be_whole_samples():
    assert samples(10.0, 64.0, "bvp") == 640
    assert samples(0.1, 30, "x") == 3  # not 3.0000000000000004
    with pytest.raises(ValueError, match=r"eda: 0.3 s are no whole number of samples at 4.0 Hz"):
        samples(0.3, 4.0, "eda")
    with pytest.raises(ValueError, match="no whole number"):
        samples(0.0, 4.0, "eda")


def test_hop_is_what_windows_do_not_share():
    assert (hop(128, 0.5), hop(512, 0), hop(40, 0.9)) == (64, 512, 4)
    for overlap in (1.0, -0.1):
        with pytest.raises(ValueError, match=r"overlap must be in \[0, 1\)"):
            hop(128, overlap)
    with pytest.raises(ValueError, match=r"windows of 128 rows with overlap=0\.3"):
        hop(128, 0.3)


def test_majority_counts_the_unknown_too():
    codes = np.array([[0, 0, 1, -1], [-1, -1, -1, 2], [1, 1, 2, 2], [2, 2, 2, 2]])
    label, share = majority(codes, 3)
    np.testing.assert_array_equal(label, [0, -1, 1, 2])
    np.testing.assert_array_equal(share, [0.5, 0.75, 0.5, 1.0])
    assert label.dtype == np.int32
    label, share = majority(codes.reshape(2, 4, 2), 3)  # all but the first axis are counted
    np.testing.assert_array_equal(label, [-1, 2])
    np.testing.assert_array_equal(share, [0.5, 0.75])
    assert majority(np.zeros((0, 4), int), 3)[0].shape == (0,)


def test_segments_end_where_any_column_changes():
    a, b = np.array([1, 1, 1, 2, 2, 1]), np.array([0, 0, 5, 5, 5, 5])
    assert segments(a) == [(0, 3), (3, 5), (5, 6)]
    assert segments(a, b) == [(0, 2), (2, 3), (3, 5), (5, 6)]


def test_joined_keeps_order_and_leaves_out_what_is_wholly_absent():
    gone = [("a", 1), ("b", 1), ("b", 2)]
    data = joined("zip", [part(3, TRAIN, group=7, absent=gone), part(2, TEST, group=4)], ABOUT)
    assert data.modalities == ("a", "b")
    assert data.inputs["a"].shape == (4, 4, 1) and data.inputs["b"].shape == (4, 8, 2)
    np.testing.assert_array_equal(data.inputs["a"][:, 0, 0], [0, 2, 0, 1])
    np.testing.assert_array_equal(data.present["b"], [True, False, True, True])
    np.testing.assert_array_equal(data.label, [0, 2, 0, 1])
    np.testing.assert_array_equal(data.position, [0, 2, 0, 1])
    np.testing.assert_array_equal(data.recording, [0, 0, 1, 1])
    np.testing.assert_array_equal(data.group, [7, 7, 4, 4])
    np.testing.assert_array_equal(data.split, [TRAIN, TRAIN, TEST, TEST])
    for name in ("label", "group", "recording", "position"):
        assert getattr(data, name).dtype == np.int32
    assert data.split.dtype == np.int8 and data.inputs["a"].dtype == np.float32
    assert data.valid == {} and [*data.targets] == ["label"]


def test_joined_tells_valid_samples_of_modalities_with_gaps_alone():
    parts = [
        part(3, TRAIN, absent=[("a", 1), ("b", 1), ("b", 0)]),
        part(2, TEST, absent=[("a", 0)], gaps=[("b", 1)]),
    ]
    data = joined("zip", parts, ABOUT)
    assert [*data.valid] == ["b"] and data.valid["b"].shape == (4, 8)
    np.testing.assert_array_equal(data.valid["b"].sum(axis=1), [0, 8, 8, 6])


def test_joined_refuses_what_cannot_be_trained_or_tested():
    with pytest.raises(ValueError, match="zip: no window is left for test"):
        joined("zip", [part(3, TRAIN), part(0, TEST)], ABOUT)
    with pytest.raises(ValueError, match="zip: no window is left for training"):
        joined("zip", [part(3, TEST)], ABOUT)
    with pytest.raises(ValueError, match="zip: b is present in no training window"):
        joined("zip", [part(1, TRAIN, absent=[("b", 0)]), part(3, TEST)], ABOUT)

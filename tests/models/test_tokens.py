"""Which tokens hold a sample."""

import numpy as np

from mmalign.models.tokens import grid_mask, token_mask


def test_a_token_holds_a_sample_if_any_of_its_rows_is_valid():
    valid = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]], bool)
    mask, keep = token_mask(valid, valid.shape, 3, 4)  # rows 0-2, 3-5, 6, and padding
    np.testing.assert_array_equal(mask, [[1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    # padding counts as it does without gaps
    np.testing.assert_array_equal(keep, [[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]])
    mask, keep = token_mask(None, valid.shape, 3, 4)
    np.testing.assert_array_equal(mask, [[1, 1, 1, 0]] * 3)
    assert keep is None


def test_rows_that_no_token_stands_for_are_left_out():
    valid = np.array([[0, 0, 0, 0, 1]], bool)
    np.testing.assert_array_equal(token_mask(valid, (1, 5), 2, 2)[0], [[0, 0]])


def test_columns_of_padding_hold_no_sample():
    valid = np.array([[1, 0, 0, 0]], bool)
    mask, keep = grid_mask(valid, 1, (4, 5), (2, 3), (2, 3))
    np.testing.assert_array_equal(mask.reshape(2, 3), [[1, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(keep.reshape(2, 3), [[1, 1, 1], [0, 0, 1]])
    mask, keep = grid_mask(None, 2, (4, 5), (2, 3), (2, 3))
    np.testing.assert_array_equal(mask.reshape(2, 2, 3), [[[1, 1, 0]] * 2] * 2)
    assert keep is None

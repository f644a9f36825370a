"""Labelled subsets are nested and complete; held-out subjects stay on one side."""

import itertools

import numpy as np
import pytest

from mmalign.data.samplers import labelled_subset
from mmalign.evaluation import hold_out_groups


def test_smaller_fractions_lie_inside_larger_ones(rng):
    label = rng.integers(-1, 5, 2000)
    candidates = np.arange(300, 1800)
    subsets = [set(labelled_subset(label, candidates, f, 3)) for f in (0.01, 0.1, 0.5, 1.0)]
    assert all(a < b for a, b in itertools.pairwise(subsets))
    assert subsets[-1] == {i for i in candidates if label[i] >= 0}


def test_every_class_keeps_its_share_and_at_least_one_window():
    label = np.repeat([0, 1, 2], [1000, 100, 1])
    rows = labelled_subset(label, np.arange(1101), 0.02, 0)
    assert np.bincount(label[rows]).tolist() == [20, 2, 1]


def test_a_class_is_drawn_alike_whatever_other_classes_there_are():
    label = np.repeat([0, 1], 50)
    alone = labelled_subset(label, np.arange(50), 0.2, 1)
    both = labelled_subset(label, np.arange(100), 0.2, 1)
    assert set(alone) == set(both[both < 50])


def test_seeds_draw_different_windows_and_a_mask_names_rows_too():
    label = np.zeros(100, int)
    draw = lambda seed: labelled_subset(label, np.arange(100) < 60, 0.2, seed)
    assert draw(0).max() < 60
    assert set(draw(0)) != set(draw(1))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5])
def test_a_fraction_outside_its_range_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction must lie in"):
        labelled_subset(np.zeros(5, int), np.arange(5), fraction, 0)


def test_no_labelled_candidate_is_refused():
    with pytest.raises(ValueError, match="no labelled window"):
        labelled_subset(np.full(5, -1), np.arange(5), 1.0, 0)


def test_no_subject_is_on_both_sides_and_no_row_is_lost(rng):
    group, label = rng.integers(0, 20, 400), rng.integers(0, 4, 400)
    rows = np.arange(100, 400)
    fit, validation, by = hold_out_groups(group, rows, 0, label=label)
    assert by == "group"
    assert not set(group[fit]) & set(group[validation])
    assert len(set(group[validation])) == 5
    assert sorted([*fit, *validation]) == rows.tolist()


def test_a_subject_with_the_only_windows_of_a_class_is_fitted_on():
    group = np.repeat(np.arange(8), 10)
    label = np.where(group == 3, 1, 0)
    for seed in range(20):
        held = hold_out_groups(group, np.arange(80), seed, 0.5, label=label)
        assert held.by == "group"
        assert 3 not in group[held.validation]


@pytest.mark.parametrize("only", [4, -1])
def test_a_single_or_unknown_subject_falls_back_to_windows(only):
    label = np.arange(40) % 2
    fit, validation, by = hold_out_groups(np.full(40, only), np.arange(40), 0, label=label)
    assert by == "window"
    assert len(validation) == 10
    assert set(label[fit]) == {0, 1}


def test_one_window_a_class_leaves_nothing_to_choose_on():
    held = hold_out_groups(np.zeros(3, int), np.arange(3), 0, label=np.arange(3))
    assert held.by == "nothing"
    assert len(held.fit) == 3 and len(held.validation) == 0

"""Scores by person are those of the windows."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mmalign.evaluation import people


def test_counts_are_those_of_each_person_s_windows(rng, draw):
    label, predictions, group = draw(rng)
    taken = people.by_person(label, predictions, group, 4)
    assert taken["people"] == list(range(100, 109))
    counts = people.confusions(taken, 4)
    for i, person in enumerate(taken["people"]):
        of = group == person
        want = np.zeros((4, 4), int)
        np.add.at(want, (label[of], predictions[of]), 1)
        np.testing.assert_array_equal(counts[i], want)


def test_scores_of_counts_are_those_of_scikit_learn(rng, draw, counts_of):
    label, predictions, group = draw(rng)
    label = np.where(label == 2, 3, label)  # a class that no window has, and some are taken for
    accuracy, f1 = people.accuracy_and_f1(counts_of(label, predictions, group).sum(axis=0))
    assert accuracy == pytest.approx(np.mean(label == predictions))
    want = f1_score(label, predictions, labels=np.unique(label), average="macro")
    assert f1 == pytest.approx(want)


def test_whom_nobody_knows_is_no_person_unless_there_is_no_other(rng, draw):
    label, predictions, group = draw(rng)
    some = np.where(group < 103, -1, group)
    taken = people.by_person(label, predictions, some, 4)
    want = people.confusions(people.by_person(label, predictions, group, 4), 4)
    np.testing.assert_array_equal(people.known(taken, 4), want[3:])
    nobody = people.by_person(label, predictions, np.full_like(group, -1), 4)
    np.testing.assert_array_equal(people.known(nobody, 4), want.sum(axis=0)[None])

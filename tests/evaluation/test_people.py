"""Scores by person, and intervals that hold what they should."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mmalign.evaluation import people
from mmalign.evaluation.intervals import difference, intervals


def draw(rng, count=9, each=40, classes=4, skill=0.7, spread=0.15):
    """Labels, predictions, people: everybody is recognised as well as they happen to be."""
    group = np.repeat(np.arange(100, 100 + count), each)
    label = rng.integers(0, classes, len(group))
    hit = (
        rng.random(len(group))
        < np.clip(skill + spread * rng.standard_normal(count), 0, 1)[group - 100]
    )
    return label, np.where(hit, label, rng.integers(0, classes, len(group))), group


def counts_of(label, predictions, group, classes=4):
    return people.confusions(people.by_person(label, predictions, group, classes), classes)


def test_counts_are_those_of_each_person_s_windows(rng):
    label, predictions, group = draw(rng)
    taken = people.by_person(label, predictions, group, 4)
    assert taken["people"] == list(range(100, 109))
    counts = people.confusions(taken, 4)
    for i, person in enumerate(taken["people"]):
        of = group == person
        want = np.zeros((4, 4), int)
        np.add.at(want, (label[of], predictions[of]), 1)
        np.testing.assert_array_equal(counts[i], want)


def test_scores_of_counts_are_those_of_scikit_learn(rng):
    label, predictions, group = draw(rng)
    label = np.where(label == 2, 3, label)  # a class that no window has, and some are taken for
    accuracy, f1 = people.accuracy_and_f1(counts_of(label, predictions, group).sum(axis=0))
    assert accuracy == pytest.approx(np.mean(label == predictions))
    want = f1_score(label, predictions, labels=np.unique(label), average="macro")
    assert f1 == pytest.approx(want)


@pytest.mark.parametrize("count", [6, 20])
def test_an_interval_holds_the_truth_as_often_as_it_says(rng, count):
    truth = people.accuracy_and_f1(counts_of(*draw(rng, 4000)).sum(axis=0))
    held = np.zeros(2)
    for _ in range(200):
        found = intervals(counts_of(*draw(rng, count)))
        for i, metric in enumerate(("accuracy", "macro_f1")):
            held[i] += found[metric][0] <= truth[i] <= found[metric][1]
    assert (held >= 0.90 * 200).all() and (held < 200).all()


def test_a_difference_is_narrower_than_the_scores_that_it_is_of(rng):
    """The same people are hard for both, which a paired difference leaves out."""
    label, predictions, group = draw(rng, 12, spread=0.3)
    worse = np.where(rng.random(len(label)) < 0.1, (label + 1) % 4, predictions)
    first, second = counts_of(label, predictions, group), counts_of(label, worse, group)
    low, high = difference(first, second)["accuracy"]
    assert 0 < low < np.mean(label == predictions) - np.mean(label == worse) < high
    alone = intervals(first)["accuracy"]
    assert high - low < 0.5 * (alone[1] - alone[0])
    assert difference(first, first)["macro_f1"] == (0.0, 0.0)


def test_of_a_single_person_nothing_is_concluded(rng):
    counts = counts_of(*draw(rng, 1))
    assert intervals(counts) is None and difference(counts, counts) is None

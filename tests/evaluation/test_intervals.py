"""Intervals hold what they should, over people and over seeds."""

import numpy as np
import pytest

from mmalign.evaluation import intervals, people


def compared(rng, seeds, count, ahead, between, classes=4, each=15):
    """Counts of two methods, [2, seeds, people, true class, predicted class].

    The second one is `ahead` in log odds of taking a window rightly. People are hard for both, and
    for each method harder than for the other; a seed is luckier than another by `between`.
    """
    odds = rng.normal(1.0, 0.6, count) + rng.normal(0, 0.3, (2, 1, count))
    odds = odds + rng.normal(0, between, (2, seeds, 1)) + rng.normal(0, 0.1, (2, seeds, count))
    right = 1 / (1 + np.exp(-odds - np.array([0, ahead])[:, None, None]))
    counts = np.zeros((2, seeds, count, classes, classes))
    for true in range(classes):
        counts[..., true, true] = hits = rng.binomial(each, right)
        others = [c for c in range(classes) if c != true]
        counts[..., true, others] = rng.multinomial(each - hits, [1 / len(others)] * len(others))
    return counts


CASES = [(1, 6, 0.5, 0), (3, 6, 0, 0.15), (3, 9, 0.5, 0.4)]


@pytest.mark.parametrize(("seeds", "count", "ahead", "between"), CASES)
def test_of_a_hundred_intervals_of_a_difference_about_95_hold_it(
    monkeypatch, rng, seeds, count, ahead, between
):
    """Methods that do not differ, and those that do; few people and seeds among the cases."""
    monkeypatch.setattr(intervals, "DRAWS", 100)
    first, second = compared(rng, 400, 400, ahead, between)  # as good as everybody and any seed
    pooled = lambda counts: people.accuracy_and_f1(counts.sum(axis=1))[1].mean()
    truth, held = pooled(second) - pooled(first) if ahead else 0.0, 0
    for _ in range(1000):
        first, second = compared(rng, seeds, count, ahead, between)
        low, high = intervals.difference(second, first)["macro_f1"]
        held += low <= truth <= high
    assert 930 <= held <= 970


@pytest.mark.parametrize("count", [6, 20])
def test_an_interval_holds_the_truth_as_often_as_it_says(rng, count, draw, counts_of):
    truth = people.accuracy_and_f1(counts_of(*draw(rng, 4000)).sum(axis=0))
    held = np.zeros(2)
    for _ in range(200):
        found = intervals.intervals(counts_of(*draw(rng, count)))
        for i, metric in enumerate(("accuracy", "macro_f1")):
            held[i] += found[metric][0] <= truth[i] <= found[metric][1]
    assert (held >= 0.90 * 200).all() and (held < 200).all()


def test_a_difference_is_narrower_than_the_scores_that_it_is_of(rng, draw, counts_of):
    """The same people are hard for both, which a paired difference leaves out."""
    label, predictions, group = draw(rng, 12, spread=0.3)
    worse = np.where(rng.random(len(label)) < 0.1, (label + 1) % 4, predictions)
    first, second = counts_of(label, predictions, group), counts_of(label, worse, group)
    low, high = intervals.difference(first, second)["accuracy"]
    assert 0 < low < np.mean(label == predictions) - np.mean(label == worse) < high
    alone = intervals.intervals(first)["accuracy"]
    assert high - low < 0.5 * (alone[1] - alone[0])
    assert intervals.difference(first, first)["macro_f1"] == (0.0, 0.0)


def test_of_a_single_person_nothing_is_concluded(rng, draw, counts_of):
    counts = counts_of(*draw(rng, 1))
    assert intervals.intervals(counts) is None and intervals.difference(counts, counts) is None


def test_seeds_that_differ_widen_the_interval_and_alike_ones_do_not(rng, draw, counts_of):
    counts = counts_of(*draw(rng))
    alone = intervals.intervals(counts)
    same = intervals.intervals(np.stack([counts] * 3))
    assert same["accuracy"] == pytest.approx(alone["accuracy"])
    worse = counts_of(*draw(rng, skill=0.5))
    low, high = intervals.intervals(np.stack([counts, worse, counts]))["accuracy"]
    assert high - low > 1.3 * (alone["accuracy"][1] - alone["accuracy"][0])


def test_of_a_single_person_seeds_alone_can_tell(rng, draw, counts_of):
    several = np.stack([counts_of(*draw(rng, 1)) for _ in range(4)])
    low, high = intervals.intervals(several)["accuracy"]
    scores = people.accuracy_and_f1(several.sum(axis=1))[0]
    assert low < scores.min() or high > scores.max()
    assert (low + high) / 2 == pytest.approx(scores.mean())


def test_only_the_same_people_and_seeds_are_compared(rng, draw, counts_of):
    with pytest.raises(ValueError, match=r"same seeds and people.*\(1, 9\) and \(1, 8\)"):
        intervals.difference(counts_of(*draw(rng)), counts_of(*draw(rng, 8)))

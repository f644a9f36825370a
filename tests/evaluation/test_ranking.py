"""Rows in order, over seeds and folds of people."""

import numpy as np
import pytest

from mmalign.evaluation import people
from mmalign.evaluation.ranking import gap, standings


def record(rng, row, skill, seed=0, fold=None, part="joint", protocol="linear", count=9):
    """Of a row that takes so many of each person's windows rightly."""
    group = np.repeat(np.arange(count) + 100 * (fold or 0), 40)
    label = rng.integers(0, 3, len(group))
    guess = np.where(rng.random(len(group)) < skill, label, (label + 1) % 3)
    taken = people.by_person(label, guess, group, 3)
    confusion = people.confusions(taken, 3).sum(axis=0).tolist()
    return {"row": row, "part": part, "protocol": protocol, "seed": seed, "fold": fold,
            "confusion": confusion, **taken}  # fmt: skip


def test_the_best_is_first_and_what_cannot_be_told_from_it_is_level(rng):
    records = [record(rng, row, skill) for row, skill in
               (("worse", 0.5), ("best", 0.9), ("same", 0.9), ("network", 0.7))]  # fmt: skip
    records[3]["protocol"] = "network"
    noise = [record(rng, "best", 0.99, part="acc"), record(rng, "worse", 0.99, protocol="knn")]
    found = standings(records + noise)
    assert {found[0].row, found[1].row} == {"best", "same"}
    assert [s.row for s in found[2:]] == ["network", "worse"]
    assert [s.level["macro_f1"] for s in found] == [True, True, False, False]
    assert found[0].behind["accuracy"] == (0.0, (0.0, 0.0))
    behind, (low, high) = found[3].behind["macro_f1"]
    assert 0.3 < low < behind < high < 0.6
    assert found[3].interval["macro_f1"][0] < found[3].mean["macro_f1"]
    assert found[3].deviation["macro_f1"] == 0.0


def test_seeds_are_averaged_and_folds_are_put_together(rng):
    records = [
        record(rng, row, skill + 0.1 * seed, seed, fold)
        for row, skill in (("a", 0.6), ("b", 0.7)) for seed in (0, 1) for fold in (0, 1)
    ]  # fmt: skip
    best, other = standings(records)
    assert (best.row, other.row) == ("b", "a")
    assert best.mean["accuracy"] == pytest.approx(0.75, abs=0.03)
    assert 0.03 < best.deviation["accuracy"] < 0.11
    distance, interval = gap(records, "b", "a")
    assert other.behind["macro_f1"] == (pytest.approx(distance), interval)
    with pytest.raises(ValueError, match="row 'a' are of different folds"):
        standings(records[1:])


def test_of_a_single_person_nothing_is_said_and_all_are_level(rng):
    found = standings([record(rng, row, skill, count=1) for row, skill in (("a", 0.9), ("b", 0.3))])
    assert found[1].interval["accuracy"] is None and found[1].behind["accuracy"][1] is None
    assert all(s.level["macro_f1"] for s in found)


def test_nothing_to_rank_is_said(rng):
    with pytest.raises(ValueError, match="no record of a joint embedding"):
        standings([record(rng, "a", 0.5, protocol="knn")])


def test_intervals_are_of_people_who_are_known_and_means_of_all_windows(rng):
    a, b = record(rng, "a", 0.9), record(rng, "b", 0.5)
    found = standings([a, b])
    of_nobody = [r | {"people": [-1, *r["people"][1:]]} for r in (a, b)]
    some = standings(of_nobody)
    assert [s.mean for s in some] == [s.mean for s in found]
    rest = [
        r | {"people": r["people"][1:], "taken": [[who - 1, *of] for who, *of in r["taken"] if who]}
        for r in (a, b)
    ]
    assert [s.interval for s in some] == [s.interval for s in standings(rest)]
    assert gap(of_nobody, "a", "b")[0] == gap([a, b], "a", "b")[0]
    assert gap(of_nobody, "a", "b")[1] == gap(rest, "a", "b")[1]

"""Folds of subjects in place of a data set's own split."""

import dataclasses

import numpy as np
import pytest

from mmalign.data import catalogue, folds, synthetic

TINY = {"subjects": 7, "windows": 4, "test_subjects": 2}


@pytest.fixture(scope="module")
def dataset():
    return synthetic.make(**TINY)


def held_out(dataset, count, fold, **kwargs):
    split = folds.hold_out(dataset, count, fold, **kwargs).split
    assert split.dtype == np.int8 and set(split) == {0, 1}
    out, rest = (set(dataset.group[split == side]) for side in (1, 0))
    assert not out & rest and len(out | rest) == 7
    return out


@pytest.mark.parametrize("count", [2, 3, 7])
def test_everyone_is_tested_once(dataset, count):
    parts = [held_out(dataset, count, k) for k in range(count)]
    assert sorted(s for part in parts for s in part) == list(range(7))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_seed_shuffles(dataset):
    assert held_out(dataset, 3, 0) == held_out(dataset, 3, 0)
    assert len({frozenset(held_out(dataset, 3, 0, seed=s)) for s in range(9)}) > 1


def test_settings_can_be_chosen_without_the_people_of_the_test(dataset):
    people = set(dataset.group[dataset.split == 0])
    inside = folds.hold_out(dataset, 5, 0, of="train")
    assert set(inside.group) == people and len(set(inside.group[inside.split == 1])) == 1
    kept = np.flatnonzero(dataset.split == 0)
    assert len(inside) == len(kept) == len(inside.label) == len(inside.present["acc"])
    np.testing.assert_array_equal(inside.inputs["acc"], dataset.inputs["acc"][kept])
    np.testing.assert_array_equal(inside.position, dataset.position[kept])
    assert {len(x) for x in inside.factors.values()} == {len(kept)}
    valid = dataclasses.replace(dataset, split=np.where(dataset.group == 0, 2, dataset.split))
    assert set(folds.hold_out(valid, 4, 0, of="train").group) == people - {0}
    assert set(folds.hold_out(valid, 4, 0).group) == set(range(7))  # folds come in its place
    with pytest.raises(ValueError, match="2 to 5, the number of subjects"):
        folds.hold_out(dataset, 6, 0, of="train")
    with pytest.raises(ValueError, match=r"folds_of must be one of all, train, got .test."):
        folds.hold_out(dataset, 2, 0, of="test")


def test_any_data_set_of_the_catalogue_takes_folds():
    config = {"name": "synthetic", "options": TINY}
    own = catalogue.load(config)
    made = catalogue.load(config | {"folds": 7, "fold": 6, "fold_seed": 2})
    assert len(set(made.group[made.split == 1])) == 1
    assert (own.split == catalogue.load(config | {"folds": None, "fold": 3}).split).all()
    hidden = catalogue.load(config | {"missing": {"kind": "independent", "rate": 0.5}})
    assert not hidden.present["acc"].all() and hidden.present["acc"][hidden.split == 1].all()


def test_what_does_not_fit_is_named(dataset):
    for match, arguments in (
        ("folds must be 2 to 7, the number of subjects, got 8", (8, 0)),
        ("folds must be 2 to 7, the number of subjects, got 1", (1, 0)),
        ("fold must be 0 to 2 with 3 folds, got 3", (3, 3)),
        ("fold must be 0 to 2 with 3 folds, got -1", (3, -1)),
    ):
        with pytest.raises(ValueError, match=match):
            folds.hold_out(dataset, *arguments)
    nobody = dataclasses.replace(dataset, group=np.where(dataset.group == 3, -1, dataset.group))
    with pytest.raises(ValueError, match="but 4 of 28 windows are of nobody known"):
        folds.hold_out(nobody, 2, 0)

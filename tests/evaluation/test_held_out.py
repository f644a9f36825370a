import dataclasses

import numpy as np
import pytest

from mmalign import evaluation
from mmalign.data.catalogue import load


def test_one_training_person_in_five_is_asked_about_and_answers_nothing():
    dataset = load({"name": "synthetic", "options": {"subjects": 12, "windows": 300}})
    label = np.where(np.arange(len(dataset)) % 3 == 0, -1, dataset.label)
    dataset = dataclasses.replace(dataset, targets={"label": label})
    known, asked = evaluation.held_out(dataset, 0)
    rows = np.concatenate([known, asked])
    assert (dataset.split[rows] == 0).all() and (label[rows] >= 0).all()
    training = set(dataset.group[dataset.split == 0])
    people = [set(dataset.group[side]) for side in (known, asked)]
    assert not people[0] & people[1] and people[0] | people[1] == training
    assert len(people[1]) == -(-len(training) // 5)
    assert len(known) <= 2000 and len(asked) == min(2000, 200 * len(people[1]))
    unknown = dataclasses.replace(dataset, group=np.where(dataset.group % 2, -1, dataset.group))
    assert not (unknown.group[np.concatenate(evaluation.held_out(unknown, 0))] == -1).any()
    nobody = dataclasses.replace(dataset, group=np.full(len(dataset), -1))
    with pytest.raises(ValueError, match="labelled windows, got 0; leave it None, or give"):
        evaluation.held_out(nobody, 0)
    other = evaluation.held_out(dataset, 1)[1]
    assert set(dataset.group[other]) != people[1]

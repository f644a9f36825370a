"""What a run says of its data: how many people, as far as that is known."""

import dataclasses

import numpy as np

from mmalign import card
from mmalign.data import catalogue
from mmalign.data.dataset import COMPLETE
from mmalign.described import describe

TINY = {"name": "synthetic", "options": {"subjects": 4, "windows": 8, "test_subjects": 1}}


def test_people_whom_nobody_knows_are_not_counted_as_one():
    dataset = catalogue.load(TINY)
    known = describe(dataset)
    assert known["subjects"] == 4 and card._people(known) == " of 4 people"
    assert "windows of unknown people" not in known
    some = dataclasses.replace(dataset, group=np.where(dataset.group == 0, -1, dataset.group))
    some = describe(some)
    assert some["subjects"] == 3 and some["windows of unknown people"] == 8
    assert card._people(some) == " of 3 people, 8 of them of unknown people"
    copies = np.where(dataset.group == 0, COMPLETE, dataset.split).astype(np.int8)
    assert describe(dataclasses.replace(dataset, split=copies))["windows"] == 24
    nobody = describe(dataclasses.replace(dataset, group=np.full_like(dataset.group, -1)))
    assert nobody["subjects"] == 0 and card._people(nobody) == " of unknown people"

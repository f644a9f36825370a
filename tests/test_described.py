"""What a run says of its data: how many people, as far as that is known."""

import dataclasses

import numpy as np

from mmalign import card, summary
from mmalign.data import catalogue
from mmalign.described import describe

TINY = {"name": "synthetic", "options": {"subjects": 4, "windows": 8, "test_subjects": 1}}


def test_complete_copies_are_no_windows_of_their_own():
    """Of 24 windows to train on and 8 of the test, each of the first is there twice."""
    parties = {
        m: {"modalities": (m,), "people": share} for m, share in (("acc", 0.3), ("emg", 0.7))
    }
    dataset = catalogue.load(TINY | {"parties": parties})
    assert len(dataset) == 56 and describe(dataset)["windows"] == 32
    assert summary._data(dataset).startswith(
        "synthetic: 32 windows (train 24 of 3 people, test 8 of 1 people) and 24 complete copies; "
    )
    assert summary._data(dataset).endswith(" classes, 32 windows labelled")
    assert [line.partition(" Hz, ")[2] for line in summary._sensors(dataset)] == [
        "missing from 50.0 % of the windows", "missing from 25.0 % of the windows"
    ]  # fmt: skip


def test_people_whom_nobody_knows_are_not_counted_as_one():
    dataset = catalogue.load(TINY)
    known = describe(dataset)
    assert known["subjects"] == 4 and card._people(known) == " of 4 people"
    assert "windows of unknown people" not in known
    some = dataclasses.replace(dataset, group=np.where(dataset.group == 0, -1, dataset.group))
    some = describe(some)
    assert some["subjects"] == 3 and some["windows of unknown people"] == 8
    assert card._people(some) == " of 3 people, 8 of them of unknown people"
    nobody = describe(dataclasses.replace(dataset, group=np.full_like(dataset.group, -1)))
    assert nobody["subjects"] == 0 and card._people(nobody) == " of unknown people"

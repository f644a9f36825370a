"""Windows of made-up people, some of them recognised better than others."""

import numpy as np
import pytest

from mmalign.evaluation import people


def _draw(rng, count=9, each=40, classes=4, skill=0.7, spread=0.15):
    """Labels, predictions, people: everybody is recognised as well as they happen to be."""
    group = np.repeat(np.arange(100, 100 + count), each)
    label = rng.integers(0, classes, len(group))
    hit = (
        rng.random(len(group))
        < np.clip(skill + spread * rng.standard_normal(count), 0, 1)[group - 100]
    )
    return label, np.where(hit, label, rng.integers(0, classes, len(group))), group


def _counts_of(label, predictions, group, classes=4):
    return people.confusions(people.by_person(label, predictions, group, classes), classes)


@pytest.fixture
def draw():
    """(rng, count, each, classes, skill, spread) -> labels, predictions, people."""
    return _draw


@pytest.fixture
def counts_of():
    """(labels, predictions, people) -> [people, true class, predicted class]."""
    return _counts_of

"""Which sets of sensors are tried: all of a few, a sample of many."""

import itertools

import pytest

from mmalign.evaluation import sensor_sets

NINE = tuple(f"s{i}" for i in range(9))
PLACES = {"back": NINE[:3], "left": NINE[3:6], "right": NINE[6:]}


@pytest.mark.parametrize("count", range(1, 7))
def test_up_to_six_sensors_every_set_is_tried_once_the_full_one_first(count):
    names = NINE[:count]
    sets = sensor_sets(names)
    every = {s for k in range(1, count + 1) for s in itertools.combinations(names, k)}
    assert len(sets) == len(every) == 2**count - 1 and set(sets) == every
    assert sets[0] == names and [len(s) for s in sets] == sorted(map(len, sets), reverse=True)


def test_nine_sensors_do_not_explode():
    sets = sensor_sets(NINE, devices=PLACES)
    assert len(sets) == len(set(sets)) == 64 and sets[0] == NINE
    for names in (*((m,) for m in NINE), *PLACES.values()):
        assert tuple(names) in sets
        assert tuple(m for m in NINE if m not in names) in sets
    assert {len(s) for s in sets} == set(range(1, 10))  # some of every size
    assert all(list(s) == sorted(s) for s in sets)
    assert sets == sensor_sets(NINE, devices=PLACES)
    assert sets != sensor_sets(NINE, devices=PLACES, seed=1)


def test_what_is_always_there_may_exceed_the_limit_and_no_more():
    assert len(sensor_sets(NINE, limit=1)) == 1 + 9 + 9
    assert len(sensor_sets(NINE[:4], limit=14)) == 14
    assert len(sensor_sets([f"s{i}" for i in range(40)])) == 81


def test_what_does_not_fit_is_named():
    for match, arguments in (
        (
            "modality of device 'x' is called 'nope'; there is s0",
            {"devices": {"x": ["nope"]}},
        ),
        ("'s0' is in two devices, 'x' and 'y'", {"devices": {"x": ["s0"], "y": ["s1", "s0"]}}),
        ("limit must be 1 or more, got 0", {"limit": 0}),
    ):
        with pytest.raises(ValueError, match=match):
            sensor_sets(NINE, **arguments)

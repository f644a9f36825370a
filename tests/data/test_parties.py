"""Training windows dealt out: who has what, and that nobody has more."""

import dataclasses

import numpy as np
import pytest

from mmalign.data import catalogue, feed, samplers, synthetic
from mmalign.data.dataset import COMPLETE, TEST, TRAIN, UNKNOWN
from mmalign.data.fingerprint import fingerprint
from mmalign.data.parties import dealt

PARTIES = {
    "first": {"modalities": ("emg", "acc"), "people": 0.4, "labels": False},
    "second": {"modalities": ("gyro", "acc"), "people": 0.4, "labels": False},
    "labelled": {"modalities": ("emg", "gyro"), "people": 0.2},
}
TESTED = ("emg", "gyro")


@pytest.fixture(scope="module")
def whole():
    return synthetic.make(
        subjects=12, windows=8, test_subjects=2, sensors=("acc", "emg", "gyro")
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(whole):
    return dealt(whole, PARTIES, test=TESTED, seed=3)


def test_everyone_is_of_one_party_and_has_what_it_has(whole, data):
    people = []
    for i, party in enumerate(PARTIES.values()):
        rows = (data.split == TRAIN) & (data.source == i)
        people.append(set(data.group[rows].tolist()))
        for m in data.modalities:
            assert (data.present[m][rows] == (m in party["modalities"])).all()
            assert m in party["modalities"] or not data.inputs[m][rows].any()
    assert [len(some) for some in people] == [4, 4, 2]
    assert len(set.union(*people)) == 10  # disjoint, and nobody is left out
    test = data.split == TEST
    assert set(data.source[test]) == {UNKNOWN} and not data.inputs["acc"][test].any()
    np.testing.assert_array_equal(
        data.inputs["emg"][test], whole.inputs["emg"][whole.split == TEST]
    )


def test_labels_are_kept_from_those_who_have_none_and_stay_for_judging(whole, data):
    secret = np.isin(data.source, (0, 1))
    assert (data.label[secret] == UNKNOWN).all() and (data.label[~secret] >= 0).all()
    assert (data.untold[~secret] == UNKNOWN).all()
    train = secret & (data.split == TRAIN)
    theirs = np.isin(whole.group, np.unique(data.group[train]))
    np.testing.assert_array_equal(data.untold[train], whole.label[theirs])
    assert fingerprint(data) != fingerprint(
        dataclasses.replace(data, untold=np.where(data.untold == 1, 0, data.untold))
    )


def test_what_a_party_lacks_is_nowhere_but_in_the_complete_copies(whole, data):
    """Poisoned with NaN: what nobody may read changes nothing that anybody reads."""
    owner = {p: i for i in range(3) for p in np.unique(data.group[data.source == i]).tolist()}
    poisoned = {m: x.copy() for m, x in whole.inputs.items()}
    for row, person in enumerate(whole.group.tolist()):
        name = list(PARTIES)[owner[person]] if person in owner else None
        has = PARTIES[name]["modalities"] if name else TESTED
        for m in poisoned:
            if m not in has:
                poisoned[m][row] = np.nan
    again = dealt(dataclasses.replace(whole, inputs=poisoned), PARTIES, test=TESTED, seed=3)
    open_ = data.split != COMPLETE
    for m in data.modalities:
        np.testing.assert_array_equal(again.inputs[m][open_], data.inputs[m][open_])
    for name, stats in feed.statistics(again).items():
        np.testing.assert_array_equal(stats["mean"], feed.statistics(data)[name]["mean"])
    for kind, options in (("paired", {}), ("unpaired", {}), ("labelled", {})):
        made = samplers.create({"kind": kind, **options}, again, batch_size=8, seed=0)
        for step in range(20):
            batch = feed.take(feed.arrays(again, None), made.rows(step))
            for m, x in batch["inputs"].items():
                assert np.isfinite(x[batch["present"][m]]).all()
            assert {again.split[r] for m in batch["row"] for r in batch["row"][m] if r >= 0} == {
                TRAIN
            }


def test_complete_copies_are_the_parties_windows_as_they_were(whole, data):
    rows = data.split == COMPLETE
    assert rows.sum() == (whole.split == TRAIN).sum()
    for m in data.modalities:
        assert data.present[m][rows].all()
        assert sorted(data.inputs[m][rows].sum(axis=(1, 2))) == sorted(
            whole.inputs[m][whole.split == TRAIN].sum(axis=(1, 2))
        )
    upper = samplers.create(
        {"kind": "paired", "complete": True, "source": ("first", "second")}, data, batch_size=8,
        seed=0,
    )  # fmt: skip
    seen = np.concatenate([upper.rows(step)["acc"] for step in range(30)])
    assert set(data.split[seen]) == {COMPLETE} and set(data.source[seen]) == {0, 1}
    assert upper.windows == np.isin(data.source[rows], (0, 1)).sum()


def test_sources_that_the_data_has_may_be_the_parties(whole):
    source = (np.arange(len(whole)) % 3).astype(np.int32)
    several = dataclasses.replace(whole, source=source)
    parties = {
        "x": {"modalities": ("acc",), "sources": 2, "labels": False},
        "y": {"modalities": ("emg", "gyro"), "sources": (0, 1)},
    }
    made = dealt(several, parties)
    train = made.split == TRAIN
    assert made.description.sources == ("x", "y") and made.modalities == whole.modalities
    fewer = dealt(several, {"x": parties["x"], "y": {**parties["y"], "modalities": ("emg",)}})
    assert fewer.modalities == ("acc", "emg")  # nobody has the third
    assert (made.source[train] == 0).sum() == ((whole.split == TRAIN) & (source == 2)).sum()
    assert made.present["acc"][made.split == TEST].all()  # nothing is said of the test


def test_people_of_one_source_may_be_shared_out_alone(whole):
    several = dataclasses.replace(whole, source=(whole.group % 2).astype(np.int32))
    acc = {"modalities": ("acc",)}
    made = dealt(several, {
        "odd": acc | {"sources": 1},
        "some": acc | {"sources": 0, "people": 0.4}, "rest": acc | {"sources": 0, "people": 0.6},
    })  # fmt: skip
    train = made.split == TRAIN
    people = [set(made.group[train & (made.source == i)].tolist()) for i in range(3)]
    of = set(whole.group[whole.split == TRAIN].tolist())
    assert people[0] == {p for p in of if p % 2} and people[1] | people[2] == of - people[0]
    assert len(people[1]) == round(0.4 * len(of - people[0])) and not people[1] & people[2]


@pytest.mark.parametrize(
    ("match", "change"),
    [
        ("no modality of config.data.parties.first is called 'ppg'", {"modalities": ("ppg",)}),
        ("no option of config.data.parties.first is called 'peple'", {"peple": 0.1}),
        ("first needs a share of people, or the names of sources", {"people": None}),
        (
            "parties.first.modalities names none: say which it has, of acc, emg, gyro",
            {"modalities": ()},
        ),
        (r"parties.first.sources must be one of \[0\], got 4", {"people": None, "sources": 4}),
        (r"second.people=0\.4: shares of people must .* add up to 1 at most", {"people": 0.9}),
        ("config.data.parties.first gets no window to train on", {"people": 0.01}),
    ],
)
def test_what_does_not_fit_is_named(whole, match, change):
    with pytest.raises(ValueError, match=match):
        dealt(whole, PARTIES | {"first": PARTIES["first"] | change})


def test_people_who_are_not_known_are_told_of(whole):
    nobody = dataclasses.replace(whole, group=np.full(len(whole), -1, np.int32))
    with pytest.raises(ValueError, match=r"first gets no window .*: nobody is known of these"):
        dealt(nobody, PARTIES)


def test_a_test_modality_that_is_none_is_named(whole):
    with pytest.raises(ValueError, match=r"config.data.test_modalities is called 'ppg'"):
        dealt(whole, PARTIES, test=("ppg",))
    with pytest.raises(ValueError, match="test_modalities names none: say which"):
        dealt(whole, PARTIES, test=())


def test_a_config_deals_them_out(whole, data):
    options = dict(subjects=12, windows=8, test_subjects=2, sensors=("acc", "emg", "gyro"))
    config = {"name": "synthetic", "options": options, "parties": PARTIES,
              "test_modalities": TESTED, "parties_seed": 3}  # fmt: skip
    assert fingerprint(catalogue.load(config)) == fingerprint(data)
    with pytest.raises(ValueError, match="the data have no windows of parties"):
        samplers.create({"kind": "paired", "complete": True}, whole, batch_size=8, seed=0)

"""Missing sensors: who answers, what it learned from, and what is counted."""

import dataclasses

import numpy as np
import pytest

from mmalign.data.dataset import TEST, TRAIN, Dataset, Description
from mmalign.evaluation import (
    HEADS,
    Contender,
    missing_options,
    missing_sensors,
    patterns,
    sensor_sets,
    summarise,
)

COMPLETE, MISSING = HEADS
NAMES = ("a", "b", "c")
N = 300


@pytest.fixture
def dataset():
    number = np.arange(N, dtype=np.int32)
    return Dataset(
        {m: np.zeros((N, 2, 1), np.float32) for m in NAMES},
        {m: np.ones(N, bool) for m in NAMES},
        {"label": number % 3}, number // 10, np.where(number < 200, TRAIN, TEST).astype(np.int8),
        number // 10, number % 10, Description("toy", {}, {}, {}, ("x", "y", "z")),
    )  # fmt: skip


@pytest.fixture
def parts(dataset, rng):
    """Each modality knows one class, shown around a level far from zero."""
    noise = 0.1 * rng.standard_normal((N, 3))
    return {m: 5 + (np.eye(3)[dataset.label] + noise)[:, [i]] for i, m in enumerate(NAMES)}


def means_of_training(parts, dataset, present=None):
    """The parts beside each other; where one is absent, its mean in training."""
    out, present = [], dataset.present if present is None else present
    for m in dataset.modalities:
        mean = parts[m][dataset.present[m] & (dataset.split == TRAIN)].mean(axis=0)
        out.append(np.where(present[m][:, None], parts[m], mean).astype(np.float32))
    return np.concatenate(out, axis=1)


def contender(parts, dataset, fill=means_of_training):
    return Contender(fill(parts, dataset), lambda here: fill(parts, dataset, here))


def zeros(parts, dataset, here=None):
    here = dataset.present if here is None else here
    return np.concatenate([np.where(here[m][:, None], parts[m], 0) for m in NAMES], axis=1)


def test_a_head_that_learned_on_missing_windows_is_not_misled_by_zeros(dataset, parts):
    sets = [NAMES, ("a", "b")]
    found = {
        name: {(r["head"], len(r["present"])): r for r in missing_sensors(
            {name: contender(parts, dataset, fill)}, dataset, sets)["sets"]}
        for name, fill in (("zeros", zeros), ("mean", means_of_training))
    }  # fmt: skip
    for records in found.values():
        assert records[COMPLETE, 3] == records[MISSING, 3] | {"head": COMPLETE}
        assert records[COMPLETE, 3]["accuracy"] == 1.0
        assert records[MISSING, 2]["accuracy"] == 1.0  # two classes say which the third is
    assert found["zeros"][COMPLETE, 2]["accuracy"] < 0.7
    assert found["mean"][COMPLETE, 2]["accuracy"] > 0.9


def test_patterns_and_sets_come_with_their_protocol(dataset, parts):
    pattern = {"kind": "independent", "rate": 0.5, "keep_one": False}
    out = missing_sensors(
        {"r": contender(parts, dataset)}, dataset, [NAMES, ("c",)], [pattern], seed=3
    )
    full, one = (r for r in out["sets"] if r["head"] == COMPLETE)
    assert (full["absent"], full["empty_windows"]) == (0, 0)
    assert (one["absent"], one["present"]) == (pytest.approx(2 / 3), ["c"])
    assert (one["train_windows"], one["test_windows"], one["seed"]) == (200, 100, 3)
    assert one["strength"] > 0 and one["converged"]
    random = out["patterns"][0]
    assert random["pattern"] == pattern and "present" not in random
    assert 0.4 < random["absent"] < 0.6 and 0 < random["empty_windows"] < 30
    assert [r["head"] for r in out["patterns"]] == list(HEADS)
    assert full["macro_f1"] >= random["macro_f1"]


def test_what_the_data_set_lacks_is_missing_from_every_set(dataset, parts):
    asked = []
    gone = dataclasses.replace(dataset, present=dataset.present | {"a": np.arange(N) % 2 == 0})
    watch = Contender(zeros(parts, gone), lambda here: asked.append(here) or zeros(parts, gone))
    full, one = missing_sensors({"r": watch}, gone, [NAMES, ("a",)], heads=[COMPLETE])["sets"]
    assert (full["absent"], full["empty_windows"]) == (pytest.approx(1 / 6), 0)
    assert one["empty_windows"] == 50
    assert len(asked) == 1  # the full set is known already
    np.testing.assert_array_equal(asked[0]["a"], gone.present["a"])
    assert not asked[0]["b"].any()


def test_a_network_answers_itself(dataset):
    test = dataset.split == TEST
    logits = np.eye(3)[dataset.label[test]]
    answer = lambda here: np.where(here["a"][test][:, None], logits, [1.0, 0, 0])
    net = Contender(logits, answer, True)
    records = missing_sensors({"net": net}, dataset, [NAMES, ("b", "c")])["sets"]
    assert [(r["head"], r["accuracy"]) for r in records] == [
        ("network", 1.0), ("network", pytest.approx(1 / 3, abs=0.01))
    ]  # fmt: skip
    assert "strength" not in records[0]


def test_the_summary_has_the_worst_set_and_means_by_number():
    record = lambda kept, f1, head=COMPLETE: {
        "row": "r", "head": head, "present": list(kept), "macro_f1": f1}  # fmt: skip
    first, second = summarise([record("abc", 0.9), record("ab", 0.8), record("bc", 0.2),
                               record("abc", 0.7, MISSING)])  # fmt: skip
    assert first == {
        "row": "r", "head": COMPLETE, "complete": 0.9, "worst": 0.2, "worst_present": ["b", "c"],
        "by_count": {"3": 0.9, "2": 0.5},
    }  # fmt: skip
    assert (second["head"], second["worst"], second["worst_present"]) == (MISSING, 0.7, [*"abc"])


def test_options_have_defaults_and_patterns_follow_them():
    options = missing_options(None, NAMES)
    assert options["heads"] == HEADS and options["limit"] == 64
    options = missing_options(
        {"patterns": ("burst", "subject", "subsets"), "rates": (0.2, 0.4),
         "devices": {"d": ("a", "b")}}, NAMES,
    )  # fmt: skip
    made = [(p["kind"], p.get("rate"), p.get("duration")) for p in patterns(options)]
    assert made == [("burst", 0.2, 10.0), ("burst", 0.4, 10.0), ("subject", 0.2, None),
                    ("subject", 0.4, None), ("subsets", None, None)]  # fmt: skip
    assert all(p["devices"] == {"d": ("a", "b")} for p in patterns(options))


@pytest.mark.parametrize(
    ("match", "given"),
    [
        ("no option is called 'rate'; there is heads, limit", {"rate": 0.5}),
        ("heads must be of trained on complete, .* got 'both'", {"heads": ("both",)}),
        ("limit must be 1 or more, got 0", {"limit": 0}),
        ("no modality of device 'd' is called 'z'", {"devices": {"d": ("z",)}}),
        ("missing.kind must be one of .* got 'bursts'", {"patterns": ("bursts",)}),
        (r"missing.rate must lie in \[0, 1\], got 1.5", {"rates": (1.5,)}),
        ("missing.duration must be 1 / .* = 2 windows or more", {"duration": 1.5}),
    ],
)
def test_impossible_options_are_refused_by_name(match, given):
    with pytest.raises(ValueError, match=f"config.evaluation.missing: {match}"):
        missing_options(given, NAMES)


def test_nine_modalities_are_tried_by_a_sample_of_their_sets(dataset, rng):
    names = tuple(f"s{i}" for i in range(9))
    nine = dataclasses.replace(dataset, **{
        key: dict.fromkeys(names, x) for key, x in
        (("inputs", dataset.inputs["a"]), ("present", dataset.present["a"]))})  # fmt: skip
    knows = np.eye(3)[nine.label]
    parts = {m: knows[:, [i % 3]] + 0.5 * rng.standard_normal((N, 1)) for i, m in enumerate(names)}
    asked = []
    answer = lambda here: asked.append(here) or means_of_training(parts, nine, here)
    sets = sensor_sets(names, devices={"back": names[:3], "left": names[3:6], "right": names[6:]})
    out = missing_sensors(
        {"r": Contender(means_of_training(parts, nine), answer)}, nine, sets, heads=[COMPLETE]
    )
    assert len(out["sets"]) == 64 and len(asked) == 63
    (summary,) = out["summary"]
    assert list(summary["by_count"]) == [str(k) for k in range(9, 0, -1)]
    assert summary["worst"] <= summary["by_count"]["1"] < summary["complete"]

"""Several data sets as one."""

import dataclasses

import numpy as np
import pytest

from mmalign.data import catalogue, feed, synthetic
from mmalign.data.dataset import TEST, TRAIN, UNKNOWN, Task, check
from mmalign.data.union import fitted, united


@pytest.fixture(scope="module")
def first():
    return synthetic.make(subjects=4, windows=8, test_subjects=1, sensors=("acc", "emg"))


@pytest.fixture(scope="module")
def second():
    return synthetic.make(
        seed=1, subjects=3, windows=4, test_subjects=1, sensors=("acc", "gyro"), classes=3
    )  # fmt: skip


def test_all_windows_are_there_and_what_a_source_lacks_is_absent(first, second):
    made = check(united([first, second], ["a", "b"]))
    n = len(first)
    assert len(made) == n + len(second) and made.modalities == ("acc", "emg", "gyro")
    assert made.description.sources == ("a", "b") and made.description.name == "a + b"
    np.testing.assert_array_equal(made.source, [0] * n + [1] * len(second))
    np.testing.assert_array_equal(made.inputs["acc"][n:], second.inputs["acc"])
    assert not made.inputs["gyro"][:n].any() and not made.present["gyro"][:n].any()
    assert not made.present["emg"][n:].any() and made.present["acc"].all()
    np.testing.assert_array_equal(made.split, np.concatenate([first.split, second.split]))
    for key in ("group", "recording"):  # other people, other recordings
        own, other = (set(getattr(made, key)[made.source == s].tolist()) for s in (0, 1))
        assert not own & other and len(other) == len(set(getattr(second, key).tolist()))


def test_classes_are_told_apart_by_name(first, second):
    made = united([first, second], ["a", "b"])
    assert made.description.class_names == tuple(f"sector {i}" for i in range(6))
    renamed = fitted(second, classes={"sector 0": "sector 4", "sector 2": "new"})
    assert renamed.description.class_names == ("sector 4", "new")
    made = united([first, renamed], ["a", "b"])
    names = np.array([*made.description.class_names, "unknown"])
    said = np.array(["sector 4", "unknown", "new"])[second.label]
    np.testing.assert_array_equal(names[made.label[len(first) :]], said)


def test_a_stride_is_known_where_all_have_the_same(first, second):
    every = lambda d, stride_s: dataclasses.replace(
        d, description=dataclasses.replace(d.description, stride_s=stride_s)
    )
    for strides, want in (((1.0, 1.0), 1.0), ((1.0, 2.0), None), ((1.0, None), None)):
        made = united([every(d, s) for d, s in zip((first, second), strides)], ["a", "b"])
        assert made.description.stride_s == want


def test_a_source_is_fitted_in(first):
    made = fitted(
        first, modalities={"emg": "muscle", "acc": "wrist"}, rate_hz={"muscle": 50.0}, seconds=2.0,
        scale={"wrist": 1 / 9.81}, unit={"wrist": "g"}, split="train",
    )  # fmt: skip
    assert made.modalities == ("muscle", "wrist") and (made.split == TRAIN).all()
    assert made.description.rate_hz == {"muscle": 50.0, "wrist": 50.0}
    assert made.description.unit == {"muscle": "mV", "wrist": "g"}
    assert {x.shape[1] for x in made.inputs.values()} == {100}
    np.testing.assert_allclose(
        made.inputs["wrist"], first.inputs["acc"][:, 14:114] / 9.81, rtol=1e-5
    )


def test_a_lower_rate_keeps_a_slow_wave_and_cuts_a_fast_one(first):
    time = np.arange(256) / 100
    slow, fast = (np.sin(2 * np.pi * hertz * time)[None, :, None] for hertz in (3, 40))
    ones = np.ones((len(first), 1, 2))
    waves = first.inputs | {"emg": ((slow + fast) * ones).astype(np.float32)}
    made = fitted(dataclasses.replace(first, inputs=waves), rate_hz={"emg": 50.0})
    x = made.inputs["emg"][0, :, 0]
    assert x.shape == (128,)
    want = np.sin(2 * np.pi * 3 * np.arange(128) / 50)
    np.testing.assert_allclose(x[20:-20], want[20:-20], atol=0.02)


def test_targets_of_one_source_are_unknown_in_the_other(first, second):
    age = np.linspace(0, 1, len(first), dtype=np.float32)
    about = dataclasses.replace(first.description, targets={"age": Task("real", 1)})
    told = dataclasses.replace(first, targets=first.targets | {"age": age}, description=about)
    made = united([told, second], ["a", "b"])
    np.testing.assert_array_equal(made.targets["age"][: len(first)], age)
    assert np.isnan(made.targets["age"][len(first) :]).all()


def test_gaps_stay_where_they_are(first, second):
    valid = np.ones((len(first), 128), bool)
    valid[3, 5:9] = False
    made = united([dataclasses.replace(first, valid={"acc": valid}), second], ["a", "b"])
    np.testing.assert_array_equal(made.valid["acc"][: len(first)], valid)
    assert made.valid["acc"][len(first) :].all()


def test_gaps_stay_gaps_at_another_rate_and_do_not_leak(first):
    time, lost = np.arange(256), {"a": (101, 180), "start": (0, 9), "single": (60, 61)}
    valid, level = np.ones((len(first), 256), bool), np.float32(33)
    for row, (start, end) in enumerate(lost.values()):
        valid[row, start:end] = False
    valid[3] = False  # absent
    x = np.where(valid[..., None], level, 0) * np.ones(2, np.float32)
    gone = first.present | {"emg": np.arange(len(first)) != 3}
    holed = dataclasses.replace(first, inputs=first.inputs | {"emg": x}, present=gone,
                                valid={"emg": valid})  # fmt: skip
    made = check(fitted(holed, rate_hz={"emg": 50.0}))
    x, valid = made.inputs["emg"], made.valid["emg"]
    np.testing.assert_allclose(x[valid], level, atol=1e-3)
    assert not x[~valid].any() and not valid[3].any() and valid[4:].all()
    for row, (start, end) in enumerate(lost.values()):
        want = np.isin(np.arange(128), (time[start:end] + 1) // 2)
        np.testing.assert_array_equal(~valid[row], want)


@pytest.mark.parametrize(
    ("match", "options"),
    [
        (r"'acc' is series 128 x 3 at 50 Hz in 'a' and series 100 x 3 at 50 Hz in 'b': .* rate_hz",
         {"seconds": 2.0}),
        ("'acc' is series 128 x 3 at 50 Hz in 'a' and series 64 x 3 at 25 Hz in 'b'",
         {"rate_hz": {"acc": 25.0}}),
        ("no modality to be kept is called 'ppg'", {"modalities": {"ppg": "acc"}}),
        ("no modality of rate_hz is called 'ppg'", {"rate_hz": {"ppg": 1.0}}),
        ("cannot bring 50 Hz to 100 Hz", {"rate_hz": {"acc": 100.0}}),
        ("seconds=9 of 'acc' are 450 samples, windows have 128", {"seconds": 9.0}),
        ("no class is called 'sector 9'", {"classes": {"sector 9": "x"}}),
        ("no split is called 'all'", {"split": "all"}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(first, second, match, options):
    with pytest.raises(ValueError, match=match):
        united([first, fitted(second, **options)], ["a", "b"])


def test_a_config_unites_them_and_parties_may_be_its_sources(first, second):
    small = dict(subjects=4, windows=8, test_subjects=1, sensors=("acc", "emg"))
    other = dict(seed=1, subjects=3, windows=4, test_subjects=1, sensors=("acc", "gyro"), classes=3)
    sources = {"a": {"name": "synthetic", "options": small, "split": "train"},
               "b": {"name": "synthetic", "options": other}}  # fmt: skip
    config = {"name": "union", "options": {"sources": sources}}
    made = catalogue.load(config)
    assert (made.split[made.source == 0] == TRAIN).all() and (made.split == TEST).any()
    assert feed.statistics(made).keys() == {"acc", "emg", "gyro"}
    parties = {"x": {"modalities": ("acc", "emg"), "sources": "a", "labels": False},
               "y": {"modalities": ("gyro",), "sources": ("b",)}}  # fmt: skip
    dealt = catalogue.load(config | {"parties": parties, "test_modalities": ("gyro",)})
    y = (dealt.source == 1) & (dealt.split == TRAIN)
    assert y.any() and not dealt.present["acc"][y].any() and (dealt.label[y] >= 0).all()
    assert set(dealt.source[dealt.split == TEST]) == {UNKNOWN}
    with pytest.raises(ValueError, match=r"sources\.b needs the name of a data set"):
        catalogue.load({"name": "union", "options": {"sources": sources | {"b": {}}}})

"""What a user has to know of their data before they read a number."""

import dataclasses

import numpy as np
import pytest

from mmalign.data.concerns import concerns
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description

N = 80


@pytest.fixture
def fine(rng):
    number = np.arange(N, dtype=np.int32)
    return Dataset(
        {"acc": rng.standard_normal((N, 10, 3)).astype(np.float32),
         "ppg": rng.standard_normal((N, 12, 1)).astype(np.float32)},
        {m: np.ones(N, bool) for m in ("acc", "ppg")}, {"label": number % 4},
        number // 10, np.where(number < 60, TRAIN, TEST).astype(np.int8), number, number,
        Description("toy", {"acc": 5.0, "ppg": 6.0}, {}, {"acc": ("x", "y", "z")}, tuple("abcd")),
    )  # fmt: skip


def changed(dataset, **columns):
    return dataclasses.replace(dataset, **columns)


def test_nothing_is_said_of_what_is_fine(fine):
    assert concerns(fine) == []


def test_classes_that_the_split_has_on_one_side_alone_are_named(fine):
    test = fine.split == TEST
    one = changed(fine, targets={"label": np.where(test, 2, fine.label)})
    assert "all labelled test windows are of class c" in concerns(one)
    new = changed(fine, targets={"label": np.where(test, fine.label, fine.label % 2)})
    assert concerns(new) == ["c, d: in the test and not in the training windows"]


def test_people_of_a_single_class_or_nobody_known_are_said(fine):
    alike = changed(fine, targets={"label": (fine.group % 4).astype(np.int32)})
    assert concerns(alike)[-1].startswith("8 of 8 people have windows of a single class")
    nobody = changed(fine, group=np.full(N, -1, np.int32))
    assert concerns(nobody) == [
        "no person is known: neighbouring windows of one may be on both sides of the split"
    ]
    every_third = np.where(np.arange(N) % 3 == 1, TEST, TRAIN).astype(np.int8)
    cut = changed(nobody, split=every_third, recording=np.zeros(N, np.int32))
    assert concerns(cut)[0].endswith(", as 27 of 27 test windows are")


def test_people_on_both_sides_of_the_split_are_said(fine):
    group = np.where(fine.group == 7, 5, fine.group)
    assert concerns(changed(fine, group=group)) == [
        "1 of 7 people are on both sides of the split: their test windows say nothing of new people"
    ]
    cut = changed(fine, group=group, recording=np.zeros(N, np.int32))
    assert concerns(cut)[0].endswith("; 1 of 20 test windows are next to a training window")


def test_constant_and_extreme_channels_are_named(fine):
    acc, ppg = fine.inputs["acc"].copy(), fine.inputs["ppg"].copy()
    acc[..., 1] = 4.0
    acc[3, 2, 2] = 1e6
    ppg[70] = 1e9  # in the test: no business of training
    assert concerns(changed(fine, inputs={"acc": acc, "ppg": ppg})) == [
        "acc: channel y is constant",
        "acc: channel z holds extreme values, units or a broken sample?",
    ]
    absent = fine.present | {"acc": np.arange(N) != 3}
    assert len(concerns(changed(fine, inputs={"acc": acc, "ppg": ppg}, present=absent))) == 1


def test_lost_samples_are_no_extremes(fine):
    valid = np.ones((N, 10), bool)
    acc = fine.inputs["acc"].copy()
    acc[5, 4], valid[5, 4] = 1e6, False
    assert concerns(changed(fine, inputs=fine.inputs | {"acc": acc}, valid={"acc": valid})) == []


def test_windows_of_a_single_sample_are_said(fine):
    one = fine.inputs | {"acc": fine.inputs["acc"][:, :1]}
    assert concerns(changed(fine, inputs=one)) == [
        "acc: a window is a single sample, which augmentations of time leave as it is"
    ]

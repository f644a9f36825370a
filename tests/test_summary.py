"""What a run says before it begins."""

import dataclasses

import numpy as np

from mmalign.configs import baselines
from mmalign.data import catalogue
from mmalign.plan import plan
from mmalign.summary import summary


def test_data_sensors_split_and_trainings_are_said():
    config = baselines.get_config("smoke")
    config.rows, config.evaluation.fractions = ("supervised",), (0.5, 1.0)
    dataset = catalogue.load(config.data)
    present = {m: x.copy() for m, x in dataset.present.items()}
    present["emg"][:64] = False
    valid = {"acc": np.ones(dataset.inputs["acc"].shape[:2], bool)}
    valid["acc"][:, :25] = False
    inputs = dict(dataset.inputs) | {"acc": dataset.inputs["acc"] * valid["acc"][..., None]}
    changed = dataclasses.replace(
        dataset, present=present, valid=valid, inputs=inputs,
        targets={"label": np.where(dataset.split == 1, 0, dataset.label).astype(np.int32)},
    )  # fmt: skip
    lines = summary(plan(config, changed)).splitlines()
    assert lines[0] == (
        "synthetic: 256 windows (train 192 of 6 people, test 64 of 2 people); 6 classes, "
        "256 windows labelled"
    )
    time = dataset.inputs["acc"].shape[1]
    assert lines[1] == (
        f"  acc: series {time} x 3 at 50 Hz, {100 * 25 / time:.2g} % of the samples lost"
    )
    assert lines[2] == "  emg: series 256 x 2 at 100 Hz, missing from 25.0 % of the windows"
    assert lines[3:6] == [
        "  train train: 2 steps of 48 from 128 windows",  # the pairs
        "  train supervised_50: 2 steps of 48 from 94 windows",
        "  train supervised_100: 2 steps of 48 from 192 windows",
    ]
    assert lines[6].startswith("Note: all labelled test windows are of class ")

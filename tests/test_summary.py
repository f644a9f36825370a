"""What a run says before it begins."""

import dataclasses
import re

import jax
import numpy as np

from mmalign.configs import baselines, infomae
from mmalign.data import catalogue, feed
from mmalign.data.dataset import check
from mmalign.plan import plan
from mmalign.stages import first_batch, variable_shapes
from mmalign.summary import summary
from mmalign.training import flat, warm_start


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


def test_sensors_that_a_warm_start_takes_nothing_of_are_said():
    config = infomae.get_config("smoke")
    config.rows, config.stages = (), ("pretrain", "align")
    config.align.warm_start = ("sensors/acc/encoder",)
    said = summary(plan(config, catalogue.load(config.data)))
    line = r"^  train align: .* windows; of emg nothing is taken from pretrain$"
    assert re.search(line, said, re.MULTILINE)
    assert said.count("nothing is taken") == 1


def test_sensors_of_any_name_are_warm_started_with_all_that_a_pattern_means():
    names = {"acc": "acc (left)", "emg": "[^x]+", "gyro": "加速度"}
    config = infomae.get_config("smoke")
    config.rows, config.stages = (), ("pretrain", "align")
    config.data.options.sensors = tuple(names)
    dataset = catalogue.load(config.data)
    of = lambda column: {names[m]: x for m, x in column.items()}
    about = dataset.description
    about = dataclasses.replace(about, rate_hz=of(about.rate_hz), unit={}, channels={})
    renamed = check(
        dataclasses.replace(
            dataset, inputs=of(dataset.inputs), present=of(dataset.present), description=about
        )
    )
    planned = plan(config, renamed)
    assert "nothing is taken" not in summary(planned)
    stages = planned.stages
    batch = first_batch(stages["align"], feed.arrays(renamed, feed.statistics(renamed)))
    fresh, source = (
        jax.tree.map(lambda x, fill=fill: np.full(x.shape, fill, x.dtype),
                     variable_shapes(stages[stage].method, batch)["params"])
        for stage, fill in (("align", 0), ("pretrain", 1))
    )  # fmt: skip
    taken = flat(warm_start(fresh, source, stages["align"].patterns))
    means = re.compile("sensors/[^/]+/(encoder|shared|private|decoder)/")
    for name in names.values():
        ours = {path: x for path, x in taken.items() if path.split("/")[1] == name}
        assert any(means.match(path) for path in ours)
        assert all((x == bool(means.match(path))).all() for path, x in ours.items())

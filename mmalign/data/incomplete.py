"""A data set whose training windows lack sensors."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mmalign.data import missing_patterns
from mmalign.data.dataset import TRAIN, Dataset
from mmalign.data.missingness import simulate
from mmalign.data.movement import levels


def incomplete(dataset: Dataset, config: Mapping) -> Dataset:
    """The data set with training windows that lack sensors, the same ones at every step of a run.

    config: a pattern as `missingness.simulate` takes it, and `seed`, 0 if left out. Other windows
      stay as they are: evaluations hide sensors there themselves.
    """
    pattern = {key: value for key, value in dict(config).items() if key != "seed"}
    missing_patterns.check(pattern, dataset.modalities)
    left = simulate(
        pattern,
        dataset.present,
        group=dataset.group,
        recording=dataset.recording,
        position=dataset.position,
        seed=config.get("seed", 0),
        level=levels(dataset) if pattern["kind"] == "value" else None,
    )
    train = dataset.split == TRAIN
    present = {m: np.where(train, left[m], x) for m, x in dataset.present.items()}
    inputs = {
        m: np.where(present[m].reshape(-1, *[1] * (x.ndim - 1)), x, np.zeros((), x.dtype))
        for m, x in dataset.inputs.items()
    }
    valid = {m: x & present[m][:, None] for m, x in dataset.valid.items()}
    return dataclasses.replace(dataset, inputs=inputs, present=present, valid=valid)

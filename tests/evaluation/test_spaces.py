"""Measures of a space, of the windows that they are meant for."""

import dataclasses

import numpy as np
import pytest

from mmalign.data import catalogue
from mmalign.data.dataset import TEST, TRAIN
from mmalign.evaluation import across_sensors, without_labels


@pytest.fixture(scope="module")
def data():
    return catalogue.load(
        {"name": "synthetic", "options": {"subjects": 8, "windows": 32, "test_subjects": 2}}
    )


@pytest.fixture(scope="module")
def common(data):
    """Two sensors that hold the label and the window, the second one turned and noisier."""
    rng = np.random.default_rng(0)
    own = rng.standard_normal((len(data), 12)) + 2 * np.eye(12)[data.label]
    return {"acc": own, "emg": own + 0.1 * rng.standard_normal(own.shape)}


def test_partners_are_found_and_a_probe_of_one_sensor_reads_the_other(data, common):
    records = across_sensors(common, data)
    assert [(r["from"], r["to"]) for r in records] == [("acc", "emg"), ("emg", "acc")]
    for r in records:
        assert r["windows"] == 64 and r["r1"] > 0.95 and r["mrr"] > 0.97 and r["macro_f1"] > 0.4
        assert r["alignment"] < 0.1 and r["modality_gap"] < 0.1
    apart = across_sensors(common | {"emg": np.roll(common["emg"], 1, axis=0)}, data)
    assert all(r["r1"] < 0.1 for r in apart)


def test_the_test_is_not_looked_at_for_a_choice_and_alone_for_retrieval(data, common):
    parts = common | {"joint": np.concatenate([*common.values()], axis=1)}
    spoilt = {m: np.where((data.split == TEST)[:, None], 0.0, z) for m, z in parts.items()}
    assert without_labels(parts, data) == without_labels(spoilt, data)
    spoilt = {m: np.where((data.split == TRAIN)[:, None], z[:1], z) for m, z in common.items()}
    told = lambda z: [(r["r1"], r["alignment"]) for r in across_sensors(z, data)]
    assert told(common) == told(spoilt)


def test_of_a_few_directions_few_dimensions_are_told_and_sensors_agree(data, common):
    thin = common["acc"][:, :1] * np.ones((1, 12))
    rich, poor = (
        without_labels({"acc": z, "emg": common["emg"], "joint": z}, data)
        for z in (common["acc"], thin + 1e-3 * common["acc"])
    )
    assert rich["rankme"] > 8 > 2 > poor["rankme"] and rich["lidar"] > poor["lidar"]
    assert rich["knn_agreement"] > 0.5 > poor["knn_agreement"]


def test_sensors_that_are_never_together_and_short_recordings_say_nothing(data, common):
    never = {m: (np.arange(len(data)) % 2 == i) for i, m in enumerate(data.modalities)}
    alone = dataclasses.replace(data, present=never, recording=np.arange(len(data), dtype=np.int32))
    found = without_labels(common | {"joint": common["acc"]}, alone)
    assert found["knn_agreement"] is None and found["lidar"] is None
    assert across_sensors(common, alone) == []

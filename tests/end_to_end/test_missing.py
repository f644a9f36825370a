"""Three sensors, one of them often missing: training, fine-tuning and evaluation of such a run."""

import jax
import numpy as np
import pytest
from ml_collections import config_dict

import mmalign
from mmalign import plan
from mmalign.data import catalogue

SENSORS = ("acc", "emg", "ecg")


@pytest.fixture
def config(tiny, tmp_path):
    """One autoencoder stage and two heads on it, on windows of three sensors."""
    rng, n = np.random.default_rng(0), 128
    label = np.arange(n) % 2
    arrays = {m: rng.standard_normal((n, 20, 1)) + label[:, None, None] for m in SENSORS}
    rates = {f"rate_hz_{m}": 10 for m in SENSORS}
    np.savez(tmp_path / "mine.npz", **arrays, **rates, label=label, group=np.arange(n) // 8)
    config = tiny.config({"data.path": str(tmp_path / "mine.npz"), "stages": ("pretrain",),
                          "evaluation.missing.patterns": (),
                          "pretrain.steps": 2, "evaluation.fractions": (1.0,)}, "npz")  # fmt: skip
    with config.unlocked():
        config.encoder.depth = 1
        config.pretrain.update(batch_size=32)
        config.pretrain.optim.warmup_steps = 0
        config.finetune.update(source="pretrain", steps=2, batch_size=32)
        config.finetune.method.update(base="pretrain", augment=None)
        config.finetune.optim.warmup_steps = 0
        config.finetune.sampler.missing = {"kind": "subsets", "devices": {"chest": ("acc", "ecg")}}
        config.frozen = config_dict.ConfigDict(config.finetune.to_dict())
        config.frozen.update(label="Frozen")
        config.frozen.optim.freeze = ("base",)
        config.rows = ("random_encoder", "pretrain", "finetune", "frozen")
        config.data.missing = config_dict.ConfigDict({"kind": "subject", "rate": {"ecg": 0.5}})
        config.data.update(folds=4, fold=1)
    return config


@pytest.mark.slow
def test_a_run_with_a_sensor_missing_in_training(config, devices, tmp_path):
    devices(1)
    results = mmalign.run(config, tmp_path / "run")
    params = lambda stage: mmalign.load(tmp_path / "run", stage).variables["params"]
    dataset = catalogue.load(config.data)
    train = dataset.split == 0
    assert len(set(dataset.group[~train])) == 4  # one of four folds of 16 people
    assert 0 < dataset.present["ecg"][train].mean() < 1 and dataset.present["ecg"][~train].all()

    tried = {(r["row"], r["head"]) for r in results["missing"]["sets"]}
    networks = {("Fine-tuned InfoMAE", "network"), ("Frozen", "network")}
    assert tried > networks and len(tried) == 2 * 2 + 2
    for r in results["missing"]["sets"]:
        assert r["test_windows"] == 32 and r["empty_windows"] == 0
        assert r["absent"] == pytest.approx(1 - len(r["present"]) / 3)
    assert {r["row"] for r in results["records"] if r["protocol"] == "network"} == {
        "Fine-tuned InfoMAE", "Frozen"
    }  # fmt: skip
    assert len(results["missing"]["summary"]) == len(tried)

    # frozen: nothing of the base moved; fine-tuned: what the embedding reads did
    base = params("pretrain")["sensors"]
    for name, moved in (("frozen_100", False), ("finetune_100", True)):
        for m in SENSORS:
            now, before = (
                np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree[m]["encoder"])])
                for tree in (params(name)["base"]["sensors"], base)
            )
            assert (now != before).any() == moved


def test_hidden_sensors_differ_between_steps_of_a_planned_stage(config):
    dataset = catalogue.load(config.data)
    sampler = plan.plan(config, dataset).stages["finetune_100"].sampler
    shown = [np.stack([sampler.rows(step)[m] >= 0 for m in SENSORS]) for step in range(6)]
    assert len({x.tobytes() for x in shown}) == 6
    assert all(x.any(axis=0).all() for x in shown)

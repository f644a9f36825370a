"""configs/crossl.py from the command line: flags change what they name, bad input ends in a line."""

import json

import jax
import numpy as np
import pytest

import mmalign
from mmalign.configs import crossl

MASK = "--config.crossl.method.mask"


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ([".keep_prob=0"], "mask.keep_prob must be in (0, 1], got 0.0"),
        ([".keep_prob=1.5"], "mask.keep_prob must be in (0, 1], got 1.5"),
        ([".keep_prob=nan"], "mask.keep_prob must be in (0, 1], got nan"),
        ([".time_keep_prob=2", ".block_s=0.5"], "mask.time_keep_prob must be in (0, 1], got 2.0"),
        ([".anneal=-0.5"], "mask.anneal must be in [0, 1], got -0.5"),
        ([".min_keep=2"], "mask.min_keep must be one of 0, 1, got 2"),
        ([".strategy=subset", ".k=3"],
         "mask.k must be 1 to 2, the number of groups of modalities, got 3"),
        ([".k=1"], "mask.k is for strategy='subset': leave it out with 'spatial', got 1"),
        ([".groups=(('acc','gps'),)"], "no modality of mask.groups is called 'gps'; there is acc, emg"),
        ([".groups=((),)"],
         "mask.groups must hold sequences of modalities, such as (('acc', 'emg'),), got ()"),
        ([".groups=('acc','emg')"], "mask.groups must hold sequences of modalities, such as "
         "(('acc', 'emg'),), got 'acc'"),
    ],
    ids=str,
)  # fmt: skip
def test_masks_that_do_not_fit_end_in_one_line_before_training(refusal, tmp_path, flags, error):
    code, output = refusal(
        "--config=crossl:smoke", *(MASK + flag for flag in flags), f"--workdir={tmp_path / 'run'}"
    )
    assert (code, output) == (1, f"error: stage 'crossl': {error}\n")
    assert not (tmp_path / "run").exists()


def windows(path, **more):
    """A file of three sensors of 16 people, half of whose windows are of each class."""
    rng, n = np.random.default_rng(0), 128
    sensors = {m: rng.standard_normal((n, 20, 1)) for m in ("acc", "emg", "ecg")}
    rates = {f"rate_hz_{m}": 10 for m in sensors}
    np.savez(path, **sensors, **rates, label=np.arange(n) % 2, group=np.arange(n) // 8, **more)
    return path


def test_a_sensor_without_a_training_window_ends_in_one_line(refusal, tmp_path):
    path = windows(
        tmp_path / "mine.npz", present_ecg=np.arange(128) >= 96, split=np.arange(128) >= 96
    )
    code, output = refusal(
        "--config=crossl:npz", f"--config.data.path={path}", f"--workdir={tmp_path / 'run'}"
    )
    assert (code, output) == (
        1,
        f"error: {path}: modality 'ecg' is present in no training window: leave it out of the "
        "file, or give it windows of people who are trained on\n",
    )
    assert not (tmp_path / "run").exists()


def test_a_fold_that_leaves_a_sensor_no_training_window_ends_in_one_line(refusal, tmp_path):
    path = windows(tmp_path / "mine.npz", present_ecg=np.arange(128) < 8)  # one person's
    errors = []
    for fold in range(4):
        code, output = refusal(
            "--config=crossl:npz", f"--config.data.path={path}", "--config.data.folds=4",
            f"--config.data.fold={fold}", "--config.crossl.steps=0", f"--workdir={tmp_path / 'run'}"
        )  # fmt: skip
        assert code == 1
        errors.append(output)
    assert errors.count(
        "error: modality 'ecg' is present in no training window: leave it out of the data, or give "
        "it windows of people who are trained on\n"
    ) == 1  # fmt: skip


def test_a_flag_changes_one_option_and_no_other():
    before = crossl.get_config("smoke").crossl.method.to_dict()

    def leaves(tree, path=()):
        if isinstance(tree, dict):
            return {k: v for key, x in tree.items() for k, v in leaves(x, (*path, key)).items()}
        return {".".join(path): tree}

    values = {float: 0.25, int: 1, str: "x", bool: True, tuple: (1,)}
    plain, config = leaves(before), crossl.get_config("smoke")
    for name in [name for name, value in plain.items() if value is None and name != "augment"]:
        config = crossl.get_config("smoke").lock()
        kind = config.crossl.method.get_type(name) if "." not in name else (
            config.crossl.method[name.split(".")[0]].get_type(name.split(".")[1])
        )  # fmt: skip
        config.update_from_flattened_dict({f"crossl.method.{name}": values[kind]})
        after = leaves(config.crossl.method.to_dict())
        assert {key for key in plain if plain[key] != after[key]} == {name}


def test_frozen_heads_leave_the_network_and_fine_tuned_ones_change_all_of_it(devices, tmp_path):
    devices(1)
    config = crossl.get_config("smoke")
    config.rows = ("finetune", "frozen", "crossl")
    config.evaluation.fractions = (1.0,)
    config.evaluation.missing.update(references=False, patterns=())
    config.encoder.update(dim=8, width=4)
    config.crossl.method.head_input = "global"  # the head then reads what the aggregator makes
    config.finetune.stop.update(every=1, patience=1)
    results = mmalign.run(config, tmp_path / "run")
    assert {"Frozen CroSSL", "Fine-tuned CroSSL"} < {r["row"] for r in results["records"]}
    (looks,) = (tmp_path / "run").rglob("looks.json")
    assert 1 <= len(json.loads(looks.read_text())) <= 2
    assert '"finetune_100/held_out_accuracy": ' in (tmp_path / "run" / "metrics.jsonl").read_text()
    trained = lambda name: mmalign.load(tmp_path / "run", name).variables["params"]
    for name, moved in (("frozen_100", False), ("finetune_100", True)):
        changed = jax.tree.map_with_path(
            lambda path, now, before: bool((now != before).any()) or "mask_token" in str(path[-1]),
            trained(name)["base"], trained("crossl"),
        )  # fmt: skip
        # the token of hidden patches never is an input here
        assert sum(jax.tree.leaves(changed)) == (len(jax.tree.leaves(changed)) if moved else 2)

"""The experiment on Trifeature: what it trains, and what its page says of it."""

import argparse
import json

import pytest

from experiments import tables, trifeature
from mmalign import plan
from mmalign.data import catalogue


def arguments(methods, **given):
    usual = {"size": None, "pairs": None, "steps": None}
    return argparse.Namespace(methods=methods, **usual | given)


def test_every_method_and_ablation_is_trained_on_both_kinds_of_pairs():
    config = trifeature.config(arguments(",".join(trifeature.METHODS), steps=7, size=32), seed=3)
    assert config.seed == 3 and config.data.options.size == 32
    for name in trifeature.METHODS:
        match = config[f"{name}_match"]
        assert (config[name].sampler.source, match.sampler.source) == (0, 1)
        assert config[name].steps == match.steps == 7 and config[name].method == match.method
    assert config.comm_fused.method.weight == (0.0, 0.0, 1.0)
    assert config.comm_linear.label == "CoMM, linear fusion"
    assert {f"{name}_match" for name in trifeature.METHODS} < set(config.rows)
    with pytest.raises(SystemExit, match="'com' is none of cross, "):
        trifeature.config(arguments("com"), seed=0)


def test_its_trainings_fit():
    methods = "factorcl,comm_fused,comm_linear,comm_paper"
    config = trifeature.config(arguments(methods, size=16, pairs=24), seed=0)
    config.data.options.test_pairs = 24
    stages = plan.plan(config, catalogue.load(config.data)).stages
    assert {"factorcl", "factorcl_match", "comm_linear_match", "comm_paper"} < set(stages)


def run(match, shape=0.9):
    """What a run tells of two rows; `match`: of the training on pairs that do."""
    record = lambda task, value: {"task": task, "balanced_accuracy": value, "auroc": 0.6}
    records = lambda match: [record("label", shape), record("texture_1", 0.5),
                             record("texture_2", 0.3), record("match", match)]  # fmt: skip
    options = {"size": 64, "pairs": 4000, "test_pairs": 2000}
    return {
        "targets": {"CoMM": records(0.51), "CoMM, matching pairs": records(match)},
        "seconds": {"comm": 60.0, "comm_match": 120.0},
        "config": {"seed": 0, "data": {"options": options}},
    }


def test_synergy_is_of_the_training_on_matching_pairs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    trifeature.write("trifeature-toy", [run(0.6), run(0.7)])
    out = json.loads((tmp_path / "trifeature-toy.json").read_text())
    assert list(out["rows"]) == ["CoMM"]
    assert out["rows"]["CoMM"]["synergy"] == pytest.approx([0.65, 0.0707], abs=1e-3)
    assert out["rows"]["CoMM"]["uniqueness"] == pytest.approx([0.4, 0])
    page = (tmp_path / "trifeature-toy.md").read_text()
    said = "| CoMM | 90.0 ± 0.0 | 40.0 ± 0.0 | 65.0 ± 7.1 | 60.0 ± 0.0 | 99.9 / 87.8 / 71.9 |"
    assert said in page and "64 pixels, 4,000 pairs" in page and page in capsys.readouterr().out
    assert (tmp_path / "trifeature-toy.png").stat().st_size > 5000

"""InfoMAE from the pairs of one person, beside windows of everyone, by the command."""

import json

import numpy as np
import pytest


@pytest.mark.slow
def test_the_pairs_of_one_person_and_everyones_windows_train_it(tiny, main, tmp_path):
    few = {
        "align.sampler.people": 1,
        "align.sampler.unpaired": 0.5,
        "data.placement": "host",  # streamed batches say which rows are pairs, too
        "rows": ("chance", "align"),
        "evaluation.missing.references": False,
        "evaluation.fractions": (1.0,),
    }
    code, said = main(*tiny.command(tmp_path / "run", few))
    assert code == 0, said
    assert "train align: 6 steps of 64 from 192 windows, 32 of each without a partner" in said
    lines = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    costs = [line["align/distance"] for line in lines if "align/distance" in line]
    assert costs and np.isfinite(costs).all()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["align"]["sampler"] | {"people": 1, "unpaired": 0.5} == config["align"]["sampler"]

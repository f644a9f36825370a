"""The grid of masks: its cells, and what its page is computed from."""

import pytest

from experiments import masking, protocol


def test_the_grid_is_every_combination_and_no_masks_for_each_weighting():
    config = masking.experiment("stress_predict", 3)
    assert len(config.stages) == 2 * (3 * 3 + 1) and config.data.fold == 3
    assert config.rows == (*protocol.UNTRAINED, *config.stages)
    cells = {
        (m.mask.strategy, m.mask.keep_prob, m.loss.covariance)
        for m in (config[name].method for name in config.stages)
    }
    assert len(cells) == len(config.stages)
    assert {c for c in cells if c[0] == "none"} == {("none", 1.0, 1.0), ("none", 1.0, 100.0)}
    assert ("feature_shared", 0.9, 100.0) in cells


def test_cells_average_the_numbers_of_sensors_that_lack_some(tmp_path):
    label = "spatial, 0.5 kept, 25/25/1"
    probe = {"part": "joint", "protocol": "linear"}
    method = {"mask": {"strategy": "spatial", "keep_prob": 0.5}, "loss": masking.WEIGHTS["25/25/1"]}
    results = {
        "records": [probe | {"row": row, "fraction": fraction, "macro_f1": f1}
                    for row, fraction, f1 in ((label, 0.1, 0.3), (label, 1.0, 0.9),
                                              ("Random encoder", 0.1, 0.2),
                                              ("Random encoder", 1.0, 0.4))],
        "missing": {"summary": [{"row": row, "by_count": {"3": 0.9, "2": 0.6, "1": 0.5}}
                                for row in (label, "Random encoder")]},
        "data": {"modalities": {"a": {}, "b": {}, "c": {}}},
        "config": {"stages": ["s"], "s": {"label": label, "method": method}},
    }  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "s/z_std_complete": 9.0}\n'
        '{"step": 2, "s/z_std_complete": 0.5, "s/effective_rank": 4.0}\n'
    )
    cell = masking.cells_of(results, tmp_path)[1]
    assert cell["missing"] == pytest.approx(0.55)
    assert (cell["macro_f1"], cell["few_labels"]) == (0.9, 0.3)
    assert (cell["z_std_complete"], cell["effective_rank"], cell["keep"]) == (0.5, 4.0, 0.5)

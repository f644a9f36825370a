"""CoMM on Trifeature: pictures, two trainings, and a probe of every target."""

import numpy as np
import pytest

import mmalign
from mmalign.configs import comm
from mmalign.report import targets_table


def test_every_method_is_trained_on_both_kinds_of_pairs():
    config = comm.get_config()
    assert config.rows[-2:] == ("cross_match", "comm_match") and config.stages == ("comm_match",)
    for name in comm.COMPARED:
        twin = config[f"{name}_match"]
        assert (config[name].sampler.source, twin.sampler.source) == (0, 1)
        assert twin.method == config[name].method and twin.steps == config[name].steps
        assert twin.label == f"{config[name].label}, matching pairs"
    published = comm.get_config("trifeature224,infmasking")
    assert published.data.options.to_dict() == {"size": 224, "pairs": 10_000, "test_pairs": 4_094}
    assert published.stages == ("infmasking",) and {"comm_match", "comm"} < {*published.rows}
    series = comm.get_config("uci_har")
    assert "comm_match" not in series and "source" not in series.comm.sampler


@pytest.mark.slow
def test_a_run_tells_of_every_target(devices, tmp_path, capsys):
    devices(1)
    config = comm.get_config("smoke")
    config.rows, config.stages = ("window_statistics", "comm_match", "comm"), ("comm",)
    config.comm.method.update(width=16, head=(16, 8))
    config.comm_match.method.update(width=16, head=(16, 8))
    results = mmalign.run(config, tmp_path / "run")
    names = {"Window statistics", "CoMM, matching pairs", "CoMM"}
    assert set(results["targets"]) == names
    for records in results["targets"].values():
        assert [r["task"] for r in records] == ["label", "texture_1", "texture_2", "match"]
        assert {(r["train_windows"], r["test_windows"]) for r in records} == {(96, 48)}
    table = targets_table(results["targets"]).text()
    assert table in capsys.readouterr().out
    assert "Targets" in (tmp_path / "run" / "report.html").read_text()
    assert "information" not in results
    model = mmalign.load(tmp_path / "run")
    picture = np.random.default_rng(0).random((3, 16, 16, 3), np.float32)
    both = model.embed({"image_1": picture, "image_2": picture})
    alone = model.embed({"image_1": picture})
    np.testing.assert_allclose(alone["joint"], both["image_1"], atol=1e-5)
    assert not alone["image_2"].any() and np.abs(both["joint"] - alone["joint"]).max() > 1e-4
    with pytest.raises(ValueError, match="image_3"):
        model.embed({"image_3": picture})

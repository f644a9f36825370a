"""configs/baselines.py: every name is ready to train, and a run ends with the table."""

import importlib.util
import pathlib

import pytest

from mmalign import pipeline, plan
from mmalign.data import catalogue

PATH = pathlib.Path(__file__).parents[2] / "configs" / "baselines.py"
spec = importlib.util.spec_from_file_location("baselines_config", PATH)
baselines = importlib.util.module_from_spec(spec)
spec.loader.exec_module(baselines)


@pytest.fixture(scope="module")
def dataset():
    return catalogue.load(baselines.get_config("smoke").data)


@pytest.mark.parametrize("name", sorted(baselines.METHODS))
def test_every_baseline_can_be_planned(name, dataset):
    config = baselines.get_config(f"{name},smoke")
    config.references = ()
    (stage,) = plan.stages(config, dataset).values()
    assert stage.config["method"]["name"] == name
    assert stage.view.windows == (dataset.split == 0).sum()  # the same for paired and alone


def test_data_change_the_encoder_and_not_the_method():
    plain, real = (baselines.get_config(f"simsiam,{data}") for data in ("synthetic", "uci_har"))
    assert plain.train == real.train and real.encoder.dim > plain.encoder.dim
    assert "rotation" in real.augment.pool and "rotation" not in plain.augment.pool
    assert baselines.get_config() == baselines.get_config("simclr,synthetic")
    for arg in ("simclrr", "simclr,uci"):
        with pytest.raises(ValueError, match="unknown config argument '(simclrr|uci)', expected"):
            baselines.get_config(arg)


@pytest.mark.slow
def test_a_run_ends_with_the_baseline_beside_the_reference_rows(
    quick_compiling, devices, tmp_path, capsys
):
    devices(1)
    config = baselines.get_config("cocoa,smoke")
    config.references = ("supervised", "deep_conv_lstm")
    config.encoder.update(width=4, dim=8)
    config.deep_conv_lstm.method.encoder.update(filters=(2,), dim=4)
    config.evaluation.fractions = (1.0,)
    results = pipeline.run(config, tmp_path / "run")
    rows = list(dict.fromkeys(record["row"] for record in results["records"]))
    assert rows == ["Chance", "Raw windows", "Random encoder", "Supervised network",
                    "DeepConvLSTM", "COCOA"]  # fmt: skip
    printed = capsys.readouterr().out
    assert all(row in printed for row in rows)

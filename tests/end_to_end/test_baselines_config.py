"""configs/baselines.py: every name is ready to train, and a run ends with the table."""

import jax
import pytest

import mmalign
from mmalign import budget, methods
from mmalign.configs import baselines
from mmalign.data import catalogue, feed, samplers


@pytest.fixture(scope="module")
def dataset():
    return catalogue.load(baselines.get_config("smoke").data)


@pytest.mark.parametrize("name", sorted(baselines.METHODS))
def test_every_baseline_is_ready_to_train(name, dataset):
    config = baselines.get_config(f"{name},smoke")
    sampler = samplers.create(
        config.train.sampler.to_dict(), dataset, batch_size=config.train.batch_size, seed=0
    )
    assert sampler.windows == (dataset.split == 0).sum()  # the same for paired and alone
    encoder = budget.encoder(config.encoder.to_dict(), config.budget)
    front = {"encoder": encoder, "augment": config.augment.to_dict()}
    modalities = {
        m: methods.Modality("series", x.shape[1:], dataset.description.rate_hz[m])
        for m, x in dataset.inputs.items()
    }
    method = methods.create(front | config.train.method.to_dict(), modalities)
    assert method.needs <= sampler.gives
    data = feed.arrays(dataset, feed.statistics(dataset))
    batch = jax.eval_shape(feed.gather, data, sampler.rows(0))
    key = jax.random.key(0)
    variables = jax.eval_shape(method.init, key, batch)
    assert jax.eval_shape(method.loss, variables, batch, key)[0].shape == ()


def test_data_do_not_change_the_method():
    plain, real = (baselines.get_config(f"simsiam,{data}") for data in ("synthetic", "uci_har"))
    assert plain.train == real.train
    assert "rotation" in real.augment.pool and "rotation" not in plain.augment.pool
    assert baselines.get_config() == baselines.get_config("simclr,synthetic")


@pytest.mark.slow
def test_a_run_ends_with_the_baseline_beside_the_reference_rows(devices, tmp_path, capsys):
    devices(1)
    config = baselines.get_config("cocoa,smoke")
    config.rows = (
        "chance",
        "raw_windows",
        "random_encoder",
        "supervised",
        "deep_conv_lstm",
        "train",
    )
    config.encoder.update(width=4, dim=8)
    config.deep_conv_lstm.method.encoder.update(filters=(2,), dim=4)
    config.evaluation.fractions, config.evaluation.missing.patterns = (1.0,), ()
    results = mmalign.run(config, tmp_path / "run")
    rows = list(dict.fromkeys(record["row"] for record in results["records"]))
    assert rows == ["Chance", "Raw windows", "Random encoder", "Supervised network",
                    "DeepConvLSTM", "COCOA"]  # fmt: skip
    printed = capsys.readouterr().out
    assert all(row in printed for row in rows)

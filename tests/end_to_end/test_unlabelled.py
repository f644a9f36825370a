"""Windows without labels: trained on, saved, embedded, and told of as far as no label is needed."""

import dataclasses
import pathlib
from types import SimpleNamespace

import numpy as np
import pytest

import mmalign
from mmalign import compare, evaluation, plan
from mmalign.data import catalogue
from mmalign.data.dataset import TEST, TRAIN


@pytest.fixture(scope="module")
def configs():
    """The smallest `chain`, and the grid of it that is `compared`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(pathlib.Path(__file__).parent)
        import chain
        import compared

        return SimpleNamespace(chain=chain.get_config, compared=compared.get_config)


@pytest.fixture(scope="module")
def data(configs):
    return catalogue.load(configs.chain().data)


@pytest.fixture(scope="module")
def config(configs, data, tmp_path_factory):
    """Of a chain whose rows are of all sorts, on windows of one's own without a label."""
    path = tmp_path_factory.mktemp("own") / "windows.npz"
    rates = {f"rate_hz_{m}": rate for m, rate in data.description.rate_hz.items()}
    np.savez(path, **data.inputs, **rates, group=data.group)
    cfg = configs.chain()
    cfg.data.update(name="npz", path=str(path))
    cfg.data.options = {}
    cfg.online = None
    cfg.rows = ("chance", "window_statistics", "random_forest", "random_encoder", "pretrain",
                "head")  # fmt: skip
    return cfg


def test_a_run_without_labels_is_reported_without_probes(config, data, run_small, tmp_path, capsys):
    folder = tmp_path / "run"
    results = run_small(config, folder)
    said = capsys.readouterr().out
    note = ("no window has a label: the report is without probes, and without the rows Chance, "
            "Random forest on window statistics, Head")  # fmt: skip
    assert results["unprobed"] == note and said.count(f"Note: {note}") == 2  # before, and after
    assert "no labels" in said and "effective dimensions" in said
    assert results["records"] == [] and set(results["seconds"]) == {
        "pretrain", "align", "random_encoder"}  # fmt: skip
    rows = {"Window statistics", "Random encoder", "Autoencoder", "CMC"}
    assert set(results["label_free"]) == rows
    assert all(of["rankme"] > 1 for of in results["label_free"].values())
    (found,) = results["recalled"].values()
    assert [r["present"] for r in found] == [["acc"], ["emg"]]
    assert all(0 < r["r1"] <= r["r5"] <= 1 and r["windows"] > 10 for r in found)
    assert all(r["macro_f1"] is None and 0 < r["mrr"] <= 1 for r in results["across"]["CMC"])
    page = (folder / "report.html").read_text()
    for title in ("Without labels", "When sensors are missing", "Map of the joint embedding",
                  "From one sensor to another", "Training"):  # fmt: skip
        assert f">{title}</h2>" in page
    assert note in page and "What the embeddings know of the label" not in page
    z = mmalign.load(folder).embed({m: x[:5] for m, x in data.inputs.items()})
    assert np.abs(z["joint"]).max() > 0


def test_labels_of_one_split_alone_cannot_be_probed_either(config, data):
    for split, why in ((TRAIN, "no test window has"), (TEST, "no training window has")):
        label = np.where(data.split == split, data.label, -1).astype(np.int32)
        planned = plan.plan(config, dataclasses.replace(data, targets={"label": label}))
        assert planned.unprobed.why == f"{why} a label"
        assert [row.name for row in planned.rows] == [
            "window_statistics", "random_encoder", "pretrain", "align"]  # fmt: skip


def test_what_needs_labels_says_so(config, configs, tmp_path):
    data = catalogue.load(config.data)
    looking = config.copy_and_resolve_references()
    looking.online = 2
    with pytest.raises(ValueError, match=r"config.online looks at labels, and no window has a la"):
        plan.plan(looking, data)
    ranked = configs.compared()
    ranked.data, ranked.online = config.data, None
    with pytest.raises(ValueError, match="a comparison ranks by labels, and no window has a label"):
        compare.run(ranked, tmp_path)


def test_a_sensor_that_tells_all_finds_every_window_again(data, rng):
    z = rng.normal(size=(len(data), 6))
    half = np.arange(6) < 3

    def embed(present):
        return np.where(half, z, 0) if present["acc"].any() else rng.normal(size=z.shape)

    found = evaluation.recalled(z, embed, data, [("acc", "emg"), ("acc",), ("emg",)])
    tests = int((data.split == TEST).sum())
    assert [r["windows"] for r in found] == [tests, tests]
    assert found[0]["r1"] > 0.3 > 5 / tests > found[1]["r1"]
    alone = dataclasses.replace(data, present=data.present | {"emg": np.arange(len(data)) == 0})
    assert evaluation.recalled(z, embed, alone, [("acc", "emg"), ("acc",)]) == []

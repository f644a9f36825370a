"""A trained run in the hands of others: predictions, files, pickles, scikit-learn."""

import copy
import json
import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

import mmalign
from mmalign import embed, exported, trained
from mmalign.data.dataset import TEST, TRAIN
from mmalign.evaluation import calibration_error, scores
from mmalign.sklearn import Embedder


@pytest.mark.parametrize("stage", [None, "supervised_100"])
def test_it_predicts_what_the_report_scored(tiny_run, dataset, stage):
    model = mmalign.load(tiny_run.folder, stage)
    test = (dataset.split == TEST) & (dataset.label >= 0)
    inputs = {m: x[test] for m, x in dataset.inputs.items()}
    odds = model.predict_proba(inputs)
    np.testing.assert_allclose(odds.sum(axis=1), 1, rtol=1e-5)
    said = model.predict(inputs)
    assert set(said.tolist()) <= set(model.classes) == set(tiny_run.results["data"]["classes"])
    guess = np.array([model.classes.index(word) for word in said])
    label = "InfoMAE" if stage is None else "Supervised network"
    (record,) = [r for r in tiny_run.results["records"] if r["row"] == label
                 and r["part"] == "joint" and r["fraction"] == 1.0
                 and r["protocol"] in ("linear", "network")]  # fmt: skip
    found = scores(dataset.label[test], guess)
    assert abs(found["accuracy"] - record["accuracy"]) <= 1.5 / test.sum()
    if stage is None:
        right = guess == dataset.label[test]
        np.testing.assert_allclose(
            model.probe.calibration_error, calibration_error(odds.max(axis=1), right), atol=0.02
        )


def test_a_stage_without_a_probe_says_so(tiny_run, windows):
    model = mmalign.load(tiny_run.folder)
    model.probe = None
    with pytest.raises(ValueError, match="fitted no probe to this stage"):
        model.predict(windows)
    assert "classes" not in repr(model)


def test_calibration_is_nothing_of_a_sure_and_right_answer_and_all_of_a_wrong_one():
    assert calibration_error([1.0, 1.0], [True, True]) == 0
    assert calibration_error([1.0, 1.0], [False, False]) == 1
    np.testing.assert_allclose(calibration_error([0.75] * 4, [True, True, True, False]), 0)
    np.testing.assert_allclose(calibration_error([0.95, 0.55], [True, False]), (0.05 + 0.55) / 2)


def test_it_tells_what_it_knows(model):
    said = repr(model)
    assert "infomae; acc: series 128 x 3 at 50 Hz; emg: series 256 x 2 at 100 Hz; classes" in said


def test_it_is_pickled_and_copied_whole(model, windows):
    want = model.embed(windows, batch_size=16)["joint"]
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.embed(windows, batch_size=16)["joint"], want)
        assert again.predict(windows).tolist() == model.predict(windows).tolist()


def test_windows_at_another_rate_are_brought_to_its_own(model):
    """Slow waves, sampled twice as fast and longer than need be."""
    wave = lambda rate, n, c: np.sin(
        2 * np.pi * 2 * np.arange(n)[None, :, None] / rate + np.arange(c)[None, None] + 1.0
    ).astype(np.float32)
    own = {"acc": wave(50, 128, 3), "emg": wave(100, 256, 2)}
    fast = {"acc": wave(100, 270, 3), "emg": wave(100, 256, 2)}
    z, want = (model.embed(x, rate_hz=r, batch_size=1)["joint"]
               for x, r in ((fast, {"acc": 100.0, "emg": 100.0}), (own, None)))  # fmt: skip
    assert np.abs(z - want).max() < 0.1 * np.abs(want).max()
    with pytest.raises(ValueError, match="has 128 samples at 100 Hz; windows of the model, 128 at"):
        model.embed(own, rate_hz={"acc": 100.0})
    gone = fast | {"acc": np.full_like(fast["acc"], np.nan)}
    assert not model.embed(gone, rate_hz={"acc": 100.0}, batch_size=1)["acc"].any()


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_file_of_windows_becomes_a_file_of_embeddings(
    model, windows, tiny_run, tmp_path, monkeypatch, capsys, suffix
):
    present = np.arange(10) != 3
    np.savez(tmp_path / "new.npz", **windows, group=np.arange(10) // 5, present_emg=present,
             rate_hz_acc=50.0)  # fmt: skip
    out = tmp_path / f"z{suffix}"
    run(monkeypatch, tiny_run.folder, tmp_path / "new.npz", out)
    assert f"{out}: " in capsys.readouterr().out
    emg = windows["emg"].copy()
    emg[3] = np.nan
    want = model.embed({"acc": windows["acc"], "emg": emg})
    if suffix == ".npz":
        with np.load(out) as found:
            for part, z in want.items():
                np.testing.assert_allclose(found[part], z, rtol=1e-5, atol=1e-6)
            assert found["predicted"].shape == (10,) and found["group"].tolist()[-1] == 1
    else:
        frame = pytest.importorskip("pandas").read_parquet(out)
        columns = frame[[f"joint_{i}" for i in range(want["joint"].shape[1])]].to_numpy()
        np.testing.assert_allclose(columns, want["joint"], rtol=1e-5, atol=1e-6)
        assert {"predicted", "group"} <= set(frame)


def test_embeddings_are_written_whatever_a_sensor_is_called(tmp_path):
    found = {"file": np.zeros((2, 3), np.float32), "joint": np.ones((2, 4)), "split": np.arange(2)}
    embed.write(tmp_path / "out.npz", found)
    with np.load(tmp_path / "out.npz") as stored:
        assert set(stored.files) == set(found)
        for name, x in found.items():
            np.testing.assert_array_equal(stored[name], x)


def test_a_file_that_does_not_fit_ends_in_one_line(windows, tiny_run, tmp_path, monkeypatch):
    def said(*args):
        with pytest.raises(SystemExit) as stop:
            run(monkeypatch, *args)
        return stop.value.code

    file, out = tmp_path / "new.npz", tmp_path / "z.npz"
    np.savez(file, **windows, gyro=np.zeros(3))
    assert said(tiny_run.folder, file, out) == f"error: {file} has 'gyro'; the model knows acc, emg"
    np.savez(file, **windows, present_emg=np.ones(3, bool))
    assert said(tiny_run.folder, file, out) == f"error: {file}: 'present_emg' must be [10], got [3]"
    np.savez(file, **windows, rate_hz_acc=np.ones(2))
    assert said(tiny_run.folder, file, out) == (
        f"error: {file}: 'rate_hz_acc' must be one number, got float64 [2]"
    )
    np.savez(file, **windows, group=np.arange(5))
    assert said(tiny_run.folder, file, out) == (
        f"error: {file}: 'group' has [5] entries: one a window is needed"
    )
    before = file.read_bytes()
    assert "--output is the --input" in said(tiny_run.folder, file, tmp_path / "." / file.name)
    assert file.read_bytes() == before
    np.savez(file, acc=windows["acc"][:, :9])
    assert said(tiny_run.folder, file, out).startswith(f"error: {file}: inputs['acc'] has shape")
    assert "must end in .npz or .parquet" in said(tiny_run.folder, file, tmp_path / "z.csv")
    assert "holds no run" in said(tmp_path, file, out)
    assert not out.exists()


def run(monkeypatch, workdir, file, out):
    flags = [f"--workdir={workdir}", f"--input={file}", f"--output={out}"]
    monkeypatch.setattr(sys, "argv", ["embed", *flags])
    embed.main()


OTHER = """
import json, pathlib, sys
import numpy as np
from jax import export
from safetensors.numpy import load_file
folder = pathlib.Path(sys.argv[1])
model = export.deserialize(bytearray((folder / "model.stablehlo").read_bytes()))
windows = dict(np.load(folder / "windows.npz"))
there = {m: np.ones(len(x), bool) for m, x in windows.items()}
there["emg"][3] = False
z = model.call(load_file(folder / "model.safetensors"), windows, there)
about = json.loads((folder / "config.json").read_text())
probe = {name: np.array(x) for name, x in about["probe"].items()}
logits = (np.asarray(z["joint"]) - probe["mean"]) / probe["scale"] @ probe["weight"] + probe["bias"]
said = [about["classes"][i] for i in probe["classes"][logits.argmax(axis=1)]]
np.savez(folder / "found.npz", said=said, **{part: np.asarray(x) for part, x in z.items()})
assert "mmalign" not in sys.modules
"""


def test_a_program_without_mmalign_finds_the_same(model, windows, tiny_run, start, tmp_path):
    pytest.importorskip("safetensors")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_bytes(b"of another model")
    earlier = json.dumps(dict.fromkeys(exported.DESCRIBED))
    (tmp_path / "model" / "config.json").write_text(earlier)
    folder = mmalign.export(tiny_run.folder, tmp_path / "model")
    assert {x.name for x in folder.iterdir()} == {"model.stablehlo", "model.safetensors",
                                                  "config.json", "README.md"}  # fmt: skip
    seven = {m: x[:7].copy() for m, x in windows.items()}
    np.savez(folder / "windows.npz", **seven)
    process = start("-c", OTHER, folder, PYTHONPATH="")
    said = process.communicate()[0]
    assert process.returncode == 0, said
    seven["emg"][3] = np.nan
    want = model.embed(seven)
    with np.load(folder / "found.npz") as found:
        for part, z in want.items():
            np.testing.assert_allclose(found[part], z, rtol=1e-5, atol=1e-5)
        assert found["said"].tolist() == model.predict(seven).tolist()
    card = (folder / "README.md").read_text()
    assert "# InfoMAE on synthetic" in card and "- `emg`: series 256 x 2 at 100 Hz, in mV" in card
    assert "- `model.safetensors`: its weights" in card and "model.onnx" not in card
    assert "| InfoMAE |" in card and "points on test windows" in card


@pytest.mark.parametrize("name", ["README.md", "model.onnx", "config.json"])
def test_no_export_replaces_what_is_of_something_else(tiny_run, tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=f"has a {name} that no export wrote"):
        mmalign.export(tiny_run.folder, tmp_path)
    assert (tmp_path / name).read_text() == "{}"
    with pytest.raises(ValueError, match="has a config.json that no export wrote"):
        mmalign.export(tiny_run.folder, tiny_run.folder)


def test_classes_are_numbers_where_the_files_labels_are():
    names = np.array(["3", "-1"])
    assert embed._as(np.array([3, 4]), names).tolist() == [3, -1]
    assert (
        embed._as(None, names).tolist() == embed._as(np.array(["a"]), names).tolist() == ["3", "-1"]
    )
    assert embed._as(np.array([0]), np.array(["walk"])).tolist() == ["walk"]


def test_what_cannot_be_exported_is_said(tiny_run, tmp_path, monkeypatch):
    load = trained.load

    def by_subject(*args):
        model = load(*args)
        model.by_subject = True
        return model

    monkeypatch.setattr(trained, "load", by_subject)
    with pytest.raises(ValueError, match="standardises channels by subject"):
        mmalign.export(tiny_run.folder, tmp_path)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pip install .mmalign\[export\]"):
        mmalign.export(tiny_run.folder, tmp_path)


def test_it_is_a_step_of_a_pipeline(tiny_run, dataset, model):
    train = np.flatnonzero(dataset.split == TRAIN)[:60]
    flat = np.concatenate([x[train].reshape(60, -1) for x in dataset.inputs.values()], axis=1)
    step = Embedder(tiny_run.folder)
    z = step.fit(flat).transform(flat)
    want = model.embed({m: x[train] for m, x in dataset.inputs.items()})["joint"]
    np.testing.assert_allclose(z, want, rtol=1e-5, atol=1e-6)
    pipeline = make_pipeline(Embedder(tiny_run.folder), LogisticRegression(max_iter=50, tol=0.1))
    assert pipeline.fit(flat, dataset.label[train]).score(flat, dataset.label[train]) > 0.2
    again = pickle.loads(pickle.dumps(clone(step).fit()))
    np.testing.assert_array_equal(again.transform(flat), z)
    with pytest.raises(
        ValueError, match=r"X must be \[n, 896\] \(acc: 384, emg: 512\), got \(60, 9"
    ):
        step.transform(flat[:, :9])
    with pytest.raises(ValueError, match="part must be one of acc, .*, got 'whole'"):
        Embedder(tiny_run.folder, part="whole").fit().transform(flat)


@pytest.mark.parametrize("check", [
    "check_no_attributes_set_in_init", "check_get_params_invariance", "check_set_params",
    "check_parameters_default_constructible", "check_estimator_repr", "check_estimator_cloneable",
    "check_mixin_order", "check_valid_tag_types", "check_estimator_tags_renamed",
])  # fmt: skip
def test_what_scikit_learn_asks_of_an_estimator_holds(check):
    getattr(estimator_checks, check)("Embedder", Embedder())

"""model.onnx of a trained run, in a program that has onnxruntime alone."""

import sys

import jax
import numpy as np
import pytest

import mmalign
from mmalign import trained
from mmalign.configs import crossl
from mmalign.to_onnx import model as writer

pytest.importorskip("onnx", reason="of the extra `onnx`, which is not installed")
pytest.importorskip("onnxruntime", reason="of the extra `test`, which is not installed")
OTHER = """
import pathlib, sys
import numpy as np
import onnxruntime
folder = pathlib.Path(sys.argv[1])
session = onnxruntime.InferenceSession(folder / "model.onnx")
outputs = [x.name for x in session.get_outputs()]
for file in folder.glob("given_*.npz"):
    with np.load(file) as given:
        found = session.run(outputs, {name.replace("|", "/"): x for name, x in given.items()})
    names = [name.removeprefix("embeddings/") for name in outputs]
    np.savez(folder / file.name.replace("given", "found"), **dict(zip(names, found)))
assert not {"mmalign", "jax", "onnx"} & set(sys.modules)
"""


@pytest.fixture
def found(request, model, rng, monkeypatch):
    """What `mmalign.load` finds: the run's model, or CroSSL with the encoder of all configs."""
    if request.param == "crossl":
        encoder = {"name": "compact", "dim": 128, "width": 32, "statistics": 128}
        method = crossl.get_config("smoke").crossl.method.to_dict() | {"encoder": encoder}
        recipe = model.recipe._replace(method=method)
        key, batch = jax.random.key(0), trained.blank(recipe.modalities, 2)
        shapes = jax.eval_shape(recipe.made().init, key, batch)
        drawn = lambda s: (0.1 * rng.standard_normal(s.shape)).astype(np.float32)
        model = trained.Trained(recipe, jax.tree.map(drawn, shapes), model.statistics)
        monkeypatch.setattr(trained, "load", lambda *of: model)
    return model


@pytest.mark.parametrize("found", ["infomae", "crossl"], indirect=True)
def test_a_program_with_onnxruntime_alone_finds_the_same(found, tiny_run, windows, start, tmp_path):
    model, folder = found, mmalign.export(tiny_run.folder, tmp_path / "model", onnx=True)
    want = {}
    for name, count, gone in (("whole", 10, {}), ("lacking", 7, {"acc": [0, 4], "emg": [1, 5, 6]}),
                              ("one", 1, {"emg": [0]})):  # fmt: skip
        seen = {m: x[:count].copy() for m, x in windows.items()}
        for m, rows in gone.items():
            seen[m][rows] = np.nan
        want[name] = model.embed(seen)
        there = {f"present|{m}": ~np.isnan(x).any(axis=(1, 2)) for m, x in seen.items()}
        inputs = {f"inputs|{m}": x for m, x in seen.items()}
        np.savez(folder / f"given_{name}.npz", **inputs, **there)
    process = start("-c", OTHER, folder, PYTHONPATH="")
    said = process.communicate()[0]
    assert process.returncode == 0, said
    for name, parts in want.items():
        with np.load(folder / f"found_{name}.npz") as stored:
            assert set(stored) == set(parts)
            for part, z in parts.items():
                largest = max(1.0, np.abs(z).max())  # jax itself is as far from float64
                np.testing.assert_allclose(stored[part], z, rtol=0, atol=1e-5 * largest)
    assert "- `model.onnx`: the same for ONNX runtimes" in (folder / "README.md").read_text()


def test_an_operation_that_cannot_be_written_is_named_and_nothing_is_left(
    tiny_run, tmp_path, monkeypatch
):
    monkeypatch.delitem(writer.RULES, "dot_general")
    said = "operation 'dot_general' has no form in ONNX here; export without .* StableHLO holds it"
    with pytest.raises(ValueError, match=said):
        mmalign.export(tiny_run.folder, tmp_path / "model", onnx=True)
    assert not (tmp_path / "model").exists()


def test_without_the_extra_it_says_what_to_install(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install .mmalign\[onnx\]"):
        mmalign.export(tiny_run.folder, tmp_path / "model", onnx=True)
    assert not (tmp_path / "model").exists()

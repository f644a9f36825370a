"""CONTRIBUTING.md followed from outside the package: its method, data set and loss work."""

import importlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mmalign
from mmalign import losses, methods
from mmalign.methods import Modality
from mmalign.methods.example_windows import example_batch

WIDTH = 8 + 30  # what is learnt, and the statistics of one channel
ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
MODULES = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^    python (-m mmalign .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder that is no part of the package, with the modules of the page, importable."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)


def test_the_page_adds_one_of_each_in_about_thirty_lines():
    assert list(MODULES) == ["toy_method", "toy_data", "toy_loss"]
    assert all(len(text.splitlines()) <= 40 for text in MODULES.values())


def test_its_method_on_its_data_runs_from_the_command_line_and_embeds(outside):
    method, data = (re.search(rf"\b{key}=(toy\w+:\w+)", " ".join(COMMANDS))[1]
                    for key in ("method", "data"))  # fmt: skip
    assert len(COMMANDS) == 2
    command = [
        f"--config=baselines:method={method},data={data},smoke", "--workdir=run",
        "--config.data.options.people=9", "--config.rows=('chance','train')",
        "--config.evaluation.fractions=(1.0,)", "--config.encoder.width=4",
        "--config.encoder.dim=8",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "mmalign", *command], cwd=outside, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((outside / "run" / "results.json").read_text())
    assert results["data"]["windows"] == 9 * 40 and results["data"]["classes"] == ["slow", "fast"]
    assert {r["row"] for r in results["records"]} == {"Chance", method}

    model = mmalign.load(outside / "run")
    windows = importlib.import_module("toy_data").load(people=3).inputs
    complete, alone = model.embed(windows), model.embed({"wrist": windows["wrist"]})
    assert {part: z.shape for part, z in complete.items()} == {
        "wrist": (120, WIDTH), "ankle": (120, WIDTH), "joint": (120, 2 * WIDTH)
    }  # fmt: skip
    np.testing.assert_allclose(alone["wrist"], complete["wrist"], rtol=1e-5, atol=1e-6)
    assert not alone["ankle"].any() and alone["joint"].shape == (120, 2 * WIDTH)


def test_its_method_takes_sensors_whose_encoders_differ_in_width(outside):
    sensors = {m: Modality("series", (64, n), 32.0) for m, n in (("wrist", 3), ("chest", 1))}
    encoder = {"name": "compact", "patch_s": None, "width": 4, "dim": 8, "statistics": 4}
    spec = {"name": "toy_method:create", "encoder": encoder, "augment": {"pool": ("scaling",)}}
    made, batch = methods.create(spec, sensors), example_batch(sensors)
    shapes = jax.eval_shape(made.init, jax.random.key(0), batch)
    widths = {m: x.shape for m, x in shapes["means"].items()}
    assert len({*widths.values()}) == 2
    assert jax.eval_shape(made.loss, shapes, batch, jax.random.key(0))[0].shape == ()


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_name_configs_that_there_are(command, outside, monkeypatch):
    from mmalign import main

    monkeypatch.setattr(sys, "argv", shlex.split(command))
    config = main._Parser().parse(shlex.split(command)[2].removeprefix("--config="))
    assert config.is_locked and "toy" in config.data.name + config.get("train", {}).get(
        "method", {}
    ).get("name", "")


def test_its_loss_keeps_the_rules_of_losses(outside):
    distance = importlib.import_module("toy_loss").squared_distance
    z = jnp.array([[3.0, 0.0], [0.0, 2.0], [jnp.nan, 1.0], [-1.0, 0.0]])
    other = jnp.array([[1.0, 0.0], [0.0, -5.0], [1.0, 1.0], [0.0, 1.0]])
    where = jnp.array([True, True, False, True])
    np.testing.assert_allclose(distance(z[:2], other[:2]), [0.0, 4.0], atol=1e-6)
    np.testing.assert_allclose(distance(z, other, where=where).mean(), (0 + 4 + 2) / 3, rtol=1e-6)
    assert losses.orthogonality(z, other, where=where).shape == (4,)  # the package's own rule
    split = jax.vmap(
        lambda *x: distance(*x[:2], where=x[2], axis_name="data"), axis_name="data"
    )(*(x.reshape(2, 2, *x.shape[1:]) for x in (z, other, where)))  # fmt: skip
    np.testing.assert_allclose(split.reshape(-1), distance(z, other, where=where), rtol=1e-6)

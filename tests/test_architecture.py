import ast
import importlib.util
import pathlib
import subprocess
import sys

import pytest

from mmalign.run_checks import BUILT_IN

ROOT = pathlib.Path(__file__).parents[1]
COMMON = ROOT / "configs" / "common.py"
CONFIGS = sorted(set((ROOT / "configs").glob("*.py")) - {COMMON})


def sources(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path):
    """Full names of all that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(name, *folders):
    return {
        str(path.relative_to(ROOT))
        for path in sources(*folders)
        if any(f"{found}.".startswith(f"{name}.") for found in imports(path))
    }


def test_the_scan_sees_every_kind_of_import(tmp_path):
    path = tmp_path / "file.py"
    path.write_text("import a.b\nfrom c import d as e\ndef f():\n    from g.h import i\n")
    assert list(imports(path)) == ["a.b", "c.d", "g.h.i"]


def test_linen_is_imported_in_models_alone():
    found = importers("flax.linen", "mmalign", "configs", "experiments")
    assert found and all(path.startswith("mmalign/models/") for path in found)


def test_orbax_is_imported_in_one_file():
    found = importers("orbax", "mmalign", "configs", "experiments")
    assert found == {"mmalign/training/checkpoints.py"}


@pytest.mark.parametrize("name", ["tensorflow", "tensorflow_probability", "torch", "keras"])
def test_no_other_framework_is_imported(name):
    peers = {"experiments/bench/peers.py", "experiments/bench/comm_peer.py"}
    measured = peers if name == "torch" else set()
    assert importers(name, "mmalign", "configs", "experiments", "colabs") == measured


def loaded(statement):
    """Top-level packages that a fresh process has loaded after a statement."""
    program = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


HEAVY = {"sklearn", "matplotlib", "tensorflow_datasets", "tensorboardX"}


def test_losses_load_jax_and_none_of_the_heavy_packages():
    found = loaded("import mmalign.losses")
    assert "jax" in found
    assert not found & {"flax", "orbax", "grain", "ml_collections", *HEAVY}


def test_importing_the_package_loads_nothing():
    assert not loaded("import mmalign") & {"jax", "numpy", "flax", "optax"}
    assert not loaded("import mmalign.__main__") & {"absl", "numpy"}  # before signals are answered


def test_a_run_loads_heavy_packages_when_it_uses_them():
    found = loaded("import mmalign.walk, mmalign.trained")
    assert "flax" in found and not found & {"orbax", "grain", *HEAVY}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_has_a_smoke_run_of_two_steps_and_refuses_other_arguments(path):
    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config("smoke")
    assert config.data.name in ("synthetic", "trifeature")  # nothing to download
    for name in {*config.stages, *config.rows} - set(BUILT_IN):
        assert config[name].steps == 2
    with pytest.raises(ValueError, match="unknown config argument 'nope'"):
        module.get_config("nope")


def test_configs_import_no_library_but_ml_collections():
    assert CONFIGS
    known = {
        "functools",
        "ml_collections.config_dict",
        "mmalign.defaults",
        *(f"mmalign.configs.{path.stem}" for path in (COMMON, *CONFIGS)),
    }
    for path in (COMMON, *CONFIGS):
        assert set(imports(path)) <= known
    assert not loaded("import mmalign.defaults") & {"jax", "numpy", "flax", "optax"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_has_what_a_run_takes_of_missing_sensors_and_labels_as_flags(path):
    from mmalign import evaluation
    from mmalign.evaluation.missing_config import DEFAULTS

    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config("npz").lock()
    assert config.evaluation.missing.to_dict() == DEFAULTS
    assert config.evaluation.fractions == evaluation.FRACTIONS
    config.update_from_flattened_dict({"evaluation.missing.rates": (0.2,)})
    options = evaluation.missing_options(config.evaluation.missing, ("acc", "emg"))
    assert options == DEFAULTS | {"rates": (0.2,), "devices": options["devices"]}


def test_arrows_between_rooms_point_down():
    command = pathlib.Path(sys.executable).with_name("lint-imports")
    if not command.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

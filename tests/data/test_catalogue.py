"""Data sets by name."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from ml_collections import config_dict

from mmalign.data import catalogue


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="name='mnist', expected one of synthetic, uci_har, sp_sw"):
        catalogue.load({"name": "mnist"})


def test_unknown_option_lists_the_known(tmp_path):
    config = {"name": "sp_sw_har", "dir": tmp_path, "options": {"purty": 1}}
    with pytest.raises(ValueError, match="'sp_sw_har' has no option 'purty', expected steps, puri"):
        catalogue.load(config)
    with pytest.raises(ValueError, match="'uci_har' has no option 'steps', expected none"):
        catalogue.load({"name": "uci_har", "options": {"steps": 1}})


@pytest.mark.parametrize("name", [name for name, s in catalogue.SOURCES.items() if "dir" in s[2]])
def test_every_public_set_says_where_it_comes_from(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Download '.*\.zip' from https://.*data.dir=FOL"):
        catalogue.load({"name": name, "dir": str(tmp_path)})
    origin = importlib.import_module(catalogue.SOURCES[name][0]).ORIGIN
    assert origin.name == name and origin.url.startswith("https://") and origin.marker


def test_npz_needs_a_path():
    with pytest.raises(ValueError, match=r"'npz' needs --config.data.path"):
        catalogue.load({"name": "npz", "path": None})


def test_folder_and_options_reach_the_loader(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"UCI HAR Dataset.zip"):
        catalogue.load({"name": "uci_har", "dir": str(tmp_path), "batch_size": 3})
    for i in range(3):
        np.savez(tmp_path / f"{i}.npz", a=np.ones((4, 5, 1)), b=np.ones((4, 5, 2)))
    config = config_dict.ConfigDict({"name": "npz", "options": {"test_fraction": 0.6}})
    config.path, config.dir = config_dict.placeholder(str), config_dict.placeholder(str)
    config.path = str(tmp_path)
    data = catalogue.load(config)
    assert len(np.unique(data.recording[data.split == 1])) == 2


def test_synthetic_takes_its_options():
    options = {"subjects": 3, "test_subjects": 1, "windows": 8}
    assert len(catalogue.load({"name": "synthetic", "options": options})) == 24


def test_importing_the_readers_imports_nothing_heavy():
    modules = [module for module, _, _ in catalogue.SOURCES.values()]
    script = (
        f"import sys, mmalign.data.catalogue, {', '.join(modules)}; "
        "heavy = {'tensorflow_datasets', 'scipy', 'sklearn', 'grain', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

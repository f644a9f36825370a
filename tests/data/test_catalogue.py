"""Data sets by name."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from ml_collections import config_dict

from mmalign.data import catalogue


def test_unknown_name_lists_the_known():
    with pytest.raises(
        ValueError, match="no data set is called 'mnist'; there is arrays, e4, emg_imu_lis"
    ):
        catalogue.load({"name": "mnist"})


def test_unknown_option_lists_the_known(tmp_path):
    config = {"name": "sp_sw_har", "dir": tmp_path, "options": {"purty": 1}}
    with pytest.raises(ValueError, match=r"'sp_sw_har' is called 'purty' .did you mean 'purity'"):
        catalogue.load(config)
    with pytest.raises(ValueError, match="'uci_har' is called 'steps'; there is gravity"):
        catalogue.load({"name": "uci_har", "options": {"steps": 1}})


# made, or of no one zip
FILES = ("npz", "arrays", "unimts", "recordings", "e4")  # of the user's own
OTHERS = ("synthetic", "trifeature", "multibench", "union", *FILES)
PUBLIC = [name for name in catalogue.SOURCES if name not in OTHERS]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_set_says_where_it_comes_from(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Download '.*\.zip' from https://.*data.dir=FOL"):
        catalogue.load({"name": name, "dir": str(tmp_path)})
    origin = importlib.import_module(catalogue.SOURCES[name].split(":")[0]).ORIGIN
    assert origin.name == name and origin.url.startswith("https://") and origin.marker


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_user_s_own_need_a_path(name):
    with pytest.raises(ValueError, match=rf"'{name}' needs --config.data.path"):
        catalogue.load({"name": name, "path": None})


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("synthetic", {"noise": "x"}, "options.noise of data set 'synthetic' must be a number"),
        ("synthetic", {"noise": {"a": 1}}, "options.noise of data set 'synthetic' must be a"),
        ("e4", {"sensors": "eda"}, "options.sensors of data set 'e4' must be a tuple, such as"),
        ("recordings", {"rate_hz": 50}, "options.rate_hz is said for each sensor on its own"),
        ("union", {"sources": 3}, "options.sources is said for each source on its own"),
    ],
)  # fmt: skip
def test_an_option_of_another_kind_is_named_with_what_would_do(tmp_path, name, options, match):
    path = {"path": tmp_path} if name in FILES else {}
    with pytest.raises(ValueError, match=match):
        catalogue.load({"name": name, "options": options, **path})


def test_what_a_flag_says_of_each_sensor_reaches_the_loader(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((8, 5, 3)))
    config = config_dict.ConfigDict({"name": "arrays", "path": str(tmp_path), "options": {
        "rate_hz": {"a": 5, "b": 6}, "sensors": {"a": (0, 2), "b": (2, 3)}}})  # fmt: skip
    assert catalogue.load(config).description.rate_hz == {"a": 5.0, "b": 6.0}


def test_folder_and_options_reach_the_loader(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"UCI HAR Dataset.zip"):
        catalogue.load({"name": "uci_har", "dir": str(tmp_path), "batch_size": 3})
    for i in range(3):
        np.savez(tmp_path / f"{i}.npz", a=np.ones((4, 5, 1)), b=np.ones((4, 5, 2)),
                 rate_hz_a=1, rate_hz_b=1)  # fmt: skip
    config = config_dict.ConfigDict({"name": "npz", "options": {"test_fraction": 0.6}})
    config.path, config.dir = config_dict.placeholder(str), config_dict.placeholder(str)
    config.path = str(tmp_path)
    data = catalogue.load(config)
    assert len(np.unique(data.recording[data.split == 1])) == 2


def test_files_given_to_a_data_set_that_reads_none_are_not_passed_over():
    with pytest.raises(ValueError, match=r"data.path='mine.npz' is given, .* 'synthetic'"):
        catalogue.load({"name": "synthetic", "path": "mine.npz"})
    with pytest.raises(ValueError, match=r"data.dir='zips' is given.* 'npz' reads nothing"):
        catalogue.load({"name": "npz", "dir": "zips", "path": "mine.npz"})


def test_synthetic_takes_its_options():
    options = {"subjects": 3, "test_subjects": 1, "windows": 8}
    assert len(catalogue.load({"name": "synthetic", "options": options})) == 24


LOADER = """
import numpy as np
from mmalign.data.dataset import Dataset, Description

def load(*, windows=4, broken=False, cache_dir=None):
    column = lambda value, kind: np.full(windows, value, kind)
    return Dataset(
        inputs={m: np.ones((windows, 5, 2), np.float32) for m in "ab"},
        present={m: column(True, bool) for m in "ab"},
        targets={"label": column(0, np.int32)},
        group=column(0, np.int32),
        split=column(0, np.int8)[: -1 if broken else None],
        recording=column(0, np.int32),
        position=np.arange(windows, dtype=np.int32),
        description=Description(str(cache_dir), dict(a=1.0, b=2.0), {}, {}),
    )
"""


def test_a_loader_of_the_users_own_is_named_by_module_and_function(tmp_path, monkeypatch):
    (tmp_path / "my_sensors.py").write_text(LOADER)
    monkeypatch.syspath_prepend(tmp_path)
    config = {"name": "my_sensors:load", "options": {"windows": 6}, "cache_dir": "here"}
    data = catalogue.load(config)
    assert len(data) == 6 and data.description.name == "here"
    for change, said in (
        (
            {"options": {"window": 6}},
            "'my_sensors:load' is called 'window' .did you mean 'windows'",
        ),
        ({"options": {"broken": True}}, "split '' has 3 rows where group has 4"),
        ({"name": "my_sensors:lead"}, "'my_sensors:lead' cannot be imported.*no attribute 'lead'"),
        ({"name": "my_sensor:load"}, "'my_sensor:load' cannot be imported: No module named"),
    ):
        with pytest.raises(ValueError, match=said):
            catalogue.load(config | change)


def test_importing_the_readers_imports_nothing_heavy():
    modules = [source.split(":")[0] for source in catalogue.SOURCES.values()]
    script = (
        f"import sys, mmalign.data.catalogue, {', '.join(modules)}, mmalign.data.fingerprint; "
        "heavy = {'tensorflow_datasets', 'scipy', 'sklearn', 'grain', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

"""Data sets by name."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from mmalign import options
from mmalign.data import folds, standardise
from mmalign.data.dataset import Dataset, check
from mmalign.data.incomplete import incomplete
from mmalign.data.modalities import kept
from mmalign.data.parties import dealt

# name -> module:function; imported when asked for
SOURCES = {
    "synthetic": "mmalign.data.synthetic:make",
    "trifeature": "mmalign.data.trifeature:make",
    "uci_har": "mmalign.data.uci_har:load",
    "sp_sw_har": "mmalign.data.sp_sw_har:load",
    "stress_predict": "mmalign.data.stress_predict:load",
    "ipol_gait": "mmalign.data.ipol_gait:load",
    "emg_imu_lis": "mmalign.data.emg_imu_lis:load",
    "pamap2": "mmalign.data.pamap2:load",
    "wesad": "mmalign.data.wesad:load",
    "multibench": "mmalign.data.multibench:load",
    "union": "mmalign.data.union:load",
    "npz": "mmalign.data.npz:load",
    "arrays": "mmalign.data.arrays:load",
    "unimts": "mmalign.data.unimts:load",
    "recordings": "mmalign.data.recordings:load",
    "e4": "mmalign.data.e4:load",
}
AUTO = "auto"  # the user's own windows where there is a `path`, else the embedded data
PLACES = ("dir", "cache_dir", "path")  # arguments of a loader that a config gives by their own keys


def load(config: Mapping, whole: Dataset | None = None) -> Dataset:
    """The `Dataset` that a config names.

    Args:
      config: mapping with `name`, one of SOURCES, "auto" ("npz" where there is a `path`, else
        "synthetic") or "package.module:function" of a loader of your own, a function with
        keyword-only options that returns a `Dataset`; and as the data set needs them
        `dir`: folder with the original zip of a public data set; None downloads it.
        `cache_dir`: where downloaded and prepared data are kept; None is the user's cache folder.
        `path`: .npz file, or folder of them, for "npz"; folder of recordings for "recordings".
        `options`: keyword arguments of the data set's own loader, such as sp_sw_har's purity.
      and for any data set
        `modalities`: names of those to keep, as `modalities.kept` takes them; none: all.
        `folds`, `fold`, `fold_seed`, `folds_of`: as `folds.hold_out` takes them; no folds: its own
        split.
        `parties`, `test_modalities`, `parties_seed`: as `parties.dealt` takes them; none: windows
        as they are.
        `missing`: as `incomplete` takes it, or None.
        `standardise`: "training", channels by the training windows' statistics, in the step; or
        "subject", by each subject's own before that (`standardise.by_subject`).
      whole: what `read` gave for it, which several folds may share; None: it is read.
    Raises: ValueError for an unknown name or option; what the loader raises for its files.
    """
    how = options.one_of(
        "config.data.standardise", config.get("standardise", "training"), ("training", "subject")
    )
    dataset = read(config) if whole is None else whole
    if config.get("modalities"):
        dataset = kept(dataset, config["modalities"])
    if config.get("folds") is not None:
        dataset = folds.hold_out(
            dataset,
            config["folds"],
            config.get("fold", 0),
            seed=config.get("fold_seed", 0),
            of=config.get("folds_of", "all"),
        )
    if config.get("parties"):
        dataset = dealt(
            dataset,
            config["parties"],
            test=config.get("test_modalities"),
            seed=config.get("parties_seed", 0),
        )
    if config.get("missing"):
        dataset = incomplete(dataset, config["missing"])
    return standardise.by_subject(dataset) if how == "subject" else dataset


def read(config: Mapping) -> Dataset:
    """The data set as its loader gives it; config: as for `load`, of which it takes a part."""
    name = config["name"]
    if name == AUTO:
        name = "npz" if config.get("path") else "synthetic"
    loader = _loader(name)
    takes = [key for key in PLACES if key in inspect.signature(loader).parameters]
    given = {key: config[key] for key in takes if config.get(key)}
    for key in ("dir", "path"):
        if config.get(key) and key not in takes:
            other = ", with :npz behind the config" if key == "path" else ""
            raise ValueError(
                f"config.data.{key}={config[key]!r} is given, and data set {name!r} reads nothing "
                f"from there: name the data set that does{other}"
            )
    if "path" in takes and "path" not in given:
        raise ValueError(f"data set {name!r} needs --config.data.path=FILE_OR_FOLDER")
    chosen: Any = config.get("options") or {}
    chosen = chosen.to_dict() if hasattr(chosen, "to_dict") else dict(chosen)  # of a ConfigDict
    _check_kinds(name, chosen, options.of(loader, takes))
    dataset = options.call(f"data set {name!r}", loader, chosen, without=takes, **given)
    return check(dataset)


def _check_kinds(name, chosen, defaults):
    """Raises ValueError for words where a loader has a number or several names by default."""
    for key, value in chosen.items():
        default = defaults.get(key)
        number = isinstance(default, (int, float)) and not isinstance(default, bool)
        if (number and isinstance(value, (str, Mapping))) or (
            isinstance(default, tuple) and isinstance(value, str)
        ):
            kind = "a number" if number else "a tuple"
            raise ValueError(
                f"config.data.options.{key} of data set {name!r} must be {kind}, such as "
                f"{default!r}, got {value!r}"
            )


def _loader(name):
    """The function that loads a data set, by its name or by "package.module:function"."""
    if ":" not in name:
        name = SOURCES[options.known("data set", name, SOURCES)]
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"config.data.name={name!r} cannot be imported: {error}") from error

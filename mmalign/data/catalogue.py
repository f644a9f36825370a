"""Data sets by name."""

import importlib
import inspect

from mmalign.data import folds, missingness, standardise

# name -> (module, function, keys of the config that are passed to it); imported when asked for
SOURCES = {
    "synthetic": ("mmalign.data.synthetic", "make", ()),
    "uci_har": ("mmalign.data.uci_har", "load", ("dir", "cache_dir")),
    "sp_sw_har": ("mmalign.data.sp_sw_har", "load", ("dir", "cache_dir")),
    "stress_predict": ("mmalign.data.stress_predict", "load", ("dir", "cache_dir")),
    "ipol_gait": ("mmalign.data.ipol_gait", "load", ("dir", "cache_dir")),
    "emg_imu_lis": ("mmalign.data.emg_imu_lis", "load", ("dir", "cache_dir")),
    "pamap2": ("mmalign.data.pamap2", "load", ("dir", "cache_dir")),
    "wesad": ("mmalign.data.wesad", "load", ("dir", "cache_dir")),
    "npz": ("mmalign.data.npz", "load", ("path",)),
}


def load(config):
    """The `Dataset` that a config names.

    Args:
      config: mapping with `name`, one of SOURCES, and as the data set needs them
        `dir`: folder with the original zip of a public data set; None downloads it.
        `cache_dir`: where downloaded and prepared data are kept; None is the user's cache folder.
        `path`: .npz file, or folder of them, for "npz".
        `options`: keyword arguments of the data set's own loader, such as sp_sw_har's purity.
      and for any data set
        `folds`, `fold`, `fold_seed`, `folds_of`: as `folds.hold_out` takes them; no folds: its own
        split.
        `missing`: as `missingness.incomplete` takes it, or None.
        `standardise`: "training", channels by the training windows' statistics, in the step; or
        "subject", by each subject's own before that (`standardise.by_subject`).
    Raises: ValueError for an unknown name or option; what the loader raises for its files.
    """
    name = config["name"]
    if name not in SOURCES:
        raise ValueError(f"unknown data set config.data.name={name!r}, expected one of "
                         f"{', '.join(SOURCES)}")  # fmt: skip
    if (how := config.get("standardise", "training")) not in ("training", "subject"):
        raise ValueError(f'config.data.standardise must be "training" or "subject", got {how!r}')
    module, function, keys = SOURCES[name]
    loader = getattr(importlib.import_module(module), function)
    given = {key: config.get(key) for key in keys if config.get(key)}
    if "path" in keys and "path" not in given:
        raise ValueError(f"data set {name!r} needs --config.data.path=FILE_OR_FOLDER")
    options = dict(config.get("options") or {})
    known = [key for key in inspect.signature(loader).parameters if key not in keys]
    if unknown := set(options) - set(known):
        raise ValueError(
            f"config.data.options: {name!r} has no option {min(unknown)!r}, "
            f"expected {', '.join(known) or 'none'}"
        )
    dataset = loader(**given, **options)
    if config.get("folds") is not None:
        dataset = folds.hold_out(
            dataset,
            config["folds"],
            config.get("fold", 0),
            seed=config.get("fold_seed", 0),
            of=config.get("folds_of", "all"),
        )
    if config.get("missing"):
        dataset = missingness.incomplete(dataset, config["missing"])
    return standardise.by_subject(dataset) if how == "subject" else dataset

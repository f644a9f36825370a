"""What of a config concerns no single stage, and would else fail when the training is over."""

from collections.abc import Mapping

import numpy as np

from mmalign import evaluation, options
from mmalign.data.dataset import TEST, Dataset

PLACEMENTS = ("device", "host")
NEEDS = ("seed", "budget", "data", "encoder", "augment", "stages", "rows", "evaluation",
         "log_every", "checkpoint_every")  # fmt: skip
KEYS = (*NEEDS, "online", "wandb")
# rows of the table that no block of the config describes, and their labels
BUILT_IN = {
    "chance": "Chance",
    "raw_windows": "Raw windows",
    "window_statistics": "Window statistics",
    "random_forest": "Random forest on window statistics",
    "random_encoder": "Random encoder",
}
ON_STATISTICS = ("window_statistics", "random_forest")  # of them


def check_run(config: Mapping, dataset: Dataset) -> None:
    """What concerns no single stage, and would otherwise fail when the training is over."""
    blocks = {k for k, block in config.items() if isinstance(block, Mapping) and "method" in block}
    bindings = {k for k, block in config.items() if isinstance(block, Mapping) and "bind" in block}
    options.check("config", set(config) - blocks - bindings, KEYS, NEEDS)
    if taken := sorted(blocks & set(BUILT_IN)):
        raise ValueError(f"config.{taken[0]} has the name of a row that is built in: rename it")
    if not config["stages"]:
        raise ValueError("config.stages is empty; name at least one stage")
    for key, names in (("stages", config["stages"]), ("rows", config["rows"])):
        for name in names:
            what = "block" if key == "stages" else "row"
            options.known(f"{what} of config.{key}", name,
                          blocks if key == "stages" else blocks | set(BUILT_IN))  # fmt: skip
            if list(names).count(name) > 1:
                raise ValueError(f"{name!r} is there twice in config.{key}")
    options.one_of("config.data.placement", config["data"]["placement"], PLACEMENTS)
    online = config.get("online") is not None
    for key in ("log_every", "checkpoint_every", *(("online",) if online else ())):
        if config[key] < 1:
            raise ValueError(f"config.{key} must be 1 or more, got {config[key]}")
    shown = dict.fromkeys((*config["rows"], config["stages"][-1]))
    labels = [BUILT_IN.get(name) or config[name].get("label", name) for name in shown]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"label {label!r} is there twice: each row of the table needs its own")
    _check_labels(config, dataset)
    if online:
        evaluation.held_out(dataset, config["seed"])


def _check_labels(config, dataset):
    fractions = config["evaluation"]["fractions"]
    if not fractions:
        raise ValueError("config.evaluation.fractions is empty; give 1.0 at least")
    if not (dataset.split == TEST).any():
        raise ValueError(f"data set {dataset.description.name!r} has no test window")
    if (why := evaluation.unprobed(dataset)) is not None:
        if config.get("online") is not None:
            raise ValueError(f"config.online looks at labels, and {why}")
        return
    for fraction in fractions:
        rows = evaluation.labelled_rows(dataset, fraction, config["seed"])
    if len(np.unique(dataset.label[rows])) < 2:
        raise ValueError(
            "the training windows are all of one class: there is nothing to probe; split the "
            "people otherwise, by data.folds or data.options.split_seed"
        )

"""From a config to stages ready to train, with everything checked that can be before training."""

from typing import NamedTuple

import jax
import numpy as np
import optax

from mmalign import evaluation, methods, training
from mmalign.data import feed, views
from mmalign.data.dataset import Dataset

PLACEMENTS = ("device", "host")
STAGE_NEEDS = {"label", "method", "view", "batch_size", "steps", "optim"}
STAGE_KEYS = STAGE_NEEDS | {"ema", "source", "warm_start"}
RUN_NEEDS = {"seed", "data", "encoder", "augment", "stages", "references", "evaluation",
             "log_every", "checkpoint_every"}  # fmt: skip
RUN_KEYS = RUN_NEEDS | {"wandb"}


class Stage(NamedTuple):
    """One training of a run.

    label: its row in the tables.
    view: which rows it sees. `tx`: its optimiser.
    source, patterns: the earlier stage that it starts from, and the parameters it takes.
    """

    name: str
    label: str
    config: dict
    method: methods.Method
    view: views.View
    tx: optax.GradientTransformation
    source: str | None
    patterns: tuple[str, ...]


def modalities_of(dataset: Dataset):
    """The sensors as methods see them."""
    return {
        m: methods.Modality(tuple(x.shape[1:]), dataset.description.rate_hz[m])
        for m, x in dataset.inputs.items()
    }


def stages(config, dataset: Dataset):
    """All trainings of a run, in order: {name: Stage}.

    `config.stages` names the blocks of the method itself, `config.references` those of reference
    rows; a block whose method learns from labels becomes one training for each label fraction,
    or one alone where its `view.fraction` names it.
    Raises: ValueError, naming the block and the key, for whatever does not fit.
    """
    _check_run(config, dataset)
    named = (*config.stages, *config.references)
    data = feed.arrays(dataset, feed.statistics(dataset))
    out, params = {}, {}
    for name in named:
        for block_name, block in expanded(name, config[name].to_dict(), config):
            try:
                stage = _stage(block_name, block, config, dataset, out)
                params[block_name] = _rehearse(stage, data, params.get(stage.source))
            except (ValueError, TypeError) as error:
                raise ValueError(f"stage {block_name!r}: {error}") from error
            out[block_name] = stage
    return out


def stage_method(block, config, modalities, num_classes):
    """The method of a stage; encoder, augmentation and sequence length come from the run."""
    return methods.create(_options(block, config), modalities, num_classes=num_classes)


def _options(block, config):
    options = dict(block["method"])
    options.setdefault("encoder", config.encoder.to_dict())
    options.setdefault("augment", config.augment.to_dict())
    if options.get("name") in methods.SEQUENTIAL:
        options["length"] = block["view"].get("length", 1)
    if "base" in options:  # a stage, whose method this one builds on
        named = config.get(options["base"])
        if not hasattr(named, "keys") or "method" not in named:
            raise ValueError(f"method.base is {options['base']!r}, which is no stage of the config")
        options["base"] = _options(named.to_dict(), config)
    return options


def first_batch(stage, data):
    """Shapes of the stage's batches."""
    return jax.eval_shape(feed.gather, data, stage.view.rows(0))


def expanded(name, block, config):
    """[(name, block)] of a block's trainings: one for each share of labels that it learns from.

    These are the shares of the evaluation, or the one that the block's own view names.
    """
    if block["method"].get("name") not in methods.LABELLED:
        return [(name, block)]
    view = {**block.get("view", {}), "kind": "labelled"}
    own = view.get("fraction")
    return [
        (f"{name}_{100 * f:g}", {**block, "view": {**view, "fraction": f}})
        for f in (config.evaluation.fractions if own is None else (own,))
    ]


def _check_run(config, dataset):
    """What concerns no single stage, and would otherwise fail when the training is over."""
    named = (*config.get("stages", ()), *config.get("references", ()))
    blocks = {key for key, block in config.items() if hasattr(block, "keys") and "method" in block}
    for name in named:
        if name not in blocks:
            raise ValueError(f"stage {name!r}: config.{name} is missing, or without a method")
        if named.count(name) > 1:
            raise ValueError(f"stage {name!r} is there twice in config.stages and references")
    _check_keys("config", set(config) - blocks, RUN_NEEDS, RUN_KEYS)
    if not config.stages:
        raise ValueError("config.stages is empty; name at least one stage")
    for name in config.stages:
        if config[name].method.get("name") in methods.LABELLED:
            raise ValueError(f"config.stages: {name!r} is supervised, which is a reference only")
    if config.data.placement not in PLACEMENTS:
        raise ValueError(
            f"config.data.placement must be one of {', '.join(PLACEMENTS)}, got "
            f"{config.data.placement!r}"
        )
    for key in ("log_every", "checkpoint_every"):
        if config[key] < 1:
            raise ValueError(f"config.{key} must be 1 or more, got {config[key]}")
    labels = [config[name].get("label", name) for name in named]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"label {label!r} is there twice: each row of the table needs its own")
    if not config.evaluation.fractions:
        raise ValueError("config.evaluation.fractions is empty; give 1.0 at least")
    evaluation.missing_options(config.evaluation.get("missing"), dataset.modalities)
    evaluation.test_rows(dataset)
    for fraction in config.evaluation.fractions:
        rows = evaluation.labelled_rows(dataset, fraction, config.seed)
    if len(np.unique(dataset.label[rows])) < 2:
        raise ValueError("the training windows are all of one class: there is nothing to probe")


def _stage(name, block, config, dataset, earlier):
    _check_keys("stage", block, STAGE_NEEDS, STAGE_KEYS)
    for key in ("steps", "batch_size"):
        if block[key] < 1:
            raise ValueError(f"{key} must be 1 or more, got {block[key]}")
    patterns, source = block.get("warm_start") or (), block.get("source")
    if isinstance(patterns, str):
        raise ValueError(f"warm_start must be a tuple of patterns, got the string {patterns!r}")
    if bool(patterns) != (source is not None) or (patterns and source not in earlier):
        raise ValueError(
            f"source is {source!r}, warm_start {patterns!r}; a warm start needs patterns and one "
            f"of the stages before it: {', '.join(earlier) or 'there is none'}"
        )
    used, kind = block["method"].get("name"), block["view"].get("kind")
    if used in methods.PAIRED and kind != "paired":
        raise ValueError(
            f"method {used!r} compares sensors: view.kind must be paired, got {kind!r}"
        )
    method = stage_method(block, config, modalities_of(dataset), dataset.num_classes)
    view = views.create(block["view"], dataset, batch_size=block["batch_size"], seed=config.seed)
    tx = training.make_optimizer(block["optim"], block["steps"])
    return Stage(name, block["label"], block, method, view, tx, source, tuple(patterns))


def _rehearse(stage, data, source):
    """Traces everything once without computing, so that what does not fit fails now.

    source: shapes of the source stage's parameters. Returns those of this stage.
    """
    batch = first_batch(stage, data)
    training.split_rows(stage.view.rows(0), training.data_mesh())

    def rehearse(key, batch, source):
        variables = stage.method.init(key, batch)
        params = training.warm_start(variables["params"], source, stage.patterns)
        stage.tx.init(params)
        loss, _ = stage.method.loss({"params": params}, batch, key)
        return params, loss, stage.method.embed({"params": params}, batch)

    key = jax.eval_shape(lambda: jax.random.key(0))
    params, loss, _ = jax.eval_shape(rehearse, key, batch, source)
    assert loss.shape == () and np.issubdtype(loss.dtype, np.floating), loss
    return params


def _check_keys(what, given, needed, allowed):
    for problem, keys in (
        ("has unknown keys", set(given) - allowed),
        ("needs the keys", needed - set(given)),
    ):
        if keys:
            raise ValueError(
                f"{what} {problem} {', '.join(sorted(keys))}; known are "
                f"{', '.join(sorted(allowed))}"
            )

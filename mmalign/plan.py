"""From a config to stages ready to train, with everything checked that can be before training."""

from typing import NamedTuple

import jax
import numpy as np
import optax

from mmalign import methods, training
from mmalign.data import feed, views
from mmalign.data.dataset import Dataset

STAGE_KEYS = {"label", "method", "view", "batch_size", "steps", "optim", "ema", "source",
              "warm_start"}  # fmt: skip
RUN_KEYS = {"seed", "data", "encoder", "augment", "stages", "references", "supervised",
            "evaluation", "log_every", "checkpoint_every", "wandb"}  # fmt: skip


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
    rows; the block "supervised" becomes one training for each label fraction.
    Raises: ValueError, naming the block and the key, for whatever does not fit.
    """
    named = (*config.stages, *config.references)
    _no_others("config", config, RUN_KEYS | set(named))
    if not config.stages:
        raise ValueError("config.stages is empty; name at least one stage")
    out = {}
    for name in named:
        if name not in config:
            raise ValueError(f"stage {name!r} has no block: config.{name} is missing")
        for block_name, block in _expanded(name, config[name].to_dict(), config):
            try:
                out[block_name] = _stage(block_name, block, config, dataset, out)
            except (ValueError, TypeError) as error:
                raise type(error)(f"stage {block_name!r}: {error}") from error
    return out


def stage_method(block, config, modalities, num_classes):
    """The method of a stage; encoder, augmentation and sequence length come from the run."""
    options = dict(block["method"])
    options.setdefault("encoder", config.encoder.to_dict())
    options.setdefault("augment", config.augment.to_dict())
    if options["name"] in methods.SEQUENTIAL:
        options["length"] = block["view"].get("length", 1)
    return methods.create(options, modalities, num_classes=num_classes)


def first_batch(stage, data):
    """Shapes of the stage's batches."""
    return jax.eval_shape(feed.gather, data, stage.view.rows(0))


def _expanded(name, block, config):
    if block["method"]["name"] != "supervised":
        return [(name, block)]
    return [
        (f"{name}_{100 * f:g}", {**block, "view": {"kind": "labelled", "fraction": f}})
        for f in config.evaluation.fractions
    ]


def _stage(name, block, config, dataset, earlier):
    _no_others("stage", block, STAGE_KEYS)
    view = views.create(block["view"], dataset, batch_size=block["batch_size"], seed=config.seed)
    method = stage_method(block, config, modalities_of(dataset), dataset.num_classes)
    stage = Stage(
        name, block["label"], block, method, view,
        training.make_optimizer(block["optim"], block["steps"]),
        block.get("source"), tuple(block.get("warm_start", ())),
    )  # fmt: skip
    if stage.patterns and stage.source not in earlier:
        raise ValueError(
            f"source is {stage.source!r}; a warm start needs one of the stages before it: "
            f"{', '.join(earlier) or 'there is none'}"
        )
    _rehearse(stage, dataset)
    return stage


def _rehearse(stage, dataset):
    """Traces everything once without computing, so that what does not fit fails now."""
    data = feed.arrays(dataset, feed.statistics(dataset))
    batch = first_batch(stage, data)
    training.split_rows(stage.view.rows(0), training.data_mesh())
    key = jax.eval_shape(lambda: jax.random.key(0))

    def rehearse(key, batch):
        variables = stage.method.init(key, batch)
        stage.tx.init(variables["params"])
        loss, _ = stage.method.loss(variables, batch, key)
        return loss, stage.method.embed(variables, batch)

    loss, _ = jax.eval_shape(rehearse, key, batch)
    assert loss.shape == () and np.issubdtype(loss.dtype, np.floating), loss


def _no_others(what, block, allowed):
    unknown = sorted(set(block) - set(allowed))
    if unknown:
        raise ValueError(
            f"{what} has unknown keys {', '.join(unknown)}; known are {', '.join(sorted(allowed))}"
        )

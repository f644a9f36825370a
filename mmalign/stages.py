"""One training of a run: its block of the config, resolved, checked, and traced once."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmalign import binding, budget, methods, options, training
from mmalign.bound import Bound, binding_of
from mmalign.data import feed, samplers
from mmalign.data.dataset import Dataset
from mmalign.data.pairs import Pairs
from mmalign.graph import Node

NEEDS = ("label", "method", "sampler", "batch_size", "steps", "optim")
KEYS = (*NEEDS, "ema", "source", "warm_start", "stop")
STOP = ("every", "patience", "share")


class Stage(NamedTuple):
    """One training.

    name: of its block, with the share of labels where it learns from them; it seeds what is drawn.
    block_name: of its block.
    label: its row in the tables.
    block: of the config, resolved. method, sampler, tx: what it names, made.
    source, patterns: the earlier stage that it starts from, and the parameters it takes.
    node: of the graph.
    binding: the block whose pseudo-pairs it learns from; until they are found its sampler has as
      many that stand for them.
    left_out: modalities of which it takes no parameters of its source, though that has some.
    """

    name: str
    block_name: str
    label: str
    block: Mapping[str, Any]
    method: methods.Method
    sampler: samplers.Sampler
    tx: optax.GradientTransformation
    source: str | None
    patterns: tuple[str, ...]
    node: Node
    binding: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether it learns from labels, and so is one for each share of them."""
        return "labels" in self.method.needs

    @property
    def answers(self) -> bool:
        """Whether it answers itself: its embedding holds "logits"."""
        return self.method.answers

    @property
    def fraction(self) -> float:
        """Share of the labels or pairs that it learns from."""
        return self.block["sampler"].get("fraction", 1.0)


def modalities_of(dataset: Dataset) -> dict[str, methods.Modality]:
    """The modalities as methods see them."""
    rates = dataset.description.rate_hz
    return {
        m: methods.Modality(kind, tuple(dataset.inputs[m].shape[1:]), rates.get(m))
        for m, kind in dataset.kinds.items()
    }


def targets_of(dataset: Dataset) -> dict[str, methods.Target]:
    """What methods may learn from, by task."""
    return {name: methods.Target(task.kind, task.size) for name, task in dataset.tasks.items()}


def make_method(
    block: Mapping, config: Mapping, modalities: Mapping, targets: Mapping
) -> methods.Method:
    """The method of a block; encoder, augmentation and sequence length come from the run."""
    length = (block.get("sampler") or {}).get("length", 1)
    return methods.create(method_options(block, config), modalities, targets=targets, length=length)


def method_options(block: Mapping, config: Mapping) -> dict:
    """`block["method"]` with what it takes from the run: encoder, augmentation, a base's method."""
    given = dict(block["method"])
    given.setdefault("encoder", config["encoder"])
    given.setdefault("augment", config["augment"])
    if isinstance(given.get("base"), str):  # a stage, whose method this one builds on
        named = config.get(given["base"])
        if not isinstance(named, Mapping) or "method" not in named:
            raise ValueError(f"method.base is {given['base']!r}, which is no stage of the config")
        given["base"] = method_options(named, config)
    return given


def expanded(
    name: str, config: Mapping, dataset: Dataset
) -> Iterator[tuple[str, dict, methods.Method]]:
    """(name, block, method) of a block's trainings: one for each share of labels it learns from.

    These are the shares of the evaluation, or the one that the block's own sampler names.
    """
    block = budget.block(config[name], dataset)
    modalities, targets = modalities_of(dataset), targets_of(dataset)
    try:
        block = _stopping(block)
        options.check("stage", block, KEYS, [key for key in NEEDS if key != "sampler"])
        method = make_method(block, config, modalities, targets)
        if "labels" not in method.needs:
            options.check("stage", block, KEYS, NEEDS)
            if "stop" in block:
                raise ValueError("stop is for what learns from labels")
    except (ValueError, TypeError) as error:
        raise ValueError(f"stage {name!r}: {error}") from error
    if "labels" not in method.needs:
        yield name, block, method
        return
    sampler = {**block.get("sampler", {}), "kind": "labelled"}
    if "stop" in block:
        sampler["held_out"] = block["stop"]["share"]
    named = sampler.get("fraction")
    for share in config["evaluation"]["fractions"] if named is None else (named,):
        yield f"{name}_{100 * share:g}", {**block, "sampler": sampler | {"fraction": share}}, method


def _stopping(block):
    """The block, its `stop` checked, or without one that has no `every`."""
    stop = dict(block.get("stop") or {})
    rest = {key: value for key, value in block.items() if key != "stop"}
    if stop.get("every") is None:
        return rest
    options.check("stage.stop", stop, STOP, STOP)
    if min(stop["every"], stop["patience"]) < 1:
        raise ValueError(f"stage.stop: every and patience must be 1 or more, got {stop}")
    return rest | {"stop": stop}


def make_stage(
    name: str, block_name: str, block: Mapping, method: methods.Method, config: Mapping, data: Node,
    dataset: Dataset, earlier: Mapping[str, Stage], bindings: Mapping[str, Bound],
) -> Stage:  # fmt: skip
    """The stage of a resolved block.

    bindings: those that its sampler may name.
    Raises: ValueError, naming the key, for what does not fit.
    """
    for key in ("steps", "batch_size"):
        if block[key] is not None and block[key] < 1:
            raise ValueError(f"{key} must be 1 or more, got {block[key]}")
    patterns, source = block.get("warm_start") or (), block.get("source")
    if isinstance(patterns, str):
        raise ValueError(f"warm_start must be a tuple of patterns, got the string {patterns!r}")
    if bool(patterns) != (source is not None) or (patterns and source not in earlier):
        raise ValueError(
            f"source is {source!r}, warm_start {patterns!r}; a warm start needs patterns and one "
            f"of the stages before it: {options.listed(earlier, sort=False)}"
        )
    named = binding_of(block)
    found = None if named is None else binding.expected(bindings[named].binding)
    sampler = samplers.create(
        block["sampler"], dataset, batch_size=block["batch_size"], seed=config["seed"], found=found
    )
    steps = budget.steps(block["steps"], sampler, config["budget"])
    resolved: dict[str, Any] = {**block, "batch_size": sampler.batch_size, "steps": steps}
    if lacking := method.needs - sampler.gives:
        mixed = "" if sampler.paired is None else " with sampler.unpaired"
        raise ValueError(
            f"the method needs {options.listed(lacking)}, which sampler.kind "
            f"{block['sampler'].get('kind')!r}{mixed} does not give; it gives "
            f"{options.listed(sampler.gives)}"
        )
    inputs = (data,) if source is None else (data, earlier[source].node)
    inputs += () if named is None else (bindings[named].node,)
    spec = {key: value for key, value in resolved.items() if key not in ("label", "source")}
    spec |= {"method": method_options(resolved, config), "seed": config["seed"], "stream": name}
    if own := methods.code(spec["method"]):  # edited, it is another method
        spec["code"] = own
    if named is not None:  # its node is an input
        spec["sampler"] = {k: v for k, v in resolved["sampler"].items() if k != "pairs"}
    tx = _optimizer(json.dumps(spec["optim"]), steps)
    node = Node("training", name, spec, inputs)
    return Stage(name, block_name, resolved["label"], resolved, method, sampler, tx, source,
                 tuple(patterns), node, named)  # fmt: skip


@functools.cache
def _optimizer(config, steps):
    """One for all stages that ask for the same, which then are one step; config: in JSON."""
    return training.make_optimizer(json.loads(config), steps)


def bound_stage(stage: Stage, pairs: Pairs, dataset: Dataset) -> Stage:
    """The stage with the pairs that were found, in place of those that stood for them."""
    sampler = samplers.create(
        stage.block["sampler"], dataset, batch_size=stage.block["batch_size"],
        seed=stage.node.spec["seed"], found=pairs,
    )  # fmt: skip
    if sampler.batch_size != stage.block["batch_size"]:
        raise ValueError(
            f"stage {stage.name!r}: binding {stage.binding!r} leaves {sampler.windows} examples,"
            f" and a batch has {stage.block['batch_size']}: lower batch_size or bind.threshold"
        )
    return stage._replace(sampler=sampler)


def untrained(
    name: str, label: str, stream: str, config: Mapping, dataset: Dataset, like: Stage
) -> Stage:
    """A stage of no steps: the config's encoders as they are drawn, whatever is trained besides.

    stream: seeds the draw. like: any stage, whose batches give the shapes.
    """
    block = {"method": {"name": "autoencoder", "augment": None}, "sampler": {}, "steps": 0}
    method_spec = method_options(block, config)
    spec = {"method": method_spec, "steps": 0, "seed": config["seed"], "stream": stream}
    node = Node("training", name, spec, like.node.inputs[:1])
    method = methods.create(method_spec, modalities_of(dataset))
    block |= {"batch_size": like.sampler.batch_size}
    return Stage(name, name, label, block, method, like.sampler, optax.identity(), None, (), node)


def first_batch(stage: Stage, data: Mapping) -> Mapping:
    """Shapes of the stage's batches."""
    gather = lambda data, seen: feed.gather(data, **seen)
    return jax.eval_shape(gather, data, stage.sampler.at(0))


def variable_shapes(method: methods.Method, batch: Mapping) -> Mapping:
    """Shapes of what a method draws at first; `batch` may be shapes, too."""
    return jax.eval_shape(method.init, jax.eval_shape(lambda: jax.random.key(0)), batch)


def rehearse(stage: Stage, data: Mapping, source: Any) -> Any:
    """Traces everything once without computing, so that what does not fit fails now.

    source: shapes of the source stage's parameters. Returns those of this stage.
    """
    batch = first_batch(stage, data)
    training.split_rows(stage.sampler.rows(0), training.data_mesh())

    def trace(key, batch, source):
        variables = stage.method.init(key, batch)
        params = training.warm_start(variables["params"], source, stage.patterns)
        stage.tx.init(params)
        variables = {**variables, "params": params}
        target = {"target": params} if stage.block.get("ema") else {}
        progress = {"progress": jnp.float32(0)}  # as in a training, which then finds it traced
        loss, _ = stage.method.loss(variables | target, {**batch, **progress}, key)
        return params, loss, stage.method.embed(variables, batch)

    key = jax.eval_shape(lambda: jax.random.key(0))
    params, loss, _ = jax.eval_shape(trace, key, batch, source)
    if loss.shape != () or not np.issubdtype(loss.dtype, np.floating):
        raise ValueError(f"the method's loss must be one float, got {loss}")
    return params

"""One training of a run as an artifact: checkpoints, record, and what stands beside parameters."""

import functools
import json
import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from mmalign import evaluation, training
from mmalign.data import feed
from mmalign.data.dataset import TRAIN, Dataset
from mmalign.files import read_arrays, write_arrays, write_text
from mmalign.methods import Method
from mmalign.stages import Stage, first_batch

CHECKPOINTS, MEANS, SECONDS = "checkpoints", "means.npz", "seconds.json"


class Resources(NamedTuple):
    """What all trainings and embeddings of a run share.

    arrays: as `feed.arrays` gives them, on the host. placed: () -> the same where steps read them.
    streamed: whether batches come from the host.
    """

    dataset: Dataset
    arrays: Mapping
    placed: Any
    mesh: jax.sharding.Mesh
    streamed: bool
    log_every: int
    checkpoint_every: int
    wandb: Mapping | None


def resources(config: Mapping, dataset: Dataset, statistics: Mapping) -> Resources:
    """Those of a resolved config; nothing is placed on a device before it is asked for."""
    arrays, mesh = feed.arrays(dataset, statistics), training.data_mesh()
    streamed = config["data"]["placement"] == "host"
    placed = functools.cache(lambda: arrays if streamed else training.replicate(arrays, mesh))
    return Resources(dataset, arrays, placed, mesh, streamed, config["log_every"],
                     config["checkpoint_every"], config.get("wandb"))  # fmt: skip


def fit(folder: pathlib.Path, stage: Stage, use: Resources, source: Mapping | None) -> dict:
    """Trains the stage into the folder, or what is left of it.

    source: variables of the stage that it starts from.
    Returns: {"seconds": of training, those of earlier starts included, "steps": ...}.
    """
    start, before = time.perf_counter(), _seconds_before(folder)
    spent = lambda: round(before + time.perf_counter() - start, 2)
    every = use.checkpoint_every
    with training.Checkpoints(folder / CHECKPOINTS, every) as checkpoints:
        try:
            state = _train(folder, stage, use, source, checkpoints)
        finally:
            write_text(folder / SECONDS, json.dumps(spent()))
        if not stage.block["steps"]:
            checkpoints.save(0, state, force=True)
    variables = _kept(state.params if state.ema is None else state.ema, state.state)
    if (means := _means(stage, variables, use)) is not None:
        write_arrays(folder / MEANS, means)
    return {"seconds": spent(), "steps": stage.block["steps"]}


def load_variables(
    folder: pathlib.Path, method: Method, like: Mapping, *, steps: int, ema: bool,
    mesh: jax.sharding.Mesh | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Variables of a finished training, as its method's `embed` takes them.

    like: shapes of a batch. ema: whether the averaged weights are the ones that count. mesh: where
    they are replicated; None: on the default device.
    """
    shapes = jax.eval_shape(method.init, jax.eval_shape(lambda: jax.random.key(0)), like)
    part = "ema" if ema else "params"
    saved = {part: shapes["params"]}
    if "state" in shapes:
        saved["state"] = shapes["state"]
    if mesh is not None:
        everywhere = training.replicated(mesh)
        saved = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere), saved
        )
    with training.Checkpoints(folder / CHECKPOINTS, 1) as checkpoints:
        found = checkpoints.load(steps, saved, partial=True)
    variables = _kept(found[part], found.get("state"))
    if "means" in shapes:
        variables["means"] = read_arrays(folder / MEANS)
    return variables


def _train(folder, stage, use, source, checkpoints):
    block, method = stage.block, stage.method
    steps, ema, stream = block["steps"], block.get("ema") or 0.0, stage.node.spec["stream"]
    seed = stage.node.spec["seed"]
    batch = first_batch(stage, use.arrays)
    key = training.stream_key(seed, stream if not steps else f"{stream}/init")
    init = functools.partial(
        training.init_state, method.init, stage.tx, key, batch, mesh=use.mesh, ema=ema > 0,
        source=source and source["params"], patterns=stage.patterns,
    )  # fmt: skip
    if not steps:
        return init()
    statistics = use.arrays["statistics"]
    if use.streamed:
        prepare = lambda statistics, batch: feed.normalise(batch, statistics)
        rows, weights = stage.sampler.rows, stage.sampler.weights
        feeds = feed.stream(use.arrays, rows, steps, weights_at=weights)
        batches = training.streamed(feeds, use.mesh)
    else:
        prepare = lambda arrays, seen: feed.gather(arrays, **seen)
        batches = training.drawn(stage.sampler.at, use.mesh)
    step = training.make_train_step(method.loss, stage.tx, prepare, num_steps=steps, ema=ema)
    with training.make_writer(folder, stage.name, wandb=use.wandb) as writer:
        record = training.Record(
            stage.name, steps, log_every=use.log_every, write=writer,
            progress=training.progress_bar, watches=method.watches,
        )  # fmt: skip
        data = training.with_key(statistics if use.streamed else use.placed(), seed, stream)
        return training.train(
            init, step, data, batches, steps, mesh=use.mesh, record=record, checkpoints=checkpoints
        )


def _means(stage, variables, use):
    """{modality: the training mean of its embedding} for a method that answers with it, or None."""
    if "means" not in jax.eval_shape(
        stage.method.init, jax.eval_shape(lambda: jax.random.key(0)), first_batch(stage, use.arrays)
    ):
        return None
    rows = np.flatnonzero(use.dataset.split == TRAIN)
    parts = evaluation.embed_all(
        stage.method.embed, variables, data=use.arrays, rows=rows, mesh=use.mesh
    )
    present = {m: np.asarray(use.dataset.present[m])[rows] for m in use.dataset.modalities}
    return {m: parts[m][p].mean(axis=0, dtype=float).astype(np.float32) for m, p in present.items()}


def _kept(params, state):
    return {"params": params} if state is None else {"params": params, "state": state}


def _seconds_before(folder):
    """Of training, by starts that did not come to the end."""
    path = folder / SECONDS
    return float(json.loads(path.read_text())) if path.exists() else 0.0

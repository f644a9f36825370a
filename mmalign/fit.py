"""One training of a run as an artifact: checkpoints, record, and what stands beside parameters."""

import contextlib
import functools
import json
import pathlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mmalign import evaluation, processes, training
from mmalign.data import feed
from mmalign.data.dataset import TRAIN, Dataset
from mmalign.files import read_arrays, write_arrays, write_text
from mmalign.methods import Method
from mmalign.online import held_out_look, knn_look
from mmalign.stages import Stage, first_batch, variable_shapes

CHECKPOINTS, MEANS, SPENT = "checkpoints", "means.npz", "spent.json"
_TRIED = 5  # steps, the first of which waits for the compiler


class Resources(NamedTuple):
    """What all trainings and embeddings of a run share.

    arrays: as `feed.arrays` gives them, on the host. placed: () -> the same where steps read them.
    streamed: whether batches come from the host. online: steps between looks, or None.
    """

    dataset: Dataset
    arrays: Mapping
    placed: Any
    mesh: jax.sharding.Mesh
    streamed: bool
    log_every: int
    checkpoint_every: int
    wandb: Mapping | None
    online: int | None


def resources(config: Mapping, dataset: Dataset, statistics: Mapping) -> Resources:
    """Those of a resolved config; nothing is placed on a device before it is asked for."""
    arrays, mesh = feed.arrays(dataset, statistics), training.data_mesh()
    streamed = config["data"]["placement"] == "host"
    placed = functools.cache(lambda: arrays if streamed else training.replicate(arrays, mesh))
    return Resources(dataset, arrays, placed, mesh, streamed, config["log_every"],
                     config["checkpoint_every"], config.get("wandb"),
                     config.get("online"))  # fmt: skip


def fit(folder: pathlib.Path, stage: Stage, use: Resources, source: Mapping | None) -> dict:
    """Trains the stage into the folder, or what is left of it.

    source: variables of the stage that it starts from.
    Returns: {"seconds": of training, those of earlier starts included, "steps", "parameters": how
      many, "memory": bytes of a step on a device, or None where that is not known}.
    """
    start, spent = time.perf_counter(), _spent(folder)
    before = spent["seconds"]
    with training.Checkpoints(folder / CHECKPOINTS, use.checkpoint_every) as checkpoints:
        try:
            state = _train(folder, stage, use, source, checkpoints, spent)
        finally:
            spent["seconds"] = round(before + time.perf_counter() - start, 2)
            if processes.first():
                write_text(folder / SPENT, json.dumps(spent))
        if checkpoints.latest is None:  # of no steps
            checkpoints.save(0, state, force=True)
    variables = _kept(state.params if state.ema is None else state.ema, state.state)
    if (means := _means(stage, variables, use)) is not None and processes.first():
        write_arrays(folder / MEANS, means)
    spent["seconds"] = round(before + time.perf_counter() - start, 2)
    parameters = sum(x.size for x in jax.tree.leaves(state.params))
    return {**spent, "steps": stage.block["steps"], "parameters": parameters}


def seconds_of_a_step(stage: Stage, use: Resources) -> float:
    """What a step of the training takes here, by a few that are thrown away.

    The training itself then finds its program compiled. It starts from random weights, as the time
    does not depend on them.
    """
    if not stage.block["steps"]:
        return 0.0
    record = _Clock(stage.name, _TRIED)
    made = _prepared(stage._replace(patterns=()), use, None)
    training.train(*made, _TRIED, mesh=use.mesh, record=record)
    return (record.at[-1] - record.at[0]) / (len(record.at) - 1)


@contextlib.contextmanager
def compiled_ahead(stages: Sequence[Stage], use: Resources) -> Iterator[None]:
    """Inside, a thread compiles what these trainings need, one after another.

    A training finds its first weights' programs and its step compiled, or waits for what is left.
    What fails here fails there again, and is told there. Of a run that ends early the thread ends
    after the program at hand, which Python waits for: XLA may not be left in the middle of one.
    """
    over = threading.Event()

    def work():
        for stage in stages:
            if over.is_set():
                return
            with contextlib.suppress(Exception):
                init, step, data, batches = _prepared(stage._replace(patterns=()), use, None)
                # drawn, it compiles what draws it, too; an accelerator may have no room for it
                state = init() if jax.default_backend() == "cpu" else jax.eval_shape(init)
                training.step_program(step, state, data, next(batches(0)), use.mesh)

    if stages and not use.streamed:  # a stream would be begun for its first batch alone
        threading.Thread(target=work).start()
    try:
        yield
    finally:
        over.set()


class _Clock(training.Record):
    """Notes when each step was done."""

    def __init__(self, *args):
        super().__init__(*args)
        self.at = []

    def add(self, step, metrics, first_bad):
        jax.block_until_ready(first_bad)
        self.at.append(time.perf_counter())


def load_variables(
    folder: pathlib.Path, method: Method, like: Mapping, *, steps: int, ema: bool,
    mesh: jax.sharding.Mesh | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Variables of a finished training, as its method's `embed` takes them.

    like: shapes of a batch. ema: whether the averaged weights are the ones that count. mesh: where
    they are replicated; None: on the default device.
    """
    shapes = variable_shapes(method, like)
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


def _train(folder, stage, use, source, checkpoints, spent):
    """The final state; `spent` is told what memory a step needs, where that is known."""
    made, steps = _prepared(stage, use, source), stage.block["steps"]
    if not steps:
        return training.train(*made, 0, mesh=use.mesh, record=training.Record(stage.name, 0),
                              checkpoints=checkpoints)  # fmt: skip
    look, look_every, stopping = _looks(folder, stage, use)
    with training.make_writer(folder, stage.name, wandb=use.wandb) as writer:
        record = training.Record(
            stage.name, steps, log_every=use.log_every, write=writer,
            progress=training.progress_bar, watches=stage.method.watches,
            look=look, look_every=look_every,
        )  # fmt: skip
        try:
            return training.train(
                *made, steps, mesh=use.mesh, record=record, checkpoints=checkpoints,
                stopping=stopping,
            )  # fmt: skip
        finally:
            spent["memory"] = record.memory or spent["memory"]


def _looks(folder, stage, use):
    """(what looks at a training while it runs or None, every so many steps, what may end it)."""
    if stop := stage.block.get("stop"):
        stopping = training.EarlyStopping(folder, "held_out_accuracy", stop["patience"])
        return held_out_look(stage, use), stop["every"], stopping
    return knn_look(stage, use) if use.online else None, use.online or 1, None


def _prepared(stage, use, source) -> tuple[Any, Any, Any, Any]:
    """(init, step, data, batches) of a training, as `training.train` takes them."""
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
        return init, None, None, None  # nothing to train with
    statistics = use.arrays["statistics"]
    if use.streamed:
        prepare = _normalised
        sampler = stage.sampler
        feeds = feed.stream(
            use.arrays, sampler.rows, steps, weights_at=sampler.weights, paired=sampler.paired
        )
        batches = training.streamed(feeds, use.mesh)
    else:
        prepare = _gathered
        batches = training.drawn(stage.sampler.at, use.mesh)
    step = training.make_train_step(method.loss, stage.tx, prepare, num_steps=steps, ema=ema)
    data = training.with_key(statistics if use.streamed else use.placed(), seed, stream)
    return init, step, data, batches


def _normalised(statistics, batch):
    return feed.normalise(batch, statistics)


def _gathered(arrays, seen):
    return feed.gather(arrays, **seen)


def _means(stage, variables, use):
    """{modality: the training mean of its embedding} for a method that answers with it, or None."""
    if "means" not in variable_shapes(stage.method, first_batch(stage, use.arrays)):
        return None
    rows = np.flatnonzero(use.dataset.split == TRAIN)
    parts = evaluation.embed_all(
        stage.method.embed, variables, data=use.arrays, rows=rows, mesh=use.mesh
    )
    present = {m: np.asarray(use.dataset.present[m])[rows] for m in use.dataset.modalities}
    return {m: parts[m][p].mean(axis=0, dtype=float).astype(np.float32) for m, p in present.items()}


def _kept(params, state):
    return {"params": params} if state is None else {"params": params, "state": state}


def _spent(folder):
    """What earlier starts of a training, which did not come to the end, noted of it."""
    path = folder / SPENT
    return json.loads(path.read_text()) if path.exists() else {"seconds": 0.0, "memory": None}

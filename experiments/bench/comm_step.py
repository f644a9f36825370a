"""The step of CoMM that `bench.step` times, ours and PyTorch's, from one set of weights."""

import jax
import numpy as np

from mmalign import methods, training

SCHEDULE = 1000  # steps of a stage whose learning rate is constant
WEIGHT_DECAY = 0.01
# two copies that are the windows as they are
_STILL = {"per_kind": {"sequence": {"pool": ("jitter",), "probability": 0.0}}}


def pytorch(case):
    """The same in eager PyTorch."""
    from experiments.bench.comm_peer import comm_step

    state, data, _ = parts(case)
    return comm_step(
        jax.tree.map(np.asarray, state.params), [*data["data"].values()], lr=case["lr"],
        weight_decay=WEIGHT_DECAY, dropout=case["dropout"], threads=case["cores"],
    )  # fmt: skip


def parts(case):
    """The first state of a training, all data, and its step."""
    names = {f"sequence_{i}": (case["tokens"], width) for i, width in enumerate(case["features"])}
    dropout = dict.fromkeys(("dropout", "inner_dropout"), case["dropout"])
    encoder = {"name": "transformer", "preset": "affect", "dim": 40, **dropout}
    config = {
        "name": "comm", "augment": _STILL, "width": 40, "converter": {"sequence": "tokens"},
        "encoder": {"name": "compact", "per_kind": {"sequence": encoder}},
    }  # fmt: skip
    made = {m: methods.Modality("sequence", shape) for m, shape in names.items()}
    method = methods.create(config, made)
    rng, there = np.random.default_rng(0), np.ones(case["batch"], bool)
    inputs = {m: rng.standard_normal((case["batch"], *s), np.float32) for m, s in names.items()}

    def prepare(inputs, rows):
        del rows  # the same batch at every step
        return {"inputs": inputs, "present": dict.fromkeys(inputs, there)}

    optim = {"lr": case["lr"], "floor": 1.0, "warmup_steps": 0, "weight_decay": WEIGHT_DECAY}
    tx = training.make_optimizer(optim, SCHEDULE)
    batch = jax.eval_shape(prepare, inputs, None)
    state = training.init_state(method.init, tx, jax.random.key(0), batch)
    step = training.make_train_step(method.loss, tx, prepare, num_steps=SCHEDULE)
    return state, training.with_key(inputs, 0, "comm"), step

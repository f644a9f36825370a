"""A small contrastive problem for the tests of the loop, and a script that trains it.

python toy.py WORKDIR [--kill STEP] [--port PORT --rank RANK]
"""

import argparse
import functools
import os
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np

from mmalign import training

STEPS, BATCH, ROWS = 20, 8, 64
OPTIM = {
    "lr": 1e-2,
    "warmup_steps": 3,
    "weight_decay": 0.1,
    "clip_norm": 1.0,
    "groups": {"gyro": {"b1": 0.5}},
}


def arrays():
    """{modality: float32 [ROWS, 6]}, two views of the same factors."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(ROWS, 4))
    mix = {name: rng.normal(size=(4, 6)) for name in ("acc", "gyro")}
    return {name: (factors @ m).astype(np.float32) for name, m in mix.items()}


def init(key, batch):
    """Two linear encoders."""
    keys = jax.random.split(key, len(batch))
    return {"params": {n: _linear(k, batch[n].shape[-1]) for n, k in zip(sorted(batch), keys)}}


def _linear(key, width):
    return {"kernel": 0.3 * jax.random.normal(key, (width, 5)), "bias": jnp.zeros(5)}


def loss(variables, batch, key):
    """InfoNCE with a noise that depends on the step's key."""
    params = variables["params"]
    embed = lambda n: jnp.tanh(batch[n] @ params[n]["kernel"] + params[n]["bias"][None])
    a, b = embed("acc"), embed("gyro")
    a = a + 0.1 * jax.random.normal(key, a.shape)
    value = -jnp.diag(jax.nn.log_softmax(a @ b.T, axis=-1)).mean()
    return value, {"metrics": {"spread": a.std()}}


def prepare(data, rows):
    """Gathers on the device."""
    return {name: data[name][rows[name]] for name in data}


def rows_at(step):
    """{modality: int32 [BATCH]}, a function of the step."""
    rows = np.random.default_rng([7, step]).permutation(ROWS)[:BATCH].astype(np.int32)
    return {"acc": rows, "gyro": rows}


def job(
    mesh, *, rows_at=rows_at, feed=None, num_steps=STEPS, write=None, log_every=3, progress=None,
    watches=(), **changes,
):  # fmt: skip
    """Arguments of `training.train`."""
    tx = training.make_optimizer(OPTIM, STEPS)
    batch = jax.eval_shape(prepare, arrays(), rows_at(0))
    key = training.stream_key(0, "init")
    fresh = functools.partial(training.init_state, init, tx, key, batch, mesh=mesh, ema=True)
    step = training.make_train_step(loss, tx, prepare, num_steps=STEPS, ema=0.9)
    batches = training.streamed(feed, mesh) if feed else training.drawn(rows_at, mesh)
    record = training.Record(
        "toy", num_steps, log_every=log_every, write=write, progress=progress, watches=watches
    )
    usual = {
        "init_state": fresh,
        "train_step": step,
        "data": training.with_key(arrays(), 0, "toy"),
        "batches": batches,
        "num_steps": num_steps,
        "mesh": mesh,
        "record": record,
    }
    return usual | changes


def main():
    """Trains in a workdir, with a death or on two processes if asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workdir")
    parser.add_argument("--kill", type=int)
    parser.add_argument("--port")
    parser.add_argument("--rank", type=int, default=0)
    args = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", 2 if args.port else 8)
    if args.port:
        jax.distributed.initialize(f"localhost:{args.port}", 2, args.rank)

    def rows(step):
        if args.port and step >= 5:
            time.sleep(0.05)  # the processes agree on a step while they train
        if step == args.kill and args.port and args.rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        elif step == args.kill and not args.port:
            os.kill(os.getpid(), signal.SIGKILL)
        return rows_at(step)

    num_steps = 200 if args.port else STEPS
    folder = os.path.join(args.workdir, "checkpoints")
    with (
        training.make_writer(args.workdir, "toy", tensorboard=False) as writer,
        training.Checkpoints(folder, every=4) as checkpoints,
    ):
        more = {
            "rows_at": rows,
            "num_steps": num_steps,
            "checkpoints": checkpoints,
            "write": writer,
        }
        training.train(**job(training.data_mesh(), **more))


if __name__ == "__main__":
    main()

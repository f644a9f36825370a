"""How far every loss and its gradient move when the same batch is computed in another way.

    python -m experiments.parity                     # writes mmalign/losses/PARITY.md
    python -m experiments.parity --only=nt_xent      # prints rows, writes nothing

A linear map embeds rows of three sensors; its weights get the gradient, as they do in a training.
Where devices split the batch, `lax.pmean` is taken of the loss inside the differentiated function
and of the gradient outside. Differences are those of the value over the value, and the largest of
the gradient over its largest entry; of three batches, in one of which rows are missing, the worst.
"""

import argparse
import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np

from experiments.loss_cases import CASES
from mmalign.losses import value_and_grad_in_pieces

PAGE = pathlib.Path(__file__).parents[1] / "mmalign" / "losses" / "PARITY.md"
ROWS, DIM, TILE, PIECES = 16, 6, 5, 4
WAYS = {
    "8 devices": "`jax.shard_map` over 8 devices of one process, against one device",
    "2 processes": "the same over 2 processes, by gloo, against one device",
    "in pieces": f"`value_and_grad_in_pieces`, {PIECES} of them, against the whole batch",
    "tiled": f"`tile={TILE}` against the plain form",
    "float32": "float32 against float64",
    "eager": "called without `jax.jit`, against compiled",
}


def main(args=None):
    """Writes the page, or prints the rows that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the names of losses")
    parser.add_argument("--process", nargs=3, metavar=("PORT", "RANK", "FILE"))
    args = parser.parse_args(args)
    names = [name for name in CASES if args.only in name]
    if args.process:
        return one_process(names, *args.process)
    jax.config.update("jax_num_cpu_devices", 8)
    apart = two_processes(args.only)
    lines = []
    for name in names:
        lines.append(row(name, measured(name) | {"2 processes": apart[name]}))
        print(lines[-1], flush=True)
    if not args.only:
        PAGE.write_text(page(lines))
    return 0


def batches():
    """Three batches: (three arrays [3, rows, dim], where [rows])."""
    rng = np.random.default_rng(0)
    for missing in (0, 0, 4):
        z = rng.standard_normal((3, ROWS, DIM))
        z[1:] = z[0] + 0.7 * z[1:]
        pairs = np.arange(ROWS) // 2 % 4 != 1  # the windows of one sequence go together
        yield z.astype(np.float32), pairs if missing else np.ones(ROWS, bool)


def weights():
    """[3, dim, dim]: the map of each sensor."""
    return np.random.default_rng(1).standard_normal((3, DIM, DIM)).astype(np.float32) / 2


def embed(params, rows):
    """Rows [n, 3, dim] of three sensors under their maps."""
    return jnp.einsum("nsd,sde->nse", rows, params, precision="highest")


def mean_loss(name, params, rows, where, **knobs):
    """Scalar: plain mean of a loss, or of the terms of a statistic."""
    z = embed(params, rows)
    return CASES[name].loss(z[:, 0], z[:, 1], z[:, 2], where=where, **knobs).mean()


def graded(name, **knobs):
    """(params, rows [n, 3, dim], where) -> (value, gradient), of one device."""
    return jax.value_and_grad(functools.partial(mean_loss, name, **knobs))


def across(name, mesh):
    """The same, with rows split over the devices of a mesh."""

    def per_device(params, rows, where):
        def total(params):
            return jax.lax.pmean(mean_loss(name, params, rows, where, axis_name="data"), "data")

        value, slope = jax.value_and_grad(total)(params)
        return value, jax.lax.pmean(slope, "data")

    specs = jax.P(), jax.P("data"), jax.P("data")
    return jax.jit(jax.shard_map(per_device, mesh=mesh, in_specs=specs, out_specs=jax.P()))


def in_pieces(name):
    """The same, by gradients of pieces of the batch."""

    def run(params, rows, where):
        def loss(_, z):
            return CASES[name].loss(z[:, 0], z[:, 1], z[:, 2], where=where)

        return value_and_grad_in_pieces(embed, loss, pieces=PIECES)(params, rows)

    return jax.jit(run)


def measured(name, ways=("8 devices", "in pieces", "tiled", "float32", "eager")):
    """{way: (difference of the value, of the gradient)}; ways that a loss lacks are left out."""
    run = jax.jit(graded(name))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    others = {
        "8 devices": lambda: across(name, mesh),
        "in pieces": lambda: in_pieces(name),
        "tiled": lambda: jax.jit(graded(name, tile=TILE)) if CASES[name].tiles else None,
        "float32": lambda: run,
        "eager": lambda: graded(name),
    }
    found = {}
    for way in ways:
        other = others[way]()
        if other is None:
            continue
        worst = (0.0, 0.0)
        for z, where in batches():
            arrays = weights(), z.swapaxes(0, 1), where
            got = jax.device_get(other(*arrays))
            worst = np.maximum(worst, difference(got, reference(run, arrays, way == "float32")))
        found[way] = tuple(worst)
    return found


def reference(run, arrays, double):
    """What a way is held against: one device, compiled; in float64 if asked for."""
    if not double:
        return jax.device_get(run(*arrays))
    with jax.enable_x64(True):
        return jax.device_get(run(*(x.astype(np.float64) for x in arrays[:2]), arrays[2]))


def difference(got, want):
    """Of (value, gradient): relative to the value, and to the gradient's largest entry."""
    value = abs(got[0] - want[0]) / (abs(want[0]) or 1)
    return value, np.abs(got[1] - want[1]).max() / (np.abs(want[1]).max() or 1)


def two_processes(only):
    """{name: differences} of two processes that share each batch."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("localhost", 0))
        port, path = str(free.getsockname()[1]), os.path.join(folder, "found.json")
        free.close()
        command = [sys.executable, "-m", "experiments.parity", f"--only={only}", "--process", port]
        env = os.environ | {"JAX_NUM_CPU_DEVICES": "1"}
        both = [subprocess.Popen([*command, rank, path], env=env) for rank in "01"]
        if any(process.wait() for process in both):
            sys.exit("one of the two processes failed")
        return json.loads(pathlib.Path(path).read_text())


def one_process(names, port, rank, path):
    """What each of two processes does; the first one writes {name: differences}."""
    jax.distributed.initialize(f"localhost:{port}", 2, int(rank))
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    found = {}
    for name in names:
        split, run, worst = across(name, mesh), jax.jit(graded(name)), (0.0, 0.0)
        for z, where in batches():
            arrays = weights(), z.swapaxes(0, 1), where
            specs = jax.P(), jax.P("data"), jax.P("data")
            given = [
                jax.make_array_from_callback(x.shape, jax.NamedSharding(mesh, s), x.__getitem__)
                for x, s in zip(arrays, specs)
            ]
            got = [np.asarray(x.addressable_data(0)) for x in split(*given)]
            worst = np.maximum(worst, difference(got, jax.device_get(run(*arrays))))
        found[name] = tuple(map(float, worst))
    if rank == "0":
        pathlib.Path(path).write_text(json.dumps(found))
    return 0


def row(name, found):
    """A line of the table: value / gradient in each way."""
    cells = (f"{found[w][0]:.0e} / {found[w][1]:.0e}" if w in found else "" for w in WAYS)
    return f"| {name} | {' | '.join(cells)} |"


def page(lines):
    """The page as text."""
    ways = "\n".join(f"- {way}: {what}" for way, what in WAYS.items())
    return (
        f"""# The same loss, computed in other ways

Made by `python -m experiments.parity`, on CPU with jax {jax.__version__}. Value / gradient of each
loss: the difference over the value, and the largest of the gradient over its largest entry. The
worst of three batches of {ROWS} rows, one with rows missing; a linear embedding of each sensor gets
the gradient. float32 has an eps of 1e-7.

{ways}

| loss | {" | ".join(WAYS)} |
|{"---|" * (len(WAYS) + 1)}
"""
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())

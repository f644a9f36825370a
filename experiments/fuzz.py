"""Losses of odd rows: none, alike, tiny, huge, missing. Values and gradients have to be finite.

    python -m experiments.fuzz                  # 20,000 calls; a quarter of an hour on a core
    python -m experiments.fuzz --calls=500 --only=info_nce --seed=3

Each program has a loss, 1 to 9 rows of 1 to 8 dimensions, a dtype, a tile or none, rows normalised
or not, and is called with batches of all kinds at scales from 1e-30 to 1e30. What comes out of
finite input and is not finite is held against the same call in float64: where the true value or
gradient has no room in the dtype it is listed as overflow, all else as a fault. The exit status
tells of faults.
"""

import argparse
import collections
import sys

import jax
import jax.numpy as jnp
import numpy as np

from experiments.loss_cases import CASES

COLDEST = 0.07  # of the losses' temperatures
BATCHES = 50  # of a program
DTYPES = ("float32", "bfloat16", "float16")
KINDS = ("ordinary", "zero rows", "alike", "all zero", "one value", "opposite", "mixed scales")


def main(args=None):
    """Prints faults and overflows; returns the number of faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--only", default="", help="part of the names of losses")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(args)
    names = [name for name in CASES if args.only in name]
    rng, found = np.random.default_rng(args.seed), collections.Counter()
    for k in range(-(-args.calls // BATCHES)):
        program = draw(rng, names[k % len(names)])
        for verdict in check(rng, program):
            found[verdict] += 1
            if verdict[0] == "fault":
                print(*verdict, flush=True)
        jax.clear_caches()  # no program comes again, and hundreds have no room
        if (k + 1) % 20 == 0:
            print(f"{(k + 1) * BATCHES} calls", file=sys.stderr, flush=True)
    for (kind, *where), count in sorted(found.items()):
        print(f"{kind}: {', '.join(map(str, where))}: {count}")
    faults = sum(count for verdict, count in found.items() if verdict[0] == "fault")
    print(f"{(k + 1) * BATCHES} calls, {faults} faults, {sum(found.values()) - faults} overflows")
    return faults


def draw(rng, name):
    """A program: (name, rows, dim, dtype, knobs)."""
    case = CASES[name]
    rows = -(-int(rng.integers(1, 10)) // case.rows) * case.rows
    knobs = {}
    if case.tiles and rng.random() < 0.5:
        knobs["tile"] = int(rng.integers(1, 5))
    if case.unit and rng.random() < 0.3:
        knobs["normalise"] = False
    return name, rows, int(rng.integers(1, 9)), str(rng.choice(DTYPES)), knobs


def check(rng, program, batches=BATCHES):
    """Verdicts on what is not finite: ("fault" or "overflow", loss, what, ...)."""
    name, rows, dim, dtype, knobs = program
    drawn = [batch(rng, rows, dim, dtype) for _ in range(batches)]
    kinds, arrays, where = zip(*drawn)
    arrays, where = np.stack(arrays), np.stack(where)
    values, slopes = jax.device_get(_run(name, knobs)(arrays, where))
    for i in range(batches):
        for what, got in (("value", values[i]), ("gradient", slopes[i])):
            if not np.isfinite(got.astype(np.float64)).all():
                fits = _fits(name, knobs, arrays[i], where[i], what, got)
                yield ("fault" if fits else "overflow", name, what, dtype, _said(knobs), kinds[i])


def batch(rng, rows, dim, dtype):
    """(kind, three arrays [3, rows, dim], where [rows]): rows that do not count may hold NaN."""
    kind = str(rng.choice(KINDS))
    z = rng.standard_normal((3, rows, dim))
    if kind == "zero rows":
        z[:, rng.random(rows) < 0.4] = 0
    elif kind == "alike":
        z[:] = z[0]
        z[:, rng.random(rows) < 0.5] = z[:, :1]
    elif kind == "all zero":
        z[:] = 0
    elif kind == "one value":
        z[:] = 1
    elif kind == "opposite":
        z[1:] = -z[0]
        z[:, 1::2] = -z[:, :1]
    exponent = rng.uniform(-30, 30, (3, rows, 1) if kind == "mixed scales" else ())
    most = float(jnp.finfo(dtype).max)
    z = np.clip(z * 10.0 ** np.where(rng.random() < 0.3, 0, exponent), -most, most)
    where = rng.random(rows) < rng.choice([1, 1, 0.6, 0])
    z[:, ~where] = rng.choice([np.nan, np.inf, 0])
    return kind, z.astype(jnp.dtype(dtype)), where


def _run(name, knobs):
    """Compiled (arrays [batches, 3, rows, dim], where) -> values, gradients of their sum."""

    def one(step):
        arrays, where = step

        def total(arrays):
            values = CASES[name].loss(*arrays, where=where, **knobs)
            return values.sum(), values

        slope, values = jax.grad(total, has_aux=True)(arrays)
        return values, slope

    return jax.jit(lambda *steps: jax.lax.map(one, steps))


def _fits(name, knobs, arrays, where, what, got):
    """Whether the dtype has room for what is not finite, as float64 says.

    Inner products of rows as they are may be so large that float32 cannot tell them apart; their
    gradient is as long as rows over the temperature then, for which 16 bits may have no room.
    """
    most = float(jnp.finfo(got.dtype).max)
    if not knobs.get("normalise", True) and what == "gradient":
        longest = np.abs(arrays[:, where].astype(np.float64)).max(initial=0) / COLDEST
        if longest > most:
            return False
    with jax.enable_x64(True):
        wide = _run(name, knobs)(arrays[None].astype(np.float64), where[None])
    true = np.asarray(wide[what == "gradient"][0], np.float64)
    return bool((np.abs(true) < most).all())


def _said(knobs):
    return " ".join(f"{k}={v}" for k, v in knobs.items()) or "plain"


if __name__ == "__main__":
    sys.exit(bool(main()))

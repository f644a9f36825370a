"""What a checkpoint holds, path by path: shape, type and a checksum, in a file beside it."""

import json
import pathlib
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.files import write_text
from mmalign.training.paths import flat

FOLDER = "checksums"
Known = Mapping[str, tuple[str, list[int], int]]


def write(checkpoints: pathlib.Path, step: int, state: Any) -> None:
    """Notes what the checkpoint of a step is going to hold; notes of those that are gone go, too.

    The file is there before the checkpoint is, so that none is ever without.
    """
    folder = checkpoints / FOLDER
    folder.mkdir(exist_ok=True)
    if jax.process_index():
        return
    there = {path.name.partition(".")[0] for path in checkpoints.iterdir()}
    for path in folder.glob("*.json"):
        if path.stem not in there:
            path.unlink()
    sums = {path: [*_kind(x), _sum(x)] for path, x in flat(state).items()}
    write_text(folder / f"{step}.json", json.dumps(sums))


def read(checkpoints: pathlib.Path, step: int) -> Known:
    """{path: (dtype, shape, checksum)} of a step. OSError or ValueError where there is none."""
    known = json.loads((checkpoints / FOLDER / f"{step}.json").read_text())
    if not isinstance(known, dict):
        raise ValueError("no mapping")
    return known


def differences(like: Any, known: Known, partial: bool) -> list[str]:
    """What of a tree of shapes is not as it was saved, in sentences."""
    wanted = flat(like)
    lines = [f"{path}: not in the checkpoint" for path in wanted if path not in known]
    if not partial:
        lines += [f"{path}: only in the checkpoint" for path in known if path not in wanted]
    for path in wanted.keys() & known.keys():
        want, have = _kind(wanted[path]), known[path][:2]
        if want != have:
            kinds = [f"{dtype} {shape}" for dtype, shape in (have, want)]
            lines.append(f"{path}: {kinds[0]} in the checkpoint, {kinds[1]} in this run")
    return sorted(lines)


def changed(found: Any, known: Known) -> str | None:
    """The first path of a loaded tree whose numbers are not those that were saved, or None."""
    return next((path for path, x in flat(found).items() if _sum(x) != known[path][2]), None)


def _kind(x):
    return [str(x.dtype), list(x.shape)]


def _sum(x):
    """Checksum of an array's bytes."""
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        x = jax.random.key_data(x)
    return zlib.crc32(np.ascontiguousarray(jax.device_get(x)).tobytes())

"""Windows that methods are tried on: random, some sensors and samples missing."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmalign.methods.contract import Modality, Target

ROWS = 32  # windows of an example: enough for negatives of sequences
READ = ("inputs", "present", "valid")  # of a batch, by `init` and `embed`


def example_batch(
    modalities: Mapping[str, Modality], targets: Mapping[str, Target] | None = None, seed: int = 0
) -> dict[str, Any]:
    """Random windows, some of which lack a modality; all that a batch can hold but `valid`.

    There is a target "label" in any case: a method that should not look at it could.
    """
    rng = np.random.default_rng(seed)
    present = rng.random((len(modalities), ROWS)) < 0.8
    if len(modalities) > 1:
        present[0] |= ~present.any(axis=0)
    targets = {"label": Target("classes", 4), **(targets or {})}
    batch = {
        "inputs": {m: rng.standard_normal((ROWS, *x.shape)) for m, x in modalities.items()},
        "present": dict(zip(modalities, present)),
        "targets": {task: _example_target(rng, *target) for task, target in targets.items()},
        "group": (np.arange(ROWS) // 8).astype(np.int32),
        "row": dict.fromkeys(modalities, np.arange(ROWS, dtype=np.int32)),
        "weight": rng.uniform(0.5, 1, ROWS).astype(np.float32),
        "progress": np.float32(1),
    }
    return in_gaps(batch, 0.0)


def in_gaps(batch: Mapping, value: float) -> dict[str, Any]:
    """The batch with `value` in its inputs wherever nothing was measured."""
    inputs = {}
    for m, x in batch["inputs"].items():
        measured = batch["present"][m].reshape(-1, *[1] * (x.ndim - 1))
        if m in batch.get("valid", {}):
            measured = measured & batch["valid"][m][..., None]
        inputs[m] = np.where(measured, x, value).astype(np.float32)
    return {**batch, "inputs": inputs}


def lacking(batch: Mapping, *modalities: str) -> dict[str, Any]:
    """The batch without these modalities, and NaN wherever nothing was measured."""
    present = {m: p & (m not in modalities) for m, p in batch["present"].items()}
    return in_gaps({**batch, "present": present}, np.nan)


def read(batch: Mapping) -> dict[str, Any]:
    """What `init` and `embed` may read."""
    return {name: batch[name] for name in READ if name in batch}


def _example_target(rng, kind, size):
    if kind == "classes":
        return rng.integers(0, size, ROWS).astype(np.int32)
    if kind == "real":
        return rng.standard_normal((ROWS, size) if size > 1 else ROWS).astype(np.float32)
    return rng.integers(0, 2, (ROWS, size)).astype(np.int8)

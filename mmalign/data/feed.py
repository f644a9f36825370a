"""From rows to a normalised batch: on the device inside the step, or streamed from the host.

In memory:  gather(arrays(dataset, stats), rows)
Streamed:   normalise(batch, stats) for batch in stream(arrays(dataset, stats), rows_at)(step)
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.data.dataset import TRAIN, UNKNOWN, Dataset
from mmalign.data.standardise import channel_moments

Array = jax.Array | np.ndarray
Rows = Mapping[str, Array]  # {modality: int32 [b]}, -1 = absent


def statistics(dataset: Dataset) -> dict[str, dict[str, np.ndarray]]:
    """{modality: {"mean": [channels], "std": [channels]}} of the training subjects' samples.

    Channels are the last axis, whatever the kind; samples that are not valid count for nothing.
    """
    out = {}
    for m, x in dataset.inputs.items():
        seen = (dataset.split == TRAIN) & dataset.present[m]
        if not seen.any():
            raise ValueError(
                f"modality {m!r} is present in no training window: leave it out of the data, or "
                "give it windows of people who are trained on"
            )
        mean, std = channel_moments(x, dataset.valid.get(m), np.flatnonzero(seen))
        out[m] = {"mean": mean.astype(np.float32), "std": std.astype(np.float32)}
    return out


def arrays(dataset: Dataset, stats: Mapping) -> dict[str, Any]:
    """All that `gather` reads, as one tree of host arrays, to be placed on the devices once."""
    return {
        "inputs": dict(dataset.inputs),
        "present": dict(dataset.present),
        "valid": dict(dataset.valid),
        "targets": dict(dataset.targets),
        "group": dataset.group,
        "statistics": stats,
    }


def gather(
    data: Mapping, rows: Rows, weight: Array | None = None, paired: Array | None = None
) -> dict[str, Any]:
    """The batch at `rows` {modality: int32 [b]}, normalised; pure and jittable.

    A row of -1 is an absent window. Where the modalities' rows are different windows, a target (and
    the group) is what all of them agree on, else unknown.

    weight: float32 [b], of the batch's examples; None: the batch has no weights.
    paired: bool [b], the rows that are pairs where others are not; None: the batch does not say.
    """
    return normalise(take(data, rows, jnp, weight, paired), data["statistics"])


def normalise(batch: Mapping, stats: Mapping) -> dict[str, Any]:
    """The batch with standardised channels, zeros where absent or not valid, whatever is there."""
    inputs = {}
    for m, x in batch["inputs"].items():
        wide = (1,) * (x.ndim - 1)
        x = (x - stats[m]["mean"].reshape(*wide, -1)) / stats[m]["std"].reshape(*wide, -1)
        observed = batch["present"][m].reshape(-1, *wide)
        if m in batch.get("valid", {}):
            observed = observed & batch["valid"][m][..., None]
        inputs[m] = jnp.where(observed, x, 0.0)
    return {**batch, "inputs": inputs}


def stream(
    data: Mapping,
    rows_at: Callable[[int], Rows],
    num_steps: int,
    *,
    weights_at: Callable[[int], Array] | None = None,
    paired: Array | None = None,
    threads: int = 2,
    prefetch: int = 4,
) -> Callable[[int], Iterator[dict[str, Any]]]:
    """Batches gathered on the host, for data larger than the devices: `start -> iterator`.

    Only the rows of a batch leave the host's arrays, which may be memory maps; grain's threads
    prepare the next ones meanwhile. Each process yields its share of the batch, still to be
    normalised; the order and the rows are those of `rows_at`, the weights those of `weights_at`.
    `paired` is that of all batches, as `gather` takes it.
    """

    def share(x):
        return x.reshape(jax.process_count(), -1)[jax.process_index()]

    def batch(step):
        rows = {m: share(r) for m, r in rows_at(step).items()}
        weight = None if weights_at is None else share(weights_at(step))
        return take(data, rows, np, weight, None if paired is None else share(paired))

    def batches(start):
        import grain

        steps = grain.MapDataset.range(start, num_steps).map(batch)
        return iter(steps.to_iter_dataset(grain.ReadOptions(threads, prefetch)))

    return batches


def take(
    data: Mapping, rows: Rows, xp: ModuleType = np, weight: Array | None = None,
    paired: Array | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The batch at `rows` as it stands in the data: what `gather` does but for normalising.

    xp: numpy on the host, jax.numpy inside a program.
    """
    present = {m: data["present"][m][r] & (r >= 0) for m, r in rows.items()}
    agreed = functools.partial(_agreed, rows=rows, xp=xp)
    batch = {
        "inputs": {m: data["inputs"][m][r] for m, r in rows.items()},
        "present": present,
        "targets": {task: agreed(x) for task, x in data["targets"].items()},
        "group": agreed(data["group"]),
        "row": {m: xp.where(present[m], r, UNKNOWN) for m, r in rows.items()},
    }
    if gaps := {m: x for m, x in data["valid"].items() if m in rows}:
        batch["valid"] = {m: x[rows[m]] & present[m][:, None] for m, x in gaps.items()}
    if weight is not None:
        batch["weight"] = weight
    if paired is not None:
        batch["paired"] = paired
    return batch


def _agreed(column, rows, xp):
    """What is said of all windows at `rows`: [b, ...] of `column` [n, ...], unknown elsewhere.

    Numbers of one window are compared each on its own; NaN agrees with nothing, and stays NaN.
    """
    row = functools.reduce(xp.maximum, rows.values())
    said, wide = column[row], (-1, *[1] * (column.ndim - 1))
    agree = (row >= 0).reshape(wide)
    for r in rows.values():
        agree = agree & ((column[r] == said) | (r < 0).reshape(wide))
    return xp.where(agree, said, np.nan if column.dtype.kind == "f" else UNKNOWN)

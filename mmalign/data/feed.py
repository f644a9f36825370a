"""From rows to a normalised batch: on the device inside the step, or streamed from the host.

In memory:  gather(arrays(dataset, stats), rows)
Streamed:   normalise(batch, stats) for batch in stream(arrays(dataset, stats), rows_at)(step)
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.data.dataset import TRAIN, UNKNOWN, Dataset
from mmalign.data.standardise import channel_moments


def statistics(dataset: Dataset):
    """{modality: {"mean": [channels], "std": [channels]}} of the training subjects' windows."""
    out = {}
    for m, x in dataset.inputs.items():
        x = x[(dataset.split == TRAIN) & dataset.present[m]]
        if not len(x):
            raise ValueError(
                f"modality {m!r} is present in no training window: leave it out of the data, or "
                "give it windows of people who are trained on"
            )
        mean, std = channel_moments(x)
        out[m] = {"mean": mean.astype(np.float32), "std": std.astype(np.float32)}
    return out


def arrays(dataset: Dataset, stats):
    """All that `gather` reads, as one tree of host arrays, to be placed on the devices once."""
    return {
        "inputs": dict(dataset.inputs),
        "present": dict(dataset.present),
        "label": dataset.label,
        "group": dataset.group,
        "statistics": stats,
    }


def gather(data, rows):
    """The batch at `rows` {modality: int32 [b]}, normalised; pure and jittable.

    A row of -1 is an absent window. Where the modalities' rows are different windows (an unpaired
    view), `label`, `group` and `row` are -1.
    """
    return normalise(take(data, rows, jnp), data["statistics"])


def normalise(batch, stats):
    """The batch with standardised channels, zeros where absent, whatever stands there."""
    inputs = {}
    for m, x in batch["inputs"].items():
        x = (x - stats[m]["mean"][None, None]) / stats[m]["std"][None, None]
        inputs[m] = jnp.where(batch["present"][m][:, None, None], x, 0.0)
    return {**batch, "inputs": inputs}


def stream(data, rows_at, num_steps, *, threads=2, prefetch=4):
    """Batches gathered on the host, for data larger than the devices: `start -> iterator`.

    Only the rows of a batch leave the host's arrays, which may be memory maps; grain's threads
    prepare the next ones meanwhile. Each process yields its share of the batch, still to be
    normalised; the order and the rows are those of `rows_at`.
    """

    def share(step):
        rank, world = jax.process_index(), jax.process_count()
        rows = {m: r.reshape(world, -1)[rank] for m, r in rows_at(step).items()}
        return take(data, rows)

    def batches(start):
        import grain

        steps = grain.MapDataset.range(start, num_steps).map(share)
        return iter(steps.to_iter_dataset(grain.ReadOptions(threads, prefetch)))

    return batches


def take(data, rows, xp=np):
    """The batch at `rows` as it stands in the data: what `gather` does but for normalising.

    xp: numpy on the host, jax.numpy inside a program.
    """
    row = functools.reduce(xp.maximum, rows.values())
    one = functools.reduce(xp.logical_and, [(r == row) | (r < 0) for r in rows.values()])
    known = one & (row >= 0)
    return {
        "inputs": {m: data["inputs"][m][r] for m, r in rows.items()},
        "present": {m: data["present"][m][r] & (r >= 0) for m, r in rows.items()},
        "label": xp.where(known, data["label"][row], UNKNOWN),
        "group": xp.where(known, data["group"][row], UNKNOWN),
        "row": xp.where(known, row, UNKNOWN),
    }

"""Walks through units: which of them make the batch of a step."""

import functools

import numpy as np


def units_of(batch_size: int, length: int, there: int, what: str) -> int:
    """How many of the runs of `length` windows that are `there` make a batch, two at least.

    what: of the error, what these windows are.
    Raises: ValueError where they are fewer, as `whole`.
    """
    take = whole(batch_size, length)
    if there < min(take, 2):
        raise ValueError(
            f"there are {there} runs of sampler.length={length} {what}: nothing to make a batch of"
            "; give more data, or raise sampler.fraction, people or minutes where they are set"
        )
    # else a power of two, which devices can share
    return take if take <= there else 1 << (there.bit_length() - 1)


def whole(batch_size: int, length: int) -> int:
    """How many runs of `length` windows a batch is; ValueError where it ends within one."""
    if batch_size % length:
        raise ValueError(
            f"batch_size {batch_size} must be a multiple of sampler.length {length}, as a batch is "
            f"made of whole sequences"
        )
    return batch_size // length


def sample(units: np.ndarray, take: int, seed: int, stream: str, step: int) -> np.ndarray:
    """Rows int32 [take * length] of a step: an epoch is one walk through the units, in a new order.

    units: int32 [units, length]. take: of them a batch. stream: names what is drawn.

    It ends where no whole batch is left (which units it leaves out changes by epoch): a batch made
    of two epochs could hold a unit twice, and be its own negative. With fewer units than a batch
    (few labels) there is no way around that, and the walk goes on into the next epochs.
    """
    epoch = len(units) // take * take or len(units)
    picks = np.arange(step * take, (step + 1) * take)
    epochs = picks // epoch
    parts = [
        _order(len(units), seed, stream, int(e))[picks[epochs == e] % epoch]
        for e in np.unique(epochs)
    ]
    return units[np.concatenate(parts)].reshape(-1)


@functools.lru_cache(maxsize=32)
def _order(size, seed, stream, epoch):
    key = [seed, epoch, *stream.encode()]
    return np.random.default_rng(key).permutation(size)

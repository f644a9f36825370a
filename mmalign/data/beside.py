"""Windows without a partner beside pairs: how many of a batch, and which."""

import numpy as np

from mmalign.data.dataset import Dataset
from mmalign.data.runs import sequences
from mmalign.data.walks import whole


def pairs_of_a_batch(
    dataset: Dataset, batch_size: int, length: int, unpaired: float, there: int
) -> int:
    """How many sequences of a batch are pairs: what `unpaired` leaves, or all that are `there`.

    One more than modalities at least, as many as it takes to move the windows of each of them to
    other rows and have no two of one time in a row, as negatives of pairs are made.

    Raises: ValueError for a share that leaves fewer, or nothing but pairs; where there are fewer.
    """
    if not 0 < unpaired < 1:
        raise ValueError(
            f"sampler.unpaired must be in (0, 1), got {unpaired}: leave it out for pairs alone; "
            "without any of them sampler.kind is 'unpaired'"
        )
    sequences, least = whole(batch_size, length), len(dataset.modalities) + 1
    pairs = sequences - round(unpaired * sequences)
    if not least <= pairs < sequences:
        raise ValueError(
            f"sampler.unpaired={unpaired} makes {pairs} of the {sequences} sequences of a batch "
            f"pairs, which must be {least} (one more than modalities) to {sequences - 1}: change "
            "it, raise batch_size or lower sampler.length"
        )
    if there < least:
        raise ValueError(
            f"there are {there} sequences of pairs, and sampler.unpaired needs {least} in a batch, "
            "one more than modalities: give more pairs or lower sampler.length"
        )
    return min(pairs, there)


def pools(dataset: Dataset, train: np.ndarray, pairs: np.ndarray, count: int) -> dict:
    """What each modality draws from: {modality: int32 [units, length]}.

    Windows that are no pairs: a window that is in a batch as one of them, too, would be its own
    negative. Where there are not `count` sequences of others, all windows.

    train: bool [n]. pairs: int32 [units, length].
    """
    length, taken, out = pairs.shape[1], np.zeros(len(dataset), bool), {}
    taken[pairs] = True
    for m in dataset.modalities:
        present = train & dataset.present[m]
        others = sequences(dataset, present & ~taken, length)
        out[m] = others if len(others) >= count else sequences(dataset, present, length)
    return out

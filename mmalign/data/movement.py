"""How much windows move, for sensors that are lost the likelier, the more they do."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from mmalign.data.dataset import Dataset


def levels(dataset: Dataset) -> dict[str, np.ndarray]:
    """How much a window's input moves, for "value": {modality: [n]}, ranks in (0, 1).

    By the standard deviation over time (over an image's places, a vector's features, a sequence's
    tokens), its mean over channels; 0.5 where the modality is absent.
    """
    out = {}
    for m, present in dataset.present.items():
        x = np.asarray(dataset.inputs[m])[present]
        channels = x.shape[-1] if x.ndim > 2 else 1
        counts = dataset.valid[m][present][:, :, None] if m in dataset.valid else True
        places = math.prod(x.shape[1:]) // channels
        moves = x.reshape(len(x), places, channels).std(axis=1, dtype=np.float64, where=counts)
        order = np.argsort(np.argsort(moves.mean(axis=-1), kind="stable"))
        out[m] = np.full(len(present), 0.5)
        out[m][present] = (order + 0.5) / max(len(x), 1)
    return out


def by_level(devices: Mapping, level: Mapping[str, np.ndarray] | None) -> Callable:
    """(device, rate) -> chance [n] of a loss: a line in the level of the device, of mean `rate`.

    devices: {device: its modalities}. level: of the windows, as `levels` gives it.
    """
    if level is None:
        raise ValueError("missing 'value' needs the windows' levels, see movement.levels")

    def chance(device, rate):
        mean = np.mean([level[m] for m in devices[device]], axis=0)
        return 2 * rate * mean if rate <= 0.5 else 1 - 2 * (1 - rate) * (1 - mean)

    return chance

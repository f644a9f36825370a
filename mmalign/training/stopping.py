"""Early stopping: a training ends where held-out windows say so, and its best weights stay."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping

import jax
import numpy as np

from mmalign.files import read_arrays, write_arrays, write_text
from mmalign.training.paths import path_names
from mmalign.training.state import TrainState

LOOKS, BEST = "looks.json", "best.npz"


class EarlyStopping:
    """Notes what each look saw, and the weights of the best one.

    Both are files, so that a training that is cut off goes on alike: the looks after its last
    checkpoint are forgotten and come again, and so do the weights, bit for bit.
    """

    def __init__(self, folder: pathlib.Path, metric: str, patience: int):
        """metric: of a look, the larger the better. patience: looks in a row that may be no better
        than the best one; of equals the first is the best.
        """
        self._looks, self._best = folder / LOOKS, folder / BEST
        self._metric, self._patience = metric, patience
        self._seen: list[tuple[int, float]] = []

    def start(self, step: int) -> None:
        """Forgets what was seen beyond `step`."""
        found = json.loads(self._looks.read_text()) if self._looks.exists() else []
        self._seen = [(at, value) for at, value in found if at <= step]

    def ends(self, step: int, state: TrainState, seen: Mapping[str, float]) -> bool:
        """Takes a look, and says whether the training is to end here."""
        value = seen[self._metric]
        better = not self._seen or value > max(known for _, known in self._seen)
        self._seen.append((step, value))
        if jax.process_index() == 0:
            if better:
                arrays = jax.device_get(jax.tree.leaves(_weights(state)))
                write_arrays(self._best, dict(zip(_names(state), arrays)))
            write_text(self._looks, json.dumps(self._seen))
        values = [known for _, known in self._seen]
        return len(values) - 1 - int(np.argmax(values)) >= self._patience

    def best(self, state: TrainState) -> TrainState:
        """The state with the weights of the best look."""
        arrays, weights = read_arrays(self._best), _weights(state)
        leaves = [
            jax.device_put(arrays[name], x.sharding)
            for name, x in zip(_names(state), jax.tree.leaves(weights))
        ]
        return dataclasses.replace(state, **jax.tree.unflatten(jax.tree.structure(weights), leaves))


def _weights(state):
    """What a look is at: the averaged weights, where there are such, and the method's state."""
    of = {"params": state.params} if state.ema is None else {"ema": state.ema}
    return of if state.state is None else of | {"state": state.state}


def _names(state):
    return jax.tree.leaves(path_names(_weights(state)))

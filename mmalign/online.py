"""A look at a representation while it is trained: neighbours across people, from labels."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mmalign import evaluation
from mmalign.methods import JOINT
from mmalign.stages import Stage, first_batch, variable_shapes
from mmalign.training import TrainState


def knn_look(stage: Stage, use: Any) -> Callable[[TrainState], dict[str, float]] | None:
    """state -> {"knn_accuracy"}: of training people whose windows vote for no one, 0 to 1.

    The training itself sees their windows, but for its labels: None for a method that needs those.
    The averaged weights are the ones that are looked at, where there are such.

    use: `fit.Resources`.
    """
    if "labels" in stage.method.needs:
        return None
    dataset, method = use.dataset, stage.method
    known, asked = evaluation.held_out(dataset, stage.node.spec["seed"])
    rows = np.concatenate([known, asked])
    # means of embeddings are not known before the end: an absent part is zeros until then
    means = variable_shapes(method, first_batch(stage, use.arrays)).get("means")

    def look(state):
        variables = {"params": state.params if state.ema is None else state.ema}
        if state.state is not None:
            variables["state"] = state.state
        if means is not None:
            variables["means"] = {m: np.zeros(x.shape, x.dtype) for m, x in means.items()}
        z = evaluation.embed_all(method.embed, variables, data=use.arrays, rows=rows, mesh=use.mesh)
        votes, label = z[JOINT], dataset.label[rows]
        cut = len(known)
        found = evaluation.knn_probe(votes[:cut], label[:cut], votes[cut:], label[cut:])
        return {"knn_accuracy": found["accuracy"]}

    return look

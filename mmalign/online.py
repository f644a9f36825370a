"""A look at a representation while it is trained: neighbours across people, from labels."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mmalign import evaluation
from mmalign.data.subsets import labels_divided
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
    dataset = use.dataset
    known, asked = evaluation.held_out(dataset, stage.node.spec["seed"])
    rows = np.concatenate([known, asked])
    embed = _embedder(stage, use, rows)

    def look(state):
        z = embed(state)
        return {"knn_accuracy": _neighbours(z[JOINT], dataset.label[rows], len(known))}

    return look


def held_out_look(stage: Stage, use: Any) -> Callable[[TrainState], dict[str, float]]:
    """state -> {"held_out_accuracy"}: on labelled windows that are kept to choose by, 0 to 1.

    Of the network's own answers, or of neighbours among the windows that the training learns from,
    for a method without. use: `fit.Resources`.
    """
    dataset, method, of = use.dataset, stage.method, stage.block["sampler"]
    known, asked = labels_divided(dataset, stage.fraction, of["held_out"], stage.node.spec["seed"])
    rows = asked if method.answers else np.concatenate([known, asked])
    embed, label = _embedder(stage, use, rows), dataset.label[rows]

    def look(state):
        z = embed(state)
        if method.answers:
            return {"held_out_accuracy": float((z["logits"].argmax(axis=1) == label).mean())}
        return {"held_out_accuracy": _neighbours(z[JOINT], label, len(known))}

    return look


def _neighbours(z, label, cut):
    """Accuracy of the rows from `cut` on, told by their neighbours among those before."""
    return evaluation.knn_probe(z[:cut], label[:cut], z[cut:], label[cut:])["accuracy"]


def _embedder(stage, use, rows):
    """TrainState -> parts of the embeddings of rows, by the averaged weights if there are such."""
    # means of embeddings are not known before the end: an absent part is zeros until then
    means = variable_shapes(stage.method, first_batch(stage, use.arrays)).get("means")

    def embed(state):
        variables = {"params": state.params if state.ema is None else state.ema}
        if state.state is not None:
            variables["state"] = state.state
        if means is not None:
            variables["means"] = {m: np.zeros(x.shape, x.dtype) for m, x in means.items()}
        return evaluation.embed_all(
            stage.method.embed, variables, data=use.arrays, rows=rows, mesh=use.mesh
        )

    return embed

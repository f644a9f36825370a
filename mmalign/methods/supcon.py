"""Supervised contrast: modalities of windows of one label agree, or fused views of them."""

import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from mmalign.losses import supcon
from mmalign.methods.base import base_method, of_base
from mmalign.methods.contract import JOINT, Method, Modality, Target
from mmalign.methods.encoders import (
    PROJECTOR,
    augmented,
    embed_encoders,
    embeddings,
    fuse_side_by_side,
    init_encoders,
    need_augmentation,
    need_two,
    view,
    widths,
    zero_means,
)
from mmalign.methods.labels import class_count
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Projector, apply, init_params


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, projector: Mapping[str, Any] = PROJECTOR,
    temperature: float = 0.07, target: str = "label", targets: Mapping[str, Target],
) -> Method:  # fmt: skip
    """SupCon (Khosla et al. 2020, arXiv:2004.11362), a window's modalities being its views.

    Args:
      modalities: {name: Modality}, two or more.
      encoder, augment: as `sensors` reads them; one view is drawn, or none.
      projector: {hidden, out} of each modality's `Projector`.
      temperature: of the contrast.
      target: whose classes count as alike, of `targets`, {task: Target}.
    The row "SupCon" of FactorCL's and CoMM's comparisons: probes read the encoders. See
    `fuse_side_by_side` for a missing modality.
    """
    need_two(modalities, "supcon")
    class_count(targets, target)
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    head, names = Projector(**projector), tuple(modalities)

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        for m, dim in widths(front).items():
            drawn = init_params(head, named_key(key, m, "projector"), jnp.zeros((1, dim)))
            params[m]["projector"] = drawn
        return {"params": {"sensors": params}, "means": zero_means(widths(front))}

    def loss(variables, batch, key):
        params, present = variables["params"]["sensors"], batch["present"]
        seen = view(front, named_key(key, "view"), batch)
        parts = embeddings(front, params, seen, present, named_key(key, "dropout"))
        z = [apply(head, params[m]["projector"], parts[m]) for m in names]
        cost = supcon(
            z, batch["targets"][target], temperature=temperature, where=[present[m] for m in names]
        ).mean()
        return cost, {"metrics": {"contrast": cost}}

    return Method(
        init, loss, embed_encoders(front), fuse_side_by_side(modalities),
        needs=frozenset({"labels"}),
    )  # fmt: skip


def create_tuned(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, base: Mapping[str, Any], temperature: float = 0.07,
    target: str = "label", targets: Mapping[str, Target],
) -> Method:  # fmt: skip
    """Fine-tuning by SupCon: what `base` fuses of two views of windows of one label agrees.

    As CoMM (Dufumier et al. 2025, arXiv:2409.07402) tunes: nothing is added to the network, all of
    it learns, and a probe reads it afterwards.

    Args:
      modalities: {name: Modality}.
      encoder: as `sensors` reads it, for `base`. augment: of the two views; one is needed.
      base: the config of the method (in a run: the name of the stage that holds it).
      temperature: of the contrast.
      target: whose classes count as alike, of `targets`, {task: Target}.
    The networks run without dropout, as the base's `embed` does, and what stands in for an absent
    modality is zeros meanwhile.
    """
    class_count(targets, target)
    given, below = base_method(base, modalities, encoder=encoder, augment=augment, targets=targets)
    front = sensors({"encoder": given["encoder"], "augment": augment}, modalities)
    need_augmentation(front, "supcon_tuned")

    def init(key, batch):
        drawn = below.init(named_key(key, "base"), batch)
        return drawn | {"params": {"base": drawn["params"]}}

    def loss(variables, batch, key):
        read = lambda name: augmented(front, named_key(key, name), batch)
        views = [below.embed(of_base(variables), read(name))[JOINT] for name in ("first", "second")]
        there = functools.reduce(jnp.logical_or, batch["present"].values())
        label = batch["targets"][target]
        cost = supcon(views, label, temperature=temperature, where=there).mean()
        kept = {name: value for name, value in variables.items() if name == "state"}
        return cost, {"metrics": {"contrast": cost}} | kept

    return Method(init, loss, *_answers(below), needs=frozenset({"labels"}))


def _answers(below):
    """(embed, fuse or None) of the method below."""

    def embed(variables, batch):
        return below.embed(_inside(variables), batch)

    def fuse(variables, parts, present):
        return below.fuse(_inside(variables), parts, present)

    return embed, None if below.fuse is None else fuse


def _inside(variables):
    """The variables of the method below, its means among them."""
    return variables | {"params": variables["params"]["base"]}

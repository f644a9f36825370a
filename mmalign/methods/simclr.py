"""SimCLR on fused sensors: two augmented views of a window agree, those of others do not."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from mmalign.losses import nt_xent
from mmalign.methods.contract import Method, Modality
from mmalign.methods.encoders import (
    PROJECTOR,
    embed_encoders,
    fuse_side_by_side,
    fused_views,
    init_encoders,
    need_augmentation,
    width,
    widths,
    zero_means,
)
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Projector, apply, init_params


def create(
    modalities: Mapping[str, Modality],
    *,
    encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None,
    projector: Mapping[str, Any] = PROJECTOR,
    temperature: float = 0.2,
) -> Method:
    """SimCLR (Chen et al. 2020, arXiv:2002.05709), all modalities as one input.

    Args:
      modalities: {name: Modality}, one or more.
      encoder, augment: as `sensors` reads them, and an augmentation is needed.
      projector: {hidden, out} of the `Projector` on the embeddings side by side.
      temperature: of NT-Xent.
    Modalities are fused by concatenation, where comparisons in the literature use an attention
    layer; an absent one is zeros in both views. The same modalities are absent from both, which
    tells the views of different windows apart: with many gaps some of the contrast is about them.
    `embed` reads the encoders; see `fuse_side_by_side` for a missing modality.
    """
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    head = Projector(**projector)
    need_augmentation(front, "simclr")

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        fused = jnp.zeros((1, width(front)))
        drawn = init_params(head, named_key(key, "projector"), fused)
        means = zero_means(widths(front))
        return {"params": {"sensors": params, "projector": drawn}, "means": means}

    def loss(variables, batch, key):
        params = variables["params"]
        fused, counts = fused_views(front, params["sensors"], batch, key)
        first, second = apply(head, params["projector"], fused)
        cost = nt_xent(first, second, temperature=temperature, where=counts).mean()
        return cost, {"metrics": {"contrast": cost}}

    return Method(
        init, loss, embed_encoders(front), fuse_side_by_side(modalities), needs=frozenset({"pairs"})
    )

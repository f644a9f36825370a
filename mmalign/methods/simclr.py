"""SimCLR on fused sensors: two augmented views of a window agree, those of others do not."""

import jax.numpy as jnp

from mmalign.losses import nt_xent
from mmalign.methods.contract import Method
from mmalign.methods.encoders import (
    embed_encoders,
    fuse_side_by_side,
    fused_views,
    init_encoders,
    need_augmentation,
    width,
)
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Projector

OPTIONS = ("encoder", "augment", "projector", "temperature")


def create(config, modalities, num_classes=0) -> Method:
    """SimCLR (Chen et al. 2020, arXiv:2002.05709), all modalities as one input.

    Args:
      config: `encoder`, `augment` as `sensors` reads them, and an augmentation is needed;
        `projector`, {hidden, out} of the `Projector` on the embeddings side by side;
        `temperature` of NT-Xent.
      modalities: {name: Modality}, one or more.
    Modalities are fused by concatenation, where comparisons in the literature use an attention
    layer; an absent one is zeros in both views. The same modalities are absent from both, which
    tells the views of different windows apart: with many gaps some of the contrast is about them.
    `embed` reads the encoders; see `embed_encoders` for a missing sensor.
    """
    del num_classes
    front, head = sensors(config, modalities), Projector(**config["projector"])
    need_augmentation(front, "simclr")

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        fused = jnp.zeros((1, width(front)))
        projector = head.init(named_key(key, "projector"), fused)["params"]
        return {"params": {"sensors": params, "projector": projector}}

    def loss(variables, batch, key):
        params = variables["params"]
        fused, there = fused_views(front, params["sensors"], batch, key)
        first, second = head.apply({"params": params["projector"]}, fused)
        cost = nt_xent(first, second, temperature=config["temperature"], where=there).mean()
        return cost, {"metrics": {"contrast": cost}}

    return Method(init, loss, embed_encoders(front), fuse=fuse_side_by_side(front))

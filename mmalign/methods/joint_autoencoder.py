"""One autoencoder of all modalities: every one of them is decoded from what all have encoded."""

import jax.numpy as jnp
from jax import nn

from mmalign.methods.contract import Method, present_inputs
from mmalign.methods.encoders import (
    embed_encoders,
    embeddings,
    fuse_side_by_side,
    init_encoders,
    side_by_side,
    width,
)
from mmalign.methods.mae import reconstruction
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Projector

OPTIONS = ("encoder", "augment", "fusion")


def create(config, modalities, num_classes=0) -> Method:
    """Mean squared error of all windows, decoded from two dense layers on the codes side by side.

    Args:
      config: `encoder`, `augment` as `sensors` reads them; `fusion`, widths of the two dense
        layers, each with a ReLU.
      modalities: {name: Modality}, two or more. The code of an absent one is zeros, and its
        reconstruction costs nothing.
    The variant of one autoencoder for all in CroSSL's comparison (Deldari et al. 2024,
    arXiv:2307.16847), with the networks of this package. Its code ends in a ReLU, which no negative
    sample can come out of; here the output is linear. `embed` reads the encoders, whose codes side
    by side are what a head reads there.
    """
    del num_classes
    if len(modalities) < 2:
        raise ValueError(f"joint_autoencoder needs two modalities or more, got {[*modalities]}")
    widths = tuple(config["fusion"] or ())
    if len(widths) != 2 or min(widths) < 1:
        raise ValueError(f"method.fusion must be two widths, such as (128, 64), got {widths}")
    front, mix = sensors(config, modalities), Projector(*widths)

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        for m, p in params.items():
            code, decoder = jnp.zeros((1, widths[-1])), front.backbones[m].decoder
            p["decoder"] = decoder.init(named_key(key, m, "decoder"), code)["params"]
        codes = jnp.zeros((1, width(front)))
        fusion = mix.init(named_key(key, "fusion"), codes)["params"]
        return {"params": {"sensors": params, "fusion": fusion}}

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        grids = front.view(named_key(key, "view"), present_inputs(batch))
        codes = side_by_side(embeddings(front, params["sensors"], grids, present, key))
        fused = nn.relu(mix.apply({"params": params["fusion"]}, codes))
        metrics = {}
        for m, grid in grids.items():
            everything = jnp.ones((len(codes), *front.backbones[m].patching.grid), bool)
            metrics[f"reconstruction_{m}"] = reconstruction(
                front, m, params["sensors"][m], fused, grid, everything, present[m],
                named_key(key, m),
            )  # fmt: skip
        return sum(metrics.values()), {"metrics": metrics}

    return Method(init, loss, embed_encoders(front), fuse=fuse_side_by_side(front))

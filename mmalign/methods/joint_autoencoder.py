"""One autoencoder of all modalities: every one of them is decoded from what all have encoded."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import nn

from mmalign.methods.contract import Method, Modality
from mmalign.methods.decoding import reconstruction
from mmalign.methods.encoders import (
    embed_encoders,
    embeddings,
    fuse_side_by_side,
    init_encoders,
    need_two,
    side_by_side,
    view,
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
    fusion: Sequence[int] = (128, 64),
) -> Method:
    """Mean squared error of all windows, decoded from two dense layers on the codes side by side.

    Args:
      modalities: {name: Modality}, two or more. The code of an absent one is zeros, and its
        reconstruction costs nothing.
      encoder, augment: as `sensors` reads them.
      fusion: widths of the two dense layers, each with a ReLU.
    The variant of one autoencoder for all in CroSSL's comparison (Deldari et al. 2024,
    arXiv:2307.16847), with the networks of this package. Its code ends in a ReLU, which no negative
    sample can come out of; here the output is linear. `embed` reads the encoders, whose codes side
    by side are what a head reads there.
    """
    need_two(modalities, "joint_autoencoder")
    fusion = tuple(fusion or ())
    if len(fusion) != 2 or min(fusion) < 1:
        raise ValueError(f"method.fusion must be two widths, such as (128, 64), got {fusion}")
    front, mix = sensors({"encoder": encoder, "augment": augment}, modalities), Projector(*fusion)

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        for m, p in params.items():
            code, decoder = jnp.zeros((1, fusion[-1])), front.backbones[m].decoder
            p["decoder"] = init_params(decoder, named_key(key, m, "decoder"), code)
        codes = jnp.zeros((1, width(front)))
        mixed = init_params(mix, named_key(key, "fusion"), codes)
        return {"params": {"sensors": params, "fusion": mixed}, "means": zero_means(widths(front))}

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        seen = view(front, named_key(key, "view"), batch)
        codes = side_by_side(embeddings(front, params["sensors"], seen, present, key))
        fused = nn.relu(apply(mix, params["fusion"], codes))
        metrics = {
            f"reconstruction_{m}": reconstruction(
                front, m, params["sensors"][m], fused, grid, present[m], named_key(key, m),
                valid=seen.valid.get(m),
            )
            for m, grid in seen.grids.items()
        }  # fmt: skip
        return sum(metrics.values()), {"metrics": metrics}

    return Method(
        init, loss, embed_encoders(front), fuse_side_by_side(modalities), needs=frozenset({"pairs"})
    )

"""Plain autoencoders, one per modality: nothing hidden, one vector to tell the window by."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from mmalign.methods.contract import Method, Modality
from mmalign.methods.decoding import reconstruction
from mmalign.methods.encoders import (
    embed_encoders,
    encode,
    fuse_side_by_side,
    init_encoders,
    view,
    widths,
    zero_means,
)
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import init_params


def create(
    modalities: Mapping[str, Modality],
    *,
    encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None,
) -> Method:
    """Mean squared error of the whole window, decoded from the encoder's output.

    Args:
      modalities: {name: Modality}, one or more; each learns from its own rows, as in `mae`.
      encoder, augment: as `sensors` reads them; the encoder's `dim` is the width of the bottleneck.
        With augmentation the target is the augmented window, which is what is seen.
    The variant of one autoencoder per modality in CroSSL's comparison (Deldari et al. 2024,
    arXiv:2307.16847), with the networks of this package.
    `embed` reads the encoders; see `fuse_side_by_side` for a missing modality.
    """
    front = sensors({"encoder": encoder, "augment": augment}, modalities)

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        for m, p in params.items():
            _, decoder, _, dim = front.backbones[m]
            p["decoder"] = init_params(decoder, named_key(key, m, "decoder"), jnp.zeros((1, dim)))
        return {"params": {"sensors": params}, "means": zero_means(widths(front))}

    def loss(variables, batch, key):
        seen = view(front, named_key(key, "view"), batch)
        metrics = {}
        for m, params in variables["params"]["sensors"].items():
            code = encode(front, m, params["encoder"], seen, key=named_key(key, m))
            metrics[f"reconstruction_{m}"] = reconstruction(
                front, m, params, code, seen.grids[m], batch["present"][m], named_key(key, m),
                valid=seen.valid.get(m),
            )  # fmt: skip
        return sum(metrics.values()), {"metrics": metrics}

    return Method(init, loss, embed_encoders(front), fuse_side_by_side(modalities))

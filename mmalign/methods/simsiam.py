"""SimSiam on fused sensors: one view predicts the other, without negatives."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses import negative_cosine
from mmalign.losses.numerics import unit_norm
from mmalign.methods.contract import Method, Modality
from mmalign.methods.diagnostics import spread
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
from mmalign.models import Projector, apply, init_params, standardised


def create(
    modalities: Mapping[str, Modality],
    *,
    encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None,
    projector: Mapping[str, Any] = PROJECTOR,
    bottleneck: int = 16,
) -> Method:
    """SimSiam (Chen & He 2021, arXiv:2011.10566), all modalities as one input.

    The loss is the mean over both directions of 1 - cos(q(z), stop_gradient(z')), z = projected
    embeddings of one view, z' of the other, q the predictor: between 0 and 2, 1 at chance.

    Args:
      modalities: {name: Modality}, one or more.
      encoder, augment: as `sensors` reads them, and an augmentation is needed.
      projector: {hidden, out}.
      bottleneck: hidden width of the predictor, a quarter of the projector's `out` in the paper.
    Differs from the paper: two layers in the projector, not three; batch normalisation on its
    output alone, by the batch's own rows that have a modality and without parameters, so that
    there are no running statistics; the whole network has one schedule of the learning rate.
    Metrics: `spread`, the mean standard deviation of the normalised embeddings' entries times
    sqrt(width): near 0 the encoders have collapsed.
    `embed` reads the encoders; see `fuse_side_by_side` for a missing modality.
    """
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    head = Projector(**projector)
    predictor = Projector(hidden=bottleneck, out=head.out)
    need_augmentation(front, "simsiam")

    def init(key, batch):
        draw = lambda name, module, dim: init_params(
            module, named_key(key, name), jnp.zeros((1, dim))
        )
        params = {
            "sensors": init_encoders(front, key, front.grids(batch["inputs"])),
            "projector": draw("projector", head, width(front)),
            "predictor": draw("predictor", predictor, head.out),
        }
        return {"params": params, "means": zero_means(widths(front))}

    def loss(variables, batch, key):
        params = variables["params"]
        fused, counts = fused_views(front, params["sensors"], batch, key)
        z = apply(head, params["projector"], fused)
        z = standardised(z, counts[None])
        q = apply(predictor, params["predictor"], z)
        apart = jax.vmap(lambda q, z: negative_cosine(q, z, where=counts))(q, z[::-1])
        cost = 1 + apart.mean()
        return cost, {"metrics": {"distance": cost, "spread": _spread(fused[0], counts)}}

    return Method(
        init, loss, embed_encoders(front), fuse_side_by_side(modalities), needs=frozenset({"pairs"})
    )


def _spread(e, where):
    return spread(unit_norm(lax.stop_gradient(e)), where).mean() * e.shape[1] ** 0.5

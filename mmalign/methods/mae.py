"""Unimodal masked autoencoders, all modalities in one step: the first stage of InfoMAE.

Each modality learns alone, from its own rows; nothing here needs two sensors at the same time.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from mmalign.methods.contract import Method, Modality
from mmalign.methods.decoding import draw_masks, reconstruction
from mmalign.methods.encoders import (
    embed_encoders,
    encode,
    fuse_side_by_side,
    view,
    widths,
    zero_means,
)
from mmalign.methods.instance_terms import Weights, instance_terms, shown
from mmalign.methods.sensors import named_key, sensors
from mmalign.methods.shared_private import Split


def create(
    modalities: Mapping[str, Modality],
    *,
    encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None,
    mask_ratio: float = 0.5,
    shared: int = 8,
    private: int = 64,
    lam: float = 0.0,
    eta: float = 0.0,
    temperature: float = 0.2,
    margin: float = 1.0,
    length: int = 1,
) -> Method:
    """InfoMAE (Kimura et al. 2025) eq. 3: mean squared error on the hidden patches.

    With `lam` or `eta` also the two terms of its second stage that need one modality alone, the
    contrast of two views and the ranking in time, of the same windows. The paper has them in the
    second stage only, where there are few windows to learn them from.

    Args:
      modalities: {name: Modality}.
      encoder, augment: as `sensors` reads them.
      mask_ratio: share of the patches that is hidden.
      shared, private: widths of u and v, the two parts of the code that the decoder reads.
      lam, eta: weights of contrast and ranking beside a reconstruction of weight 1.
      temperature: of the contrast. margin: of the ranking.
      length: consecutive windows of a sequence in the batch, 1 turns the ranking off.
    The decoder reads one vector per modality, [s(e), p(e)], here as in the alignment, so that all
    parts can be carried over. (The paper's first stage decodes e; its published parameter count
    holds a further map from e to a vector of this size.)
    `embed`: modality -> e; they stand side by side in the joint embedding. Nothing here can answer
    for an absent modality; see `fuse_side_by_side`.
    """
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    split = Split(front, shared, private)

    def init(key, batch):
        grids = front.grids(batch["inputs"])
        params = {m: split.init(named_key(key, m), m, grids[m]) for m in modalities}
        return {"params": {"sensors": params}, "means": zero_means(widths(front))}

    weights = Weights(1.0, lam, eta, temperature, margin, length)

    def with_contrast(variables, batch, key):
        params = variables["params"]["sensors"]
        of = shown(front, split, params, batch, key, mask_ratio)
        terms = instance_terms(weights, front, params, of, batch["present"], key)
        return sum(terms.values()), {"metrics": terms}

    def loss(variables, batch, key):
        seen = view(front, named_key(key, "view"), batch)
        masked = draw_masks(front, named_key(key, "masks"), seen.grids, mask_ratio)
        metrics = {}
        for m, params in variables["params"]["sensors"].items():
            e = encode(front, m, params["encoder"], seen, masked=masked[m], key=named_key(key, m))
            code = jnp.concatenate(split.apply(params, e), axis=-1)
            metrics[f"reconstruction_{m}"] = reconstruction(
                front, m, params, code, seen.grids[m], batch["present"][m], named_key(key, m),
                masked=masked[m], valid=seen.valid.get(m),
            )  # fmt: skip
        return sum(metrics.values()), {"metrics": metrics}

    more = bool(lam or eta)
    return Method(
        init, with_contrast if more else loss, embed_encoders(front), fuse_side_by_side(modalities),
        needs=frozenset({"sequences"} if more else ()),
    )  # fmt: skip

"""Unimodal masked autoencoders, all modalities in one step: the first stage of InfoMAE.

Each modality learns alone, from its own rows; nothing here needs two sensors at the same time.
"""

import jax.numpy as jnp

from mmalign.losses import masked_mse
from mmalign.methods.contract import Method, present_inputs
from mmalign.methods.encoders import embed_encoders, fuse_side_by_side
from mmalign.methods.sensors import named_key, sensors
from mmalign.methods.split import Split

OPTIONS = ("encoder", "augment", "mask_ratio", "shared", "private")


def create(config, modalities, num_classes=0) -> Method:
    """InfoMAE (Kimura et al. 2025) eq. 3: mean squared error on the hidden patches.

    Args:
      config: `encoder`, `augment` as `sensors` reads them, `mask_ratio`, `shared` and `private`
        (widths of u and v, the two parts of the code that the decoder reads).
      modalities: {name: Modality}.
    The decoder reads one vector per modality, [s(e), p(e)], here as in the alignment, so that all
    parts can be carried over. (The paper's first stage decodes e; its published parameter count
    holds a further map from e to a vector of this size.)
    `embed`: modality -> e; they stand side by side in the joint embedding. Nothing here can answer
    for an absent modality, whose part is zeros; a run's evaluation puts the mean of the training
    windows there, which a linear probe reads as nothing (`evaluation.side_by_side`).
    """
    del num_classes
    front, ratio = sensors(config, modalities), config["mask_ratio"]
    split = Split(front, config["shared"], config["private"])

    def init(key, batch):
        grids = front.grids(batch["inputs"])
        return {"params": {"sensors": {m: split.init(named_key(key, m), m, grids[m])
                                       for m in modalities}}}  # fmt: skip

    def loss(variables, batch, key):
        grids = front.view(named_key(key, "view"), present_inputs(batch))
        masked = draw_masks(front, named_key(key, "masks"), grids, ratio)
        metrics = {}
        for m, params in variables["params"]["sensors"].items():
            e = front.encode(
                m, params["encoder"], grids[m], masked=masked[m], key=named_key(key, m)
            )
            code = jnp.concatenate(split.apply(params, e), axis=-1)
            metrics[f"reconstruction_{m}"] = reconstruction(
                front, m, params, code, grids[m], masked[m], batch["present"][m], named_key(key, m)
            )
        return sum(metrics.values()), {"metrics": metrics}

    return Method(init, loss, embed_encoders(front), fuse=fuse_side_by_side(front))


def draw_masks(front, key, grids, ratio):
    """Which patches of each window to hide: {m: bool [b, H, W]}."""
    return {
        m: front.backbones[m].patching.draw_mask(named_key(key, m), len(x), ratio)
        for m, x in grids.items()
    }


def reconstruction(front, m, params, code, grid, masked, present, key):
    """Mean squared error of modality m's hidden patches, decoded from `code` [b, d].

    Over rows where it is present and patches that hold more than padding.
    """
    patching = front.backbones[m].patching
    guess = front.decode(m, params["decoder"], code, key=named_key(key, "decoder"))
    scored = masked & jnp.asarray(patching.valid)[None]
    return masked_mse(guess, patching.patchify(grid), scored, where=present).mean()

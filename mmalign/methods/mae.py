"""Unimodal masked autoencoders, all modalities in one step: the first stage of InfoMAE.

Each modality learns alone, from its own rows; nothing here needs two sensors at the same time.
"""

import jax.numpy as jnp

from mmalign.losses import masked_mse
from mmalign.methods.contract import JOINT, Method, present_inputs, where_present
from mmalign.methods.sensors import named_key, sensors
from mmalign.methods.split import Split


def create(config, modalities, num_classes=0) -> Method:
    """InfoMAE (Kimura et al. 2025) eq. 3: mean squared error on the hidden patches.

    Args:
      config: `encoder`, `augment` as `sensors` reads them, `mask_ratio`, `code` (width of each half
        of the code that the decoder reads).
      modalities: {name: Modality}.
    The decoder reads one vector per modality, [s(e), p(e)], here as in the alignment, so that all
    parts can be carried over. (The paper's first stage decodes e; its published parameter count
    holds a further map from e to a vector of this size.)
    """
    del num_classes
    front, ratio = sensors(config, modalities), config["mask_ratio"]
    split = Split(front, config["code"])

    def init(key, batch):
        grids = front.grids(batch["inputs"])
        return {"params": {"sensors": {m: split.init(named_key(key, m), m, grids[m])
                                       for m in modalities}}}  # fmt: skip

    def loss(variables, batch, key):
        grids = front.view(named_key(key, "view"), present_inputs(batch))
        metrics = {}
        for m, params in variables["params"]["sensors"].items():
            error = reconstruction(front, split, m, params, grids[m], batch["present"][m], ratio,
                                   named_key(key, m))  # fmt: skip
            metrics[f"reconstruction_{m}"] = error
        return sum(metrics.values()), {"metrics": metrics}

    def embed(variables, batch):
        grids = front.grids(present_inputs(batch))
        out = {
            m: where_present(front.encode(m, params["encoder"], grids[m]), batch["present"][m])
            for m, params in variables["params"]["sensors"].items()
        }
        return out | {JOINT: jnp.concatenate(list(out.values()), axis=-1)}

    return Method(init, loss, embed)


def reconstruction(front, split, m, params, grid, present, ratio, key):
    """Mean squared error of modality m's hidden patches, over rows where it is present."""
    patching = front.backbones[m].patching
    masked = patching.draw_mask(named_key(key, "mask"), len(grid), ratio)
    e = front.encode(m, params["encoder"], grid, masked=masked, key=named_key(key, "masked"))
    u, v = split.apply(params, e)
    code = jnp.concatenate([u, v], axis=-1)
    guess = front.decode(m, params["decoder"], code, key=named_key(key, "decoder"))
    scored = masked & jnp.asarray(patching.valid)[None]
    return masked_mse(guess, patching.patchify(grid), scored, where=present).mean()

"""Plain autoencoders, one per modality: nothing hidden, one vector to tell the window by."""

import jax.numpy as jnp

from mmalign.methods.contract import Method, present_inputs
from mmalign.methods.encoders import embed_encoders, fuse_side_by_side, init_encoders
from mmalign.methods.mae import reconstruction
from mmalign.methods.sensors import named_key, sensors

OPTIONS = ("encoder", "augment")


def create(config, modalities, num_classes=0) -> Method:
    """Mean squared error of the whole window, decoded from the encoder's output.

    Args:
      config: `encoder`, `augment` as `sensors` reads them; the encoder's `dim` is the width of the
        bottleneck. With augmentation the target is the augmented window, which is what is seen.
      modalities: {name: Modality}, one or more; each learns from its own rows, as in `mae`.
    The variant of one autoencoder per modality in CroSSL's comparison (Deldari et al. 2024,
    arXiv:2307.16847), with the networks of this package.
    `embed` reads the encoders; see `embed_encoders` for a missing sensor.
    """
    del num_classes
    front = sensors(config, modalities)

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        for m, p in params.items():
            _, decoder, _, dim = front.backbones[m]
            p["decoder"] = decoder.init(named_key(key, m, "decoder"), jnp.zeros((1, dim)))["params"]
        return {"params": {"sensors": params}}

    def loss(variables, batch, key):
        grids = front.view(named_key(key, "view"), present_inputs(batch))
        metrics = {}
        for m, params in variables["params"]["sensors"].items():
            code = front.encode(m, params["encoder"], grids[m], key=named_key(key, m))
            everything = jnp.ones((len(code), *front.backbones[m].patching.grid), bool)
            metrics[f"reconstruction_{m}"] = reconstruction(
                front, m, params, code, grids[m], everything, batch["present"][m], named_key(key, m)
            )
        return sum(metrics.values()), {"metrics": metrics}

    return Method(init, loss, embed_encoders(front), fuse=fuse_side_by_side(front))

"""A head on another method's embedding: fine-tuning, a frozen encoder, or the same from scratch."""

import jax.numpy as jnp

from mmalign import methods
from mmalign.augment import Policy
from mmalign.methods.contract import JOINT, Method, present_inputs
from mmalign.methods.sensors import named_key
from mmalign.methods.supervised import cross_entropy, labelled_mean
from mmalign.models import Classifier

OPTIONS = ("encoder", "augment", "base", "reads", "hidden", "dropout")
READS = (JOINT, "latents")


def create(config, modalities, num_classes=0) -> Method:
    """Cross-entropy of a two-layer head on what `base` embeds, CroSSL's downstream classifier.

    Which of the three it is, the stage says: `source` and `warm_start` start from trained
    parameters, `optim.freeze = ("base",)` keeps them, neither trains the same network from random
    ones. `view.missing` hides sensors meanwhile, by a draw for each step and window.

    Args:
      config: `encoder` as `sensors` reads it, for `base`; `augment`, of the raw windows, or None;
        `base`, the config of the method (in a run: the name of the stage that holds it); `reads`
        "joint" or "latents", the modalities' embeddings side by side (CroSSL's paper reads the
        first, its code the second); `hidden` and `dropout` of the head.
      modalities: {name: Modality}.
      num_classes: at least 2.
    `embed`: what `base` embeds, and "logits" [b, classes]. What stands in for an absent modality is
    up to `base`. Its networks run without dropout, as `embed` does.
    References: Deldari et al. 2024 (CroSSL), its released code.
    """
    if num_classes < 2:
        raise ValueError(f"a classifier needs 2 classes or more, got {num_classes}")
    if config["reads"] not in READS:
        raise ValueError(f"method.reads must be one of {', '.join(READS)}, got {config['reads']!r}")
    given = dict(config["base"])
    if given.get("name") in methods.LABELLED:
        raise ValueError(f"method.base is {given['name']!r}, which has a head of its own")
    options = {"encoder": config["encoder"], "augment": config["augment"], **given}
    base = methods.create(options, modalities, num_classes=num_classes)
    augment = config["augment"]
    policy = Policy(**dict(augment)) if augment and augment["pool"] else None
    head = Classifier(config["hidden"], num_classes, config["dropout"])

    def read(parts):
        if config["reads"] == JOINT:
            return parts[JOINT]
        return jnp.concatenate([parts[m] for m in modalities], axis=-1)

    def embed_base(params, batch):
        return base.embed({"params": params["base"]}, batch)

    def init(key, batch):
        params = {"base": base.init(named_key(key, "base"), batch)["params"]}
        z = jnp.zeros_like(read(embed_base(params, batch)))
        return {"params": params | {"head": head.init(named_key(key, "head"), z)["params"]}}

    def loss(variables, batch, key):
        inputs = present_inputs(batch)
        if policy is not None:
            inputs = policy(named_key(key, "view"), inputs)
        params, label = variables["params"], batch["label"]
        z = read(embed_base(params, batch | {"inputs": inputs}))
        logits = head.apply({"params": params["head"]}, z, True,
                            rngs={"dropout": named_key(key, "dropout")})  # fmt: skip
        hit = (logits.argmax(axis=-1) == label).astype(jnp.float32)
        cost, hit = (labelled_mean(x, label) for x in (cross_entropy(logits, label), hit))
        return cost, {"metrics": {"accuracy": hit}}

    def embed(variables, batch):
        return answered(variables, embed_base(variables["params"], batch))

    def fuse(variables, parts, present):
        of_base = {"params": variables["params"]["base"]}
        return answered(variables, base.fuse(of_base, parts, present))

    def answered(variables, parts):
        logits = head.apply({"params": variables["params"]["head"]}, read(parts))
        return parts | {"logits": logits}

    return Method(init, loss, embed, fuse=fuse if base.fuse else None)

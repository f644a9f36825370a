"""The supervised reference: the same encoders and one linear layer, trained on labels."""

import jax.numpy as jnp
import optax

from mmalign.losses.numerics import mean_over_counted
from mmalign.methods.contract import JOINT, Method, present_inputs, where_present
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Linear

OPTIONS = ("encoder", "augment")


def create(config, modalities, num_classes=0) -> Method:
    """Cross-entropy of a linear layer on the concatenated embeddings of all modalities.

    Args:
      config: `encoder` and `augment` as `sensors` reads them.
      modalities: {name: Modality}.
      num_classes: at least 2.
    `embed` adds "logits" [b, classes].
    """
    if num_classes < 2:
        raise ValueError(f"a supervised method needs 2 classes or more, got {num_classes}")
    front, head = sensors(config, modalities), Linear(num_classes)

    def init(key, batch):
        grids = front.grids(batch["inputs"])
        params = {}
        for m in modalities:
            encoder = front.backbones[m].encoder
            params[m] = {"encoder": encoder.init(named_key(key, m), grids[m])["params"]}
        width = sum(front.backbones[m].dim for m in modalities)
        linear = head.init(named_key(key, "head"), jnp.zeros((1, width)))["params"]
        return {"params": {"sensors": params, "head": linear}}

    def embeddings(params, grids, present, key=None):
        return {
            m: where_present(
                front.encode(m, p["encoder"], grids[m], key=named_key(key, m)), present[m]
            )
            for m, p in params["sensors"].items()
        }

    def loss(variables, batch, key):
        params, label = variables["params"], batch["label"]
        grids = front.view(named_key(key, "view"), present_inputs(batch))
        joint = jnp.concatenate(
            list(embeddings(params, grids, batch["present"], key).values()), axis=-1
        )
        logits = head.apply({"params": params["head"]}, joint)
        cost = optax.losses.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(label, 0))
        hit = (logits.argmax(axis=-1) == label).astype(jnp.float32)
        cost, hit = (mean_over_counted(x, label >= 0).mean() for x in (cost, hit))
        return cost, {"metrics": {"accuracy": hit}}

    def embed(variables, batch):
        params = variables["params"]
        out = embeddings(params, front.grids(present_inputs(batch)), batch["present"])
        joint = jnp.concatenate(list(out.values()), axis=-1)
        return out | {JOINT: joint, "logits": head.apply({"params": params["head"]}, joint)}

    return Method(init, loss, embed)

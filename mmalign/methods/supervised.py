"""The supervised reference: the same encoders and one linear layer, trained on labels."""

import jax.numpy as jnp
import optax

from mmalign.augment import mix
from mmalign.losses.numerics import mean_over_counted
from mmalign.methods.contract import JOINT, Method, present_inputs
from mmalign.methods.encoders import (
    embed_encoders,
    embeddings,
    fuse_side_by_side,
    init_encoders,
    side_by_side,
    width,
)
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Linear

OPTIONS = ("encoder", "augment", "mix")


def create(config, modalities, num_classes=0) -> Method:
    """Cross-entropy of a linear layer on the concatenated embeddings of all modalities.

    Args:
      config: `encoder` and `augment` as `sensors` reads them; `mix`, the options of
        `mmalign.augment.mix`, which comes before the other augmentations, or None.
      modalities: {name: Modality}.
      num_classes: at least 2.
    `embed` adds "logits" [b, classes]. An absent modality is zeros in the joint embedding and adds
    nothing to the logits, as in the loss; windows that lack it, in the data or by `view.missing`,
    teach the network to do without.
    """
    if num_classes < 2:
        raise ValueError(f"a supervised method needs 2 classes or more, got {num_classes}")
    front, head = sensors(config, modalities), Linear(num_classes)
    encode, fuse_parts = embed_encoders(front), fuse_side_by_side(front)

    def init(key, batch):
        grids = front.grids(batch["inputs"])
        linear = head.init(named_key(key, "head"), jnp.zeros((1, width(front))))["params"]
        return {"params": {"sensors": init_encoders(front, key, grids), "head": linear}}

    def loss(variables, batch, key):
        params, label = variables["params"], batch["label"]
        inputs, partner, share = _mixed(config["mix"], named_key(key, "mix"), batch)
        grids = front.view(named_key(key, "view"), inputs)
        parts = embeddings(front, params["sensors"], grids, batch["present"], key)
        joint = side_by_side(parts)
        logits = head.apply({"params": params["head"]}, joint)
        cost = share * cross_entropy(logits, label)
        cost += (1 - share) * cross_entropy(logits, label[partner])
        hit = (logits.argmax(axis=-1) == label).astype(jnp.float32)
        cost, hit = (labelled_mean(x, label) for x in (cost, hit))
        return cost, {"metrics": {"accuracy": hit}}

    def embed(variables, batch):
        return answered(variables, encode(variables, batch))

    def fuse(variables, parts, present):
        return answered(variables, fuse_parts(variables, parts, present))

    def answered(variables, parts):
        logits = head.apply({"params": variables["params"]["head"]}, parts[JOINT])
        return parts | {"logits": logits}

    return Method(init, loss, embed, fuse=fuse)


def cross_entropy(logits, label):
    """[b, classes], int [b] -> [b] nats; of no meaning where the label is -1, unknown."""
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(label, 0))


def labelled_mean(x, label):
    """Mean of [b] numbers over the rows whose label is known; 0 if none is."""
    return mean_over_counted(x, label >= 0).mean()


def _mixed(options, key, batch):
    """(inputs, partner, share) as `mix` gives them; windows that cannot be mixed stay as they are.

    Those are windows without a label, or whose partner has none or has other sensors.
    """
    inputs, present, label = present_inputs(batch), batch["present"], batch["label"]
    if options is None:
        return inputs, jnp.arange(len(label)), jnp.ones(len(label))
    mixed, partner, share = mix(key, inputs, **dict(options))
    fits = (label >= 0) & (label[partner] >= 0)
    for there in present.values():
        fits &= there == there[partner]
    mixed = {m: jnp.where(fits[:, None, None], mixed[m], x) for m, x in inputs.items()}
    return mixed, partner, jnp.where(fits, share, 1.0)

"""The supervised reference: the same encoders and one linear layer, trained on labels."""

import jax.numpy as jnp
import optax

from mmalign.augment import mix
from mmalign.losses.numerics import mean_over_counted
from mmalign.methods.contract import JOINT, Method, present_inputs, where_present
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
        inputs, partner, share = _mixed(config["mix"], named_key(key, "mix"), batch)
        grids = front.view(named_key(key, "view"), inputs)
        joint = jnp.concatenate(
            list(embeddings(params, grids, batch["present"], key).values()), axis=-1
        )
        logits = head.apply({"params": params["head"]}, joint)
        cost = share * cross_entropy(logits, label)
        cost += (1 - share) * cross_entropy(logits, label[partner])
        hit = (logits.argmax(axis=-1) == label).astype(jnp.float32)
        cost, hit = (labelled_mean(x, label) for x in (cost, hit))
        return cost, {"metrics": {"accuracy": hit}}

    def embed(variables, batch):
        params = variables["params"]
        out = embeddings(params, front.grids(present_inputs(batch)), batch["present"])
        joint = jnp.concatenate(list(out.values()), axis=-1)
        return out | {JOINT: joint, "logits": head.apply({"params": params["head"]}, joint)}

    return Method(init, loss, embed)


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

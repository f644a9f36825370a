"""The supervised reference: the same encoders and one linear layer, trained on labels."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from mmalign.augment import mix as mix_windows
from mmalign.methods.contract import JOINT, Method, Modality, Target, present_inputs
from mmalign.methods.encoders import (
    embed_encoders,
    embeddings,
    fuse_side_by_side,
    init_encoders,
    side_by_side,
    view,
    width,
)
from mmalign.methods.labels import accuracy, class_count, cross_entropy, labelled_mean
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Linear, apply, init_params


def create(
    modalities: Mapping[str, Modality],
    *,
    encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None,
    mix: Mapping[str, Any] | None = None,
    target: str = "label",
    targets: Mapping[str, Target],
) -> Method:
    """Cross-entropy of a linear layer on the concatenated embeddings of all modalities.

    Args:
      modalities: {name: Modality}.
      encoder, augment: as `sensors` reads them.
      mix: options of `mmalign.augment.mix`, which comes before the other augmentations, or None.
      target: what it learns, of `targets`, {task: Target}.
    `embed` adds "logits" [b, classes]. An absent modality is zeros in the joint embedding and adds
    nothing to the logits, as in the loss; windows that lack it, in the data or by the sampler's
    `missing`, teach the network to do without.
    """
    classes = class_count(targets, target)
    front, head = sensors({"encoder": encoder, "augment": augment}, modalities), Linear(classes)
    encode, fuse_parts = embed_encoders(front), fuse_side_by_side(modalities)

    def init(key, batch):
        grids = front.grids(batch["inputs"])
        linear = init_params(head, named_key(key, "head"), jnp.zeros((1, width(front))))
        return {"params": {"sensors": init_encoders(front, key, grids), "head": linear}}

    def loss(variables, batch, key):
        params, label = variables["params"], batch["targets"][target]
        mixed, partner, share = _mixed(mix, named_key(key, "mix"), batch, label)
        seen = view(front, named_key(key, "view"), mixed)
        parts = embeddings(front, params["sensors"], seen, batch["present"], key)
        logits = apply(head, params["head"], side_by_side(parts))
        cost = share * cross_entropy(logits, label)
        cost += (1 - share) * cross_entropy(logits, label[partner])
        return labelled_mean(cost, label), {"metrics": {"accuracy": accuracy(logits, label)}}

    def embed(variables, batch):
        return answered(variables, encode({"params": variables["params"]}, batch))

    def fuse(variables, parts, present):
        return answered(variables, fuse_parts({}, parts, present))

    def answered(variables, parts):
        return parts | {"logits": apply(head, variables["params"]["head"], parts[JOINT])}

    return Method(init, loss, embed, fuse, needs=frozenset({"labels"}), answers=True)


def _mixed(options, key, batch, label):
    """(batch, partner, share) as `mix` gives them; windows that cannot be mixed stay as they are.

    Those are windows without a label or with gaps, or whose partner is, or has other modalities.
    """
    if options is None:
        return batch, jnp.arange(len(label)), jnp.ones(len(label))
    inputs = present_inputs(batch)
    mixed, partner, share = mix_windows(key, inputs, **dict(options))
    fits = (label >= 0) & (label[partner] >= 0)
    for present in batch["present"].values():
        fits &= present == present[partner]
    for valid in batch.get("valid", {}).values():
        fits &= valid.all(axis=1) & valid[partner].all(axis=1)
    over = lambda x: fits.reshape(-1, *[1] * (x.ndim - 1))
    inputs = {m: jnp.where(over(x), mixed[m], x) for m, x in inputs.items()}
    return {**batch, "inputs": inputs}, partner, jnp.where(fits, share, 1.0)

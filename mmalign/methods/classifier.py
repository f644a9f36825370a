"""A head on another method's embedding: fine-tuning, a frozen encoder, or the same from scratch."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmalign import options
from mmalign.methods.base import base_method, of_base, without_means
from mmalign.methods.contract import JOINT, Method, Modality, Target
from mmalign.methods.encoders import augmented
from mmalign.methods.labels import accuracy, class_count, cross_entropy, labelled_mean
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Classifier, apply, init_params

READS = (JOINT, "latents")


def create(
    modalities: Mapping[str, Modality],
    *,
    encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None,
    base: Mapping[str, Any],
    reads: str = JOINT,
    hidden: Sequence[int] = (128,),
    dropout: float = 0.1,
    target: str = "label",
    targets: Mapping[str, Target],
) -> Method:
    """Cross-entropy of a perceptron on what `base` embeds, CroSSL's downstream classifier.

    Which of the three it is, the stage says: `source` and `warm_start` start from trained
    parameters, `optim.freeze = ("base",)` keeps them, neither trains the same network from random
    ones. The sampler's `missing` hides sensors meanwhile, by a draw for each step and window.

    Args:
      modalities: {name: Modality}.
      encoder: as `sensors` reads it, for `base`. augment: of the raw windows, or None.
      base: the config of the method (in a run: the name of the stage that holds it).
      reads: "joint" or "latents", the modalities' embeddings side by side (CroSSL's paper reads the
        first, its code the second).
      hidden: widths of the head's hidden layers; () for none. dropout: behind each of them.
      target: what it learns, of `targets`, {task: Target}.
    `embed`: what `base` embeds, and "logits" [b, classes]. What stands in for an absent modality is
    up to `base`, without the means of a training. Its networks run without dropout, as `embed`
    does.
    References: Deldari et al. 2024 (CroSSL), its released code.
    """
    classes = class_count(targets, target)
    options.one_of("method.reads", reads, READS)
    given, below = base_method(base, modalities, encoder=encoder, augment=augment, targets=targets)
    front = sensors({"encoder": given["encoder"], "augment": augment}, modalities)
    head = _Head(Classifier(tuple(hidden), classes, dropout), reads, tuple(modalities))

    def init(key, batch):
        drawn = below.init(named_key(key, "base"), batch)
        parts = jax.eval_shape(below.embed, without_means(drawn), batch)
        params = {"base": drawn["params"], "head": head.init(named_key(key, "head"), parts)}
        return without_means(drawn) | {"params": params}

    def loss(variables, batch, key):
        label, params = batch["targets"][target], variables["params"]
        parts = below.embed(of_base(variables), augmented(front, named_key(key, "view"), batch))
        logits = head.logits(params["head"], parts, named_key(key, "dropout"))
        cost = labelled_mean(cross_entropy(logits, label), label)
        kept = {name: value for name, value in variables.items() if name == "state"}
        return cost, {"metrics": {"accuracy": accuracy(logits, label)}} | kept

    return Method(init, loss, *_answers(below, head), needs=frozenset({"labels"}), answers=True)


class _Head(NamedTuple):
    """What is read of an embedding, and the classifier that reads it."""

    network: Classifier
    reads: str
    names: tuple[str, ...]

    def init(self, key, parts):
        return init_params(self.network, key, jax.eval_shape(self._read, parts))

    def logits(self, params, parts, key=None):
        """[b, classes]; dropout is on if there is a key."""
        rngs = None if key is None else {"dropout": key}
        z = self._read(parts)
        return apply(self.network, params, z, rngs=rngs, train=key is not None)

    def _read(self, parts):
        if self.reads == JOINT:
            return parts[JOINT]
        return jnp.concatenate([parts[m] for m in self.names], axis=-1)


def _answers(below, head):
    """(embed, fuse or None): what the method below answers, and the logits."""

    def embed(variables, batch):
        return answered(variables, below.embed(of_base(variables), batch))

    def fuse(variables, parts, present):
        return answered(variables, below.fuse(of_base(variables), parts, present))

    def answered(variables, parts):
        return parts | {"logits": head.logits(variables["params"]["head"], parts)}

    return embed, None if below.fuse is None else fuse

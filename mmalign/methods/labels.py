"""What methods that learn from labels share: which target they learn, and what an answer costs."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from mmalign import options
from mmalign.losses.rows import mean_over_counted
from mmalign.methods.contract import Target


def class_count(targets: Mapping[str, Target], target: str) -> int:
    """Number of classes of a target.

    Raises: ValueError if there is no such target, it is of another kind, or has fewer than two.
    """
    kind, size = targets[options.known("target", target, targets)]
    if kind != "classes":
        raise ValueError(f"method.target must be of kind 'classes', {target!r} is {kind!r}")
    if size < 2:
        raise ValueError(f"learning target {target!r} needs 2 classes or more, got {size}")
    return size


def cross_entropy(logits: jax.Array, label: jax.Array) -> jax.Array:
    """[b, classes], int [b] -> [b] nats; of no meaning where the label is -1, unknown."""
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(label, 0))


def labelled_mean(x: jax.Array, label: jax.Array) -> jax.Array:
    """Mean of [b] numbers over the rows whose label is known; 0 if none is."""
    return mean_over_counted(x, label >= 0).mean()


def accuracy(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Share of the known labels that have the largest logit."""
    hit = (logits.argmax(axis=-1) == label).astype(jnp.float32)
    return labelled_mean(hit, label)

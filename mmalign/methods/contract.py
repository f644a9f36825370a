"""What a method is: three pure functions. A baseline is just another method."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

JOINT = "joint"
# parts of an embedding that are no modality
RESERVED = (JOINT, "shared", "private", "global", "latents", "logits")


class Modality(NamedTuple):
    """A sensor as a method sees it: `shape` = (time, channels) of a window, and its rate."""

    shape: tuple[int, int]
    rate_hz: float


class Watch(NamedTuple):
    """A training warns, once, when the written value of `metric` is below `low`.

    message: what that means and what may help.
    """

    metric: str
    low: float
    message: str


class Method(NamedTuple):
    """A method is to a run what a gradient transformation is to optax.

    init: (key, batch) -> variables {"params": ...}.
    loss: (variables, batch, key) -> (scalar, {"metrics": {name: scalar}}). Self-supervised methods
      never read the batch's `label`. A batch may hold `progress`, the share of the stage's steps
      done in [0, 1), for schedules; without it they are at their end.
    embed: (variables, batch) -> {modality: [b, d], ..., "joint": [b, d]}; deterministic. Methods
      may add parts, see RESERVED. Absent modalities are zeros in their own part.
    watches: metrics whose values can tell that a training goes wrong.
    fuse: (variables, {modality: [b, d]}, present) -> what `embed` returns of windows with these
      embeddings and {modality: bool [b]} of them there, so that no encoder has to run again for
      each set of sensors; None where a modality's embedding does not suffice.
    """

    init: Callable
    loss: Callable
    embed: Callable
    watches: tuple[Watch, ...] = ()
    fuse: Callable | None = None


def present_inputs(batch):
    """Inputs with zeros wherever a modality is absent, so that nothing there can be read."""
    return {
        m: jnp.where(batch["present"][m][:, None, None], x, 0.0) for m, x in batch["inputs"].items()
    }


def where_present(x, present):
    """Rows [b, d] of the examples whose modality is present, zeros elsewhere."""
    return jnp.where(present[:, None], x, 0.0)

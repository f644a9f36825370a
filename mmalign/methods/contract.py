"""What a method is: a few pure functions. A baseline is just another method."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmalign import options

JOINT = "joint"
# parts of an embedding that are no modality
RESERVED = (JOINT, "shared", "private", "global", "latents", "logits")
# a kind of modality -> its axes in one window, the last of which is what normalisation is over
KINDS = {
    "series": ("time", "channels"),
    "image": ("height", "width", "channels"),
    "vector": ("features",),
    "sequence": ("tokens", "features"),
}
TARGET_KINDS = ("classes", "real", "multi_hot")
NEEDS = frozenset({"pairs", "some_pairs", "labels", "sequences", "weights"})


class Modality(NamedTuple):
    """A sensor as a method sees it.

    kind: of KINDS. shape: of one window. rate_hz: samples a second, of a series only.
    """

    kind: str
    shape: tuple[int, ...]
    rate_hz: float | None = None
    dtype: str = "float32"


class Target(NamedTuple):
    """What is known of a window besides its inputs.

    kind: "classes", int32 [n] in [0, size), -1 unknown; "real", float32 [n] or [n, size], NaN
      unknown; or "multi_hot", int8 [n, size], -1 unknown.
    """

    kind: str
    size: int


class Watch(NamedTuple):
    """A training warns, once, when the written value of `metric` is below `low`.

    message: what that means and what may help.
    """

    metric: str
    low: float
    message: str


class Method(NamedTuple):
    """A method is to a run what a gradient transformation is to optax.

    init: (key, batch) -> variables {"params": ..., optional "state": ..., optional "means":
      {modality: zeros [d]}}. It reads the shapes of the batch's `inputs`, and nothing else of it.
    loss: (variables, batch, key) -> (scalar, {"metrics": {name: scalar}, optional "state": ...}).
      Only a method that needs "labels" reads the batch's `targets` and `group`. A batch may hold
      `progress`, the share of the stage's steps done in [0, 1), for schedules; without it they are
      at their end. And to those that need it `weight`, float32 [b], of each row, or `paired`, see
      `needs`.
    embed: (variables, batch) -> {modality: [b, d], ..., "joint": [b, d]}; deterministic, each row
      by the `inputs`, `present` and `valid` of its own window. Methods may add parts, see RESERVED.
      Absent modalities are zeros in their own part.
    fuse: (variables, {modality: [b, d]}, present) -> what `embed` returns of windows with these
      embeddings and {modality: bool [b]} of them present, so that no encoder has to run again for
      each set of sensors; None where a modality's embedding does not suffice.
    needs: what its sampler has to give. "pairs": the modalities of a row are of one time.
      "some_pairs": they are at least where the batch's `paired`, bool [b], says so, or everywhere
      if it has none; elsewhere a row holds windows of any time, person or source, and nothing may
      be read across its modalities. Sequences are pairs as a whole or not at all, and more of them
      are than there are modalities. "labels": `targets` and `group`. "sequences": neighbours in
      time, so many in a row. "weights": `weight`.
    watches: metrics whose values can tell that a training goes wrong.
    common: (variables, batch) -> {modality: [b, d]} of one width, the space in which the method
      brings modalities together, so that one can be looked for among another's; zeros where one is
      absent. None where it has no such space.
    answers: whether it answers itself: `embed` has "logits", of the classes of "label".

    Of the variables, "state" is neither a parameter nor derived from one, such as running
    statistics: a loss returns the next. "target", averaged parameters, is there for the loss of a
    stage with `ema`. "means" are the mean of each modality's embedding over the training windows
    that have it, filled in after the training and kept beside the parameters: `embed` and `fuse`
    put them into "joint" where a modality is absent, and zeros where the variables have none.
    """

    init: Callable
    loss: Callable
    embed: Callable
    fuse: Callable | None = None
    needs: frozenset[str] = frozenset()
    watches: tuple[Watch, ...] = ()
    common: Callable | None = None
    answers: bool = False


def check_modalities(modalities: Mapping[str, Modality]) -> None:
    """Raises ValueError for a name that is taken, an unknown kind or a shape of another rank."""
    for m, modality in modalities.items():
        if m in RESERVED:
            raise ValueError(f"a modality cannot be called {m!r}: it is a part of embeddings")
        axes = KINDS[options.known("kind of modality", modality.kind, KINDS)]
        if len(modality.shape) != len(axes):
            raise ValueError(
                f"{m!r} is of kind {modality.kind!r}: its shape must be [{', '.join(axes)}], got "
                f"{tuple(modality.shape)}"
            )


def present_inputs(batch: Mapping) -> dict[str, jax.Array]:
    """Inputs with zeros wherever nothing was measured, so that nothing there can be read.

    That is where a modality is absent from a window, and at the samples that are not `valid`.
    """
    measured = dict(batch["present"])
    for m, samples in batch.get("valid", {}).items():
        measured[m] = samples & measured[m][:, None]
    return {m: where_present(x, measured[m]) for m, x in batch["inputs"].items()}


def where_present(x: jax.Array, present: jax.Array) -> jax.Array:
    """x [b, ...] where `present`, bool [b] or [b, time], zeros elsewhere."""
    return jnp.where(present.reshape(*present.shape, *[1] * (x.ndim - present.ndim)), x, 0.0)

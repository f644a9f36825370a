"""One encoder per modality, and the embeddings side by side: what most baselines are made of."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmalign.methods.contract import JOINT, present_inputs, where_present
from mmalign.methods.sensors import Sensors, named_key
from mmalign.models import init_params

PROJECTOR = {"hidden": 64, "out": 32}  # of embeddings, before a loss that compares them


class Seen(NamedTuple):
    """What encoders read of a batch.

    grids: {m: [..., b, rows, cols, channels]}.
    valid: {m: bool [..., b, time]}, the samples that were measured, of modalities with gaps alone.
    """

    grids: Mapping[str, jax.Array]
    valid: Mapping[str, jax.Array]


def plain(front: Sensors, batch: Mapping) -> Seen:
    """The windows as they are."""
    return Seen(front.grids(present_inputs(batch)), batch.get("valid", {}))


def view(front: Sensors, key: jax.Array, batch: Mapping) -> Seen:
    """One randomly augmented view of the windows."""
    valid = front.view_valid(key, batch.get("valid", {}))
    return Seen(front.view(key, present_inputs(batch)), valid)


def two_views(front: Sensors, key: jax.Array, batch: Mapping) -> Seen:
    """Two views drawn independently, along a first axis."""
    valid = front.two_views_valid(key, batch.get("valid", {}))
    return Seen(front.two_views(key, present_inputs(batch)), valid)


def views_in_a_row(
    front: Sensors, key: jax.Array, batch: Mapping
) -> tuple[Seen, dict[str, jax.Array]]:
    """`two_views`, one after the other along the batch, and what is present of both."""
    views = two_views(front, key, batch)
    both = Seen(*({m: x.reshape(-1, *x.shape[2:]) for m, x in part.items()} for part in views))
    return both, {m: jnp.tile(p, 2) for m, p in batch["present"].items()}


def augmented(front: Sensors, key: jax.Array, batch: Mapping) -> dict[str, Any]:
    """The batch with inputs as they are in a view, for encoders that are run on windows later."""
    inputs = present_inputs(batch)
    if front.policy is not None:
        inputs = front.policy(key, inputs)
    return {**batch, "inputs": inputs, "valid": front.view_valid(key, batch.get("valid", {}))}


def encode(
    front: Sensors, m: str, params: Any, seen: Seen, *, masked: jax.Array | None = None,
    key: jax.Array | None = None,
) -> jax.Array:  # fmt: skip
    """Embedding [b, dim] of modality m; dropout is on if there is a key, see `Sensors.encode`."""
    valid = seen.valid.get(m)
    return front.encode(m, params, seen.grids[m], masked=masked, key=key, valid=valid)


def init_encoders(front: Sensors, key: jax.Array, grids: Mapping) -> dict[str, dict]:
    """Parameters {m: {"encoder": ...}} for what `Sensors.grids` gives, {m: grid}."""
    return {
        m: {"encoder": init_params(front.backbones[m].encoder, named_key(key, m), x)}
        for m, x in grids.items()
    }


def embeddings(
    front: Sensors, params: Mapping, seen: Seen, present: Mapping, key: jax.Array | None = None
) -> dict[str, jax.Array]:
    """{m: [b, dim]}, zeros where the modality is absent; dropout is on if there is a key.

    params: {m: {"encoder": ...}}, other entries are not read. present: {m: bool [b]}.
    """
    return {
        m: where_present(
            encode(front, m, params[m]["encoder"], seen, key=named_key(key, m)), present[m]
        )
        for m in front.backbones  # not the order of `params`, which a transformation may sort
    }


def side_by_side(parts: Mapping[str, jax.Array]) -> jax.Array:
    """{m: [..., dim]} -> [..., sum of dims], the simplest joint embedding."""
    return jnp.concatenate(list(parts.values()), axis=-1)


def widths(front: Sensors) -> dict[str, int]:
    """{m: width of its embedding}."""
    return {m: backbone.dim for m, backbone in front.backbones.items()}


def width(front: Sensors) -> int:
    """Width of the modalities' embeddings side by side."""
    return sum(widths(front).values())


def zero_means(widths: Mapping[str, int]) -> dict[str, jax.Array]:
    """The "means" of `init`, {m: zeros [width]}: a run fills in those of its training windows."""
    return {m: jnp.zeros(dim) for m, dim in widths.items()}


def embed_encoders(front: Sensors) -> Callable:
    """The `embed` of methods whose encoders' outputs are what `fuse_side_by_side` takes."""
    fuse = fuse_side_by_side(front.backbones)

    def embed(variables, batch):
        params, present = variables["params"]["sensors"], batch["present"]
        return fuse(variables, embeddings(front, params, plain(front, batch), present), present)

    return embed


def fuse_side_by_side(modalities: Mapping[str, Any]) -> Callable:
    """The `fuse` of methods whose joint embedding is their modalities' side by side.

    Where a modality is absent its own part is zeros. In "joint" its mean over the training windows
    stands there, which a linear probe of standardised features reads as nothing, or zeros as long
    as the variables have no "means". What is read from the others does not move.
    """
    names = tuple(modalities)

    def fuse(variables, parts, present):
        zeroed = {m: where_present(parts[m], present[m]) for m in names}
        means = variables.get("means")
        if means is None:
            return zeroed | {JOINT: side_by_side(zeroed)}
        filled = {m: jnp.where(present[m][:, None], parts[m], means[m][None]) for m in names}
        return zeroed | {JOINT: side_by_side(filled)}

    return fuse


def fused_views(
    front: Sensors, params: Mapping, batch: Mapping, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Two views of all modalities, each fused: (float32 [2, b, width], bool [b]).

    The views are drawn independently and go through the encoders in one pass. The second value
    tells which rows have any modality.
    """
    both, present = views_in_a_row(front, named_key(key, "views"), batch)
    fused = side_by_side(embeddings(front, params, both, present, key))
    counts = functools.reduce(jnp.logical_or, batch["present"].values())
    return fused.reshape(2, len(counts), -1), counts


def need_augmentation(front: Sensors, name: str) -> None:
    """Raises ValueError if two views of a window would be the same."""
    if front.policy is None:
        raise ValueError(f"{name} compares two views: augment.pool has to name an augmentation")


def need_two(modalities: Mapping[str, Any], what: str) -> None:
    """Raises ValueError for a single modality, where `what` compares several."""
    if len(modalities) < 2:
        raise ValueError(f"{what} needs two modalities or more, got {', '.join(modalities)}")

"""One encoder per modality, and the embeddings side by side: what most baselines are made of."""

import functools

import jax.numpy as jnp

from mmalign.methods.contract import JOINT, present_inputs, where_present
from mmalign.methods.sensors import named_key


def init_encoders(front, key, grids):
    """Parameters {m: {"encoder": ...}} for what `Sensors.grids` gives, {m: grid}."""
    return {
        m: {"encoder": front.backbones[m].encoder.init(named_key(key, m), x)["params"]}
        for m, x in grids.items()
    }


def embeddings(front, params, grids, present, key=None):
    """{m: [b, dim]}, zeros where the modality is absent; dropout is on if there is a key.

    params: {m: {"encoder": ...}}, other entries are not read. present: {m: bool [b]}.
    """
    return {
        m: where_present(
            front.encode(m, params[m]["encoder"], grids[m], key=named_key(key, m)), present[m]
        )
        for m in front.backbones  # not the order of `params`, which a transformation may sort
    }


def side_by_side(parts):
    """{m: [..., dim]} -> [..., sum of dims], the simplest joint embedding."""
    return jnp.concatenate(list(parts.values()), axis=-1)


def width(front):
    """Width of the modalities' embeddings side by side."""
    return sum(backbone.dim for backbone in front.backbones.values())


def embed_encoders(front):
    """The `embed` of methods whose encoders' outputs are the embeddings.

    "joint" is all of them side by side. The part of an absent modality is zeros there too: nothing
    stands in for it, so that what is read from the others does not move.
    """
    fuse = fuse_side_by_side(front)

    def embed(variables, batch):
        grids = front.grids(present_inputs(batch))
        parts = embeddings(front, variables["params"]["sensors"], grids, batch["present"])
        return fuse(variables, parts, batch["present"])

    return embed


def fuse_side_by_side(front):
    """The `fuse` of methods whose joint embedding is their modalities' side by side."""

    def fuse(variables, parts, present):
        del variables
        own = {m: where_present(parts[m], present[m]) for m in front.backbones}
        return own | {JOINT: side_by_side(own)}

    return fuse


def fused_views(front, params, batch, key):
    """Two views of all modalities, each fused: (float32 [2, b, width], bool [b]).

    The views are drawn independently and go through the encoders in one pass. The second value
    tells which rows have any modality.
    """
    views = front.two_views(named_key(key, "views"), present_inputs(batch))
    both = {m: x.reshape(-1, *x.shape[2:]) for m, x in views.items()}
    present = {m: jnp.tile(p, 2) for m, p in batch["present"].items()}
    fused = side_by_side(embeddings(front, params, both, present, key))
    there = functools.reduce(jnp.logical_or, batch["present"].values())
    return fused.reshape(2, len(there), -1), there


def need_augmentation(front, name):
    """Raises ValueError if two views of a window would be the same."""
    if front.policy is None:
        raise ValueError(f"{name} compares two views: augment.pool has to name an augmentation")

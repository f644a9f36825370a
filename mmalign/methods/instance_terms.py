"""InfoMAE's terms of each modality by itself: reconstruction, contrast of views, time's ranking."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmalign.losses import nt_xent, sequence_ranking
from mmalign.methods.decoding import draw_masks, reconstruction
from mmalign.methods.encoders import Seen, encode, two_views
from mmalign.methods.sensors import Sensors, named_key
from mmalign.methods.shared_private import Split


class Weights(NamedTuple):
    """Of the terms (delta, lam, eta), and what these are made with."""

    delta: float
    lam: float
    eta: float
    temperature: float
    margin: float
    length: int


class Shown(NamedTuple):
    """What the terms of a step are of.

    views: two, {m: [2, b, ...]}. masked: {m: bool [b, H, W]}, what is hidden of the first one's
    patches. codes: {m: (u, v)}, each [3, b, width]: of both views, and of the first with patches
    hidden.
    """

    views: Seen
    masked: Mapping[str, jax.Array]
    codes: Mapping[str, tuple[jax.Array, jax.Array]]

    @property
    def first(self) -> Seen:
        """The first view."""
        return Seen(*({m: x[0] for m, x in part.items()} for part in self.views))


def shown(
    front: Sensors, split: Split, params: Mapping, batch: Mapping, key: jax.Array, mask_ratio: float
) -> Shown:
    """Two views of a batch and their codes, by one pass of each encoder for all three.

    params: {m: ...}, as `Split.init` makes them.
    """
    views = two_views(front, named_key(key, "views"), batch)
    first = {m: x[0] for m, x in views.grids.items()}
    masked = draw_masks(front, named_key(key, "masks"), first, mask_ratio)
    three = lambda x: jnp.concatenate([x[0], x[1], x[0]])
    seen = Seen(*({m: three(x) for m, x in part.items()} for part in views))
    codes = {}
    for m, p in params.items():
        nothing = jnp.zeros_like(masked[m])
        hidden = jnp.concatenate([nothing, nothing, masked[m]])
        e = encode(front, m, p["encoder"], seen, masked=hidden, key=named_key(key, m))
        codes[m] = tuple(x.reshape(3, len(nothing), -1) for x in split.apply(p, e))
    return Shown(views, masked, codes)


def instance_terms(
    weights: Weights, front: Sensors, params: Mapping, of: Shown, present: Mapping, key: jax.Array
) -> dict[str, jax.Array | float]:
    """Weighted reconstruction, contrast and ranking, summed over modalities."""
    rank = functools.partial(sequence_ranking, length=weights.length, margin=weights.margin)
    terms: dict[str, Any] = dict.fromkeys(("reconstruction", "contrast", "ranking"), 0.0)
    first = of.first
    for m, code in of.codes.items():
        h = jnp.concatenate(code, axis=-1)
        terms["reconstruction"] += weights.delta * reconstruction(
            front, m, params[m], h[2], first.grids[m], present[m], named_key(key, m),
            masked=of.masked[m], valid=first.valid.get(m),
        )  # fmt: skip
        terms["contrast"] += weights.lam * _contrast(h[0], h[1], present[m], weights)
        if weights.length > 1:
            ranked = sum(rank(x, where=present[m]).mean() for x in h[:2])
            terms["ranking"] += weights.eta * ranked
    return terms


def _contrast(h_a, h_b, present, weights):
    """NT-Xent between windows at the same position of different sequences.

    Neighbours in time are then never negatives, as in FOCAL's code.
    """
    by_position = lambda x: x.reshape(-1, weights.length, *x.shape[1:]).swapaxes(0, 1)
    rows = by_position(present)
    contrast = lambda a, b, w: nt_xent(a, b, temperature=weights.temperature, where=w)
    cost = jax.vmap(contrast)(by_position(h_a), by_position(h_b), rows)
    # each position's mean is over its own rows; weigh positions by the rows they have
    share = rows.sum(axis=1) / jnp.maximum(present.sum(), 1)
    return jnp.sum(cost.mean(axis=1) * share)

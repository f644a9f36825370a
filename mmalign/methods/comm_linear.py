"""CoMM's ablation without attention: embeddings are fused by a linear map."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmalign.methods.encoders import (
    Seen,
    embeddings,
    init_encoders,
    side_by_side,
    width,
    widths,
)
from mmalign.methods.sensors import Sensors, named_key
from mmalign.models import Linear, ProjectionHead, apply, init_params


class LinearNetwork(NamedTuple):
    """What `comm_network.Network` is, of embeddings in place of tokens.

    front: one encoder per modality. linear: the map, with parameters for each modality alone and
      for all. head: before the loss.
    """

    front: Sensors
    linear: Linear
    head: ProjectionHead

    @property
    def names(self) -> tuple[str, ...]:
        """Of the modalities, in their order."""
        return tuple(self.front.backbones)

    def init(self, key: jax.Array, batch: Mapping) -> dict:
        """All parameters."""
        params = init_encoders(self.front, key, self.front.grids(batch["inputs"]))
        draw = lambda name, dim: init_params(
            self.linear, named_key(key, name, "fusion"), jnp.zeros((1, dim))
        )
        for m, dim in widths(self.front).items():
            params[m]["alone"] = draw(m, dim)
        rows, where = jnp.zeros((1, 1, self.linear.out)), jnp.ones((1, 1), bool)
        return {
            "sensors": params,
            "fusion": draw("joint", width(self.front)),
            "head": init_params(self.head, named_key(key, "head"), rows, where),
        }

    def tokens(
        self, params: Mapping, seen: Seen, present: Mapping, key: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        """{m: [b, dim]}, each modality's embedding, zeros where it is absent."""
        return embeddings(self.front, params["sensors"], seen, present, key)

    def fused(self, params: Mapping, tokens: Mapping) -> jax.Array:
        """[modalities + 1, b, width]: of each modality alone, and last of all of them."""
        alone = [apply(self.linear, params["sensors"][m]["alone"], tokens[m]) for m in self.names]
        together = side_by_side({m: tokens[m] for m in self.names})
        return jnp.stack([*alone, apply(self.linear, params["fusion"], together)])

    def compared(self, params: Mapping, z: jax.Array, where: jax.Array) -> jax.Array:
        """What the loss compares, [..., b, out]; where: bool [..., b], the rows that count."""
        return apply(self.head, params["head"], z, where)

"""InfoMAE's networks: an encoder, projectors and a decoder of each modality, and the critics."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmalign.methods.contract import JOINT, where_present
from mmalign.methods.encoders import Seen, encode, plain
from mmalign.methods.infomae_critics import Critics
from mmalign.methods.sensors import Sensors, named_key
from mmalign.methods.shared_private import Split


class Network(NamedTuple):
    """All that has parameters."""

    front: Sensors
    split: Split
    critics: Critics

    @property
    def names(self) -> tuple[str, ...]:
        """Of the modalities, in their order."""
        return self.critics.modalities

    def init(self, key: jax.Array, batch: Mapping) -> dict:
        """All parameters."""
        grids = self.front.grids(batch["inputs"])
        return {
            "sensors": {m: self.split.init(named_key(key, m), m, grids[m]) for m in self.names},
            "critics": self.critics.init(named_key(key, "critics"), grids),
        }

    def codes(self, params: Mapping, views: Seen, masked: Mapping, key: jax.Array) -> dict:
        """{m: (u, v)}, each [3, b, width]: of both views, and of the first with patches hidden.

        params: {m: ...}. One pass of the encoder for all three, three times the batch.
        """
        three = lambda x: jnp.concatenate([x[0], x[1], x[0]])
        seen = Seen(*({m: three(x) for m, x in part.items()} for part in views))
        out = {}
        for m, p in params.items():
            nothing = jnp.zeros_like(masked[m])
            hidden = jnp.concatenate([nothing, nothing, masked[m]])
            e = encode(self.front, m, p["encoder"], seen, masked=hidden, key=named_key(key, m))
            out[m] = tuple(x.reshape(3, len(nothing), -1) for x in self.split.apply(p, e))
        return out

    def embed(self, variables: Mapping, batch: Mapping) -> dict[str, jax.Array]:
        """See `fuse`."""
        params, seen = variables["params"]["sensors"], plain(self.front, batch)
        parts = {}
        for m in self.names:
            e = encode(self.front, m, params[m]["encoder"], seen)
            parts[m] = jnp.concatenate(self.split.apply(params[m], e), axis=-1)
        return self.fuse(parts, batch["present"])

    def common(self, variables: Mapping, batch: Mapping) -> dict[str, jax.Array]:
        """Modality -> u, what it shares with the others."""
        parts = self.embed(variables, batch)
        return {m: parts[m][:, : self.split.shared] for m in self.names}

    def fuse(self, parts: Mapping, present: Mapping) -> dict[str, jax.Array]:
        """Modality -> [u, v]; "shared" and "private", the u and v of all; and "joint".

        Where a modality is absent the joint embedding holds the mean u of those that are present in
        its place, and v = 0.
        """
        zeroed = {m: where_present(parts[m], present[m]) for m in self.names}
        u = {m: x[:, : self.split.shared] for m, x in zeroed.items()}
        v = {m: x[:, self.split.shared :] for m, x in zeroed.items()}
        count = sum(present[m].astype(jnp.float32) for m in self.names)
        stand_in = sum(u.values()) / jnp.maximum(count, 1.0)[:, None]
        u = {m: jnp.where(present[m][:, None], x, stand_in) for m, x in u.items()}
        shared, private = (jnp.concatenate([*x.values()], axis=-1) for x in (u, v))
        joint = jnp.concatenate([x for m in self.names for x in (u[m], v[m])], axis=-1)
        return zeroed | {"shared": shared, "private": private, JOINT: joint}

"""InfoMAE's networks: an encoder, projectors and a decoder of each modality, and the critics."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmalign.methods.contract import JOINT, where_present
from mmalign.methods.encoders import encode, plain, widths, zero_means
from mmalign.methods.infomae_critics import Critics
from mmalign.methods.sensors import Sensors, named_key
from mmalign.methods.shared_private import Split

READOUTS = ("codes", "all")


class Network(NamedTuple):
    """All that has parameters.

    readout: what a modality's embedding holds. "codes": [u, v]. "all": [e, u, v], what the encoder
    says before them, too.
    """

    front: Sensors
    split: Split
    critics: Critics
    readout: str

    @property
    def names(self) -> tuple[str, ...]:
        """Of the modalities, in their order."""
        return self.critics.modalities

    def init(self, key: jax.Array, batch: Mapping) -> dict:
        """All parameters, and means where encoders' are to stand for what is absent."""
        grids = self.front.grids(batch["inputs"])
        params = {
            "sensors": {m: self.split.init(named_key(key, m), m, grids[m]) for m in self.names},
            "critics": self.critics.init(named_key(key, "critics"), grids),
        }
        if self.readout == "codes":
            return {"params": params}
        more = self.split.shared + self.split.private
        whole = {m: dim + more for m, dim in widths(self.front).items()}
        return {"params": params, "means": zero_means(whole)}

    def embed(self, variables: Mapping, batch: Mapping) -> dict[str, jax.Array]:
        """See `fuse`."""
        params, seen = variables["params"]["sensors"], plain(self.front, batch)
        parts = {}
        for m in self.names:
            e = encode(self.front, m, params[m]["encoder"], seen)
            codes = self.split.apply(params[m], e)
            read = codes if self.readout == "codes" else (e, *codes)
            parts[m] = jnp.concatenate(read, axis=-1)
        return self.fuse(variables, parts, batch["present"])

    def common(self, variables: Mapping, batch: Mapping) -> dict[str, jax.Array]:
        """Modality -> u, what it shares with the others; zeros where it is absent."""
        parts = self.embed(variables, batch)
        return {m: self._read(parts[m])[1] for m in self.names}

    def fuse(self, variables: Mapping, parts: Mapping, present: Mapping) -> dict[str, jax.Array]:
        """Modality -> [u, v] or [e, u, v]; "shared" and "private", the u and v of all; and "joint".

        Where a modality is absent the joint embedding holds in its place the mean u of those that
        are present, v = 0, and for e its mean over the training windows, or zeros as long as the
        variables have no "means".
        """
        zeroed = {m: where_present(parts[m], present[m]) for m in self.names}
        e, u, v = zip(*(self._read(zeroed[m]) for m in self.names))
        there = [present[m][:, None] for m in self.names]
        count = sum(x.astype(jnp.float32) for x in there)
        stand_in = sum(u) / jnp.maximum(count, 1.0)
        u = [jnp.where(here, x, stand_in) for here, x in zip(there, u)]
        if means := variables.get("means"):
            usual = (self._read(means[m][None])[0] for m in self.names)
            e = [jnp.where(here, x, mean) for here, x, mean in zip(there, e, usual)]
        shared, private = jnp.concatenate(u, axis=-1), jnp.concatenate(v, axis=-1)
        joint = jnp.concatenate([x for of in zip(e, u, v) for x in of], axis=-1)
        return zeroed | {"shared": shared, "private": private, JOINT: joint}

    def _read(self, part):
        """[..., width] of a modality's embedding -> e, which may have no column, u and v."""
        end = part.shape[-1] - self.split.private
        return jnp.split(part, [end - self.split.shared, end], axis=-1)

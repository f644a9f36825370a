"""InfoMAE's critics: what they tell apart, their negatives, their logits.

For modality i with representations u_i (shared) and v_i (private) of the window x_i:

  own      (x_i, u_i)            I(x_i; u_i), what u_i costs
  other    (x_o, u_i), each o    I(x_o; u_i), what it is for
  private  (x_i, v_i)            I(x_i; v_i)
  split    (v_i, u_i)            I(v_i; u_i), where a critic measures it
  joint    (all x, u_i)          total correlation, in the three-ratio forms only

Networks of one shape are stacked and run as one. Negatives are products of marginals: windows
(their stem features) moved to other rows by whole sequences, every modality and every negative by
another number of them, so that no negative comes from the sequence of its row and, in the joint
case, all alignments between modalities are broken.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmalign.losses import density_ratio
from mmalign.methods.sensors import named_key
from mmalign.models import Critic, Stem, apply, init_params


class Critics(NamedTuple):
    """All critics of a set of modalities, with one stem per modality shared between them.

    kinds: {modality: "series", "image", "vector" or "sequence"}.
    shared, private: widths of u and of v.
    joint, split: whether these critics exist.
    negatives: per row.
    length: rows of a sequence; negatives move by multiples of it.
    stem, critic: the modules.
    """

    kinds: Mapping[str, str]
    shared: int
    private: int
    joint: bool
    split: bool
    negatives: int
    length: int
    stem: Stem
    critic: Critic

    @property
    def modalities(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.kinds)

    @property
    def pairs(self) -> list[tuple[str, str, str]]:
        """(critic, modality of u, modality of the window) of the networks stacked as "pair"."""
        ms = self.modalities
        return [
            *(("own", m, m) for m in ms),
            *(("other", m, o) for m in ms for o in ms if o != m),
        ]

    def init(self, key: jax.Array, grids: Mapping) -> dict[str, dict]:
        """Parameters {"stem": {m}, "pair": stacked, "private": stacked, "split", "joint"}."""
        window, u, v = (jnp.zeros((1, n)) for n in (self.stem.out, self.shared, self.private))
        each = lambda critic: [(critic, m) for m in self.modalities]

        def stacked(names, *args):
            keys = jnp.stack([named_key(key, *name) for name in names])
            return jax.vmap(lambda k: init_params(self.critic, k, *args))(keys)

        params = {
            "stem": {m: init_params(self.stem, named_key(key, "stem", m), grids[m], kind=kind)
                     for m, kind in self.kinds.items()},
            "pair": stacked(self.pairs, window, u),
            "private": stacked(each("private"), window, v),
        }  # fmt: skip
        if self.split:
            params["split"] = stacked(each("split"), v, u)
        if self.joint:
            windows = [window] * len(self.modalities)
            params["joint"] = stacked(each("joint"), *windows, u)
        return params

    def features(self, params: Mapping, grids: Mapping) -> dict[str, jax.Array]:
        """Stem features {m: [b, width]} of the windows that the encoders see, unmasked."""
        return {m: apply(self.stem, params["stem"][m], x, kind=self.kinds[m])
                for m, x in grids.items()}  # fmt: skip

    def logits(
        self, params: Mapping, features: Mapping, u: Mapping, v: Mapping,
        moved_v: Mapping | None = None,
    ) -> dict[str, jax.Array]:  # fmt: skip
        """Log density ratios {"pair": [pairs, ..., b], the others: [modalities, ..., b]}.

        features: {m: [..., b, width]}, moved or not. u, v: {m: [b, width]}. moved_v: as features,
          the v that the split critics compare with u; by default v itself.
        """
        moved_v = v if moved_v is None else moved_v
        run = lambda name, *args, axes: jax.vmap(
            lambda p, *a: apply(self.critic, p, *a), in_axes=(0, *axes)
        )(params[name], *args)
        windows = jnp.stack([features[o] for _, _, o in self.pairs])
        codes = jnp.stack([u[m] for _, m, _ in self.pairs])
        every_window, all_u, all_v, away_v = (
            jnp.stack([x[m] for m in self.modalities]) for x in (features, u, v, moved_v)
        )
        out = {
            "pair": run("pair", windows, codes, axes=(0, 0)),
            "private": run("private", every_window, all_v, axes=(0, 0)),
        }
        if self.split:
            out["split"] = run("split", away_v, all_u, axes=(0, 0))
        if self.joint:
            axes = (*[None] * len(self.modalities), 0)
            out["joint"] = run("joint", *every_window, all_u, axes=axes)
        return out

    def where(self, present: Mapping, moved: Mapping | None = None) -> dict[str, jax.Array]:
        """Rows on which each network has all it needs, in the shapes of `logits`.

        present: {m: bool [b]}. moved: {m: bool [..., b]}, `present` of the moved windows.
        """
        moved = present if moved is None else moved
        present = {m: jnp.broadcast_to(p, moved[m].shape) for m, p in present.items()}
        alone = jnp.stack([moved[m] & present[m] for m in self.modalities])
        out = {
            "pair": jnp.stack([moved[o] & present[m] for _, m, o in self.pairs]),
            "private": alone,
        }
        if self.split:
            out["split"] = alone
        if self.joint:
            everything = functools.reduce(jnp.logical_and, moved.values())
            out["joint"] = jnp.stack([everything & present[m] for m in self.modalities])
        return out

    def loss(
        self, params: Mapping, features: Mapping, u: Mapping, v: Mapping, present: Mapping,
        key: jax.Array,
    ) -> jax.Array:  # fmt: skip
        """Sum of all networks' losses; u and v must come without gradient."""
        offsets = self.offsets(key, len(next(iter(u.values()))))
        away = lambda tree: {m: moved(x, offsets[m]) for m, x in tree.items()}
        logits = self.logits(params, away(features), u, v, away(v))
        where = self.where(present, away(present))
        cost = jax.vmap(
            lambda x, w: density_ratio(x[0], x[1:], where=w[0], product_where=w[1:]).mean()
        )
        return functools.reduce(jnp.add, (cost(x, where[name]).sum() for name, x in logits.items()))

    def offsets(self, key: jax.Array, batch: int) -> dict[str, jax.Array]:
        """How many rows windows are moved by: {m: int32 [1 + negatives]}, the first by none."""
        sequences, modalities = batch // self.length, len(self.modalities)
        negatives = min(self.negatives, (sequences - 1) // modalities)
        if negatives < 1:
            raise ValueError(
                f"a batch of {sequences} sequences is too small for a negative of each of "
                f"{modalities} modalities: batch_size / sampler.length must be at least "
                f"{modalities + 1}; raise batch_size or lower sampler.length"
            )
        start = jax.random.randint(key, (), 0, sequences - 1)
        shifts = (start + jnp.arange(negatives * modalities)) % (sequences - 1) + 1  # none 0
        shifts = shifts.reshape(modalities, negatives) * self.length
        return dict(zip(self.modalities, jnp.pad(shifts, ((0, 0), (1, 0)))))


def moved(x: jax.Array, offsets: jax.Array) -> jax.Array:
    """Rows moved down by each offset, cyclically: [b, ...] -> [offsets, b, ...]."""
    rows = (jnp.arange(len(x))[None] - offsets[:, None]) % len(x)
    return x[rows]

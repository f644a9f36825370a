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
case, all alignments between modalities are broken. Where not all rows are pairs, "other" and
"joint", which look across modalities, know the pairs alone: their negatives move among these. Else
they would tell where pairs come from, of which people, and not what modalities share.
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
        moved_v: Mapping | None = None, across: Mapping | None = None,
        dropout: jax.Array | None = None,
    ) -> dict[str, jax.Array]:  # fmt: skip
        """Log density ratios {"pair": [pairs, ..., b], the others: [modalities, ..., b]}.

        features: {m: [..., b, width]}, moved or not. u, v: {m: [b, width]}. moved_v: as features,
          the v that the split critics compare with u; by default v itself. across: as features,
          those that "other" and "joint" see; by default the same. dropout: its key, or it is off.
        """
        moved_v, across = v if moved_v is None else moved_v, features if across is None else across

        def run(name, *args, axes):
            if dropout is None:
                one = lambda p, *a: apply(self.critic, p, *a)
                return jax.vmap(one, in_axes=(0, *axes))(params[name], *args)
            count = len(jax.tree.leaves(params[name])[0])
            keys = jax.random.split(named_key(dropout, name), count)
            one = lambda p, k, *a: apply(self.critic, p, *a, rngs={"dropout": k}, train=True)
            return jax.vmap(one, in_axes=(0, 0, *axes))(params[name], keys, *args)

        windows = jnp.stack([(features if o == m else across)[o] for _, m, o in self.pairs])
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
            windows = [across[m] for m in self.modalities]
            out["joint"] = run("joint", *windows, all_u, axes=axes)
        return out

    def where(
        self, present: Mapping, moved: Mapping | None = None,
        across: tuple[Mapping, Mapping] | None = None,
    ) -> dict[str, jax.Array]:  # fmt: skip
        """Rows on which each network has all it needs, in the shapes of `logits`.

        present: {m: bool [b]}. moved: {m: bool [..., b]}, `present` of the moved windows. across:
          both as "other" and "joint" see them; by default the same.
        """
        within = _alike(present, present if moved is None else moved)
        across = within if across is None else _alike(*across)
        alone = jnp.stack([within[1][m] & within[0][m] for m in self.modalities])
        both = lambda m, o: within if o == m else across
        out = {
            "pair": jnp.stack([both(m, o)[1][o] & both(m, o)[0][m] for _, m, o in self.pairs]),
            "private": alone,
        }
        if self.split:
            out["split"] = alone
        if self.joint:
            everything = functools.reduce(jnp.logical_and, across[1].values())
            out["joint"] = jnp.stack([everything & across[0][m] for m in self.modalities])
        return out

    def loss(
        self, params: Mapping, features: Mapping, u: Mapping, v: Mapping, present: Mapping,
        key: jax.Array, paired: jax.Array | None = None,
    ) -> jax.Array:  # fmt: skip
        """Sum of all networks' losses, with dropout; u and v must come without gradient.

        paired: bool [b], the rows that are pairs; None: all.
        """
        offsets = self.offsets(key, len(next(iter(u.values()))))
        away = lambda tree: {m: moved(x, offsets[m]) for m, x in tree.items()}
        across = known = None
        if paired is not None:
            rows, enough = self.partners(named_key(key, "pairs"), paired)
            across = {m: x[rows[m]] for m, x in features.items()}
            pairs = {m: p & paired for m, p in present.items()}
            known = pairs, {m: p[rows[m]] & enough[:, None] for m, p in pairs.items()}
        dropout = named_key(key, "dropout") if self.critic.dropout else None
        logits = self.logits(params, away(features), u, v, away(v), across, dropout)
        where = self.where(present, away(present), known)
        cost = jax.vmap(
            lambda x, w: density_ratio(x[0], x[1:], where=w[0], product_where=w[1:]).mean()
        )
        return functools.reduce(jnp.add, (cost(x, where[name]).sum() for name, x in logits.items()))

    def offsets(self, key: jax.Array, batch: int) -> dict[str, jax.Array]:
        """How many rows windows are moved by: {m: int32 [1 + negatives]}, the first by none."""
        sequences, modalities = batch // self.length, len(self.modalities)
        negatives = self._negatives(sequences)
        start = jax.random.randint(key, (), 0, sequences - 1)
        shifts = (start + jnp.arange(negatives * modalities)) % (sequences - 1) + 1  # none 0
        shifts = shifts.reshape(modalities, negatives) * self.length
        return dict(zip(self.modalities, jnp.pad(shifts, ((0, 0), (1, 0)))))

    def partners(self, key: jax.Array, paired: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
        """Rows of the windows that "other" and "joint" see: pairs, moved among themselves.

        paired: bool [b], of whole sequences.
        Returns: {m: int32 [1 + negatives, b]}, the first not moved; and bool [1 + negatives], those
          for which there are pairs enough to move every modality by another number of sequences.
          Where a row is no pair what stands there means nothing.
        """
        whole = paired.reshape(-1, self.length)[:, 0]
        negatives, modalities = self._negatives(len(whole)), len(self.modalities)
        order, place = jnp.argsort(~whole), jnp.cumsum(whole) - 1  # the pairs first
        others = jnp.maximum(whole.sum() - 1, 1)
        start = jax.random.randint(key, (), 0, others)
        shifts = (start + jnp.arange(negatives * modalities)) % others + 1
        shifts = jnp.pad(shifts.reshape(negatives, modalities), ((1, 0), (0, 0)))
        to = order[(place[None, None] - shifts[..., None]) % (others + 1)] * self.length
        rows = to[..., None] + jnp.arange(self.length)[None, None, None]
        rows = rows.reshape(1 + negatives, modalities, len(paired))
        enough = jnp.arange(1 + negatives) * modalities <= others
        return {m: rows[:, i] for i, m in enumerate(self.modalities)}, enough

    def _negatives(self, sequences):
        """Negatives a row of a batch of so many sequences."""
        modalities = len(self.modalities)
        negatives = min(self.negatives, (sequences - 1) // modalities)
        if negatives < 1:
            raise ValueError(
                f"a batch of {sequences} sequences is too small for a negative of each of "
                f"{modalities} modalities: batch_size / sampler.length must be at least "
                f"{modalities + 1}; raise batch_size or lower sampler.length, or, where a batch "
                "is as large as so few windows let it be, give more"
            )
        return negatives


def _alike(present, moved):
    """Both with the axes of `moved`."""
    return {m: jnp.broadcast_to(p, moved[m].shape) for m, p in present.items()}, moved


def moved(x: jax.Array, offsets: jax.Array) -> jax.Array:
    """Rows moved down by each offset, cyclically: [b, ...] -> [offsets, b, ...]."""
    rows = (jnp.arange(len(x))[None] - offsets[:, None]) % len(x)
    return x[rows]

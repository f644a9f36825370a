"""InfoMAE's critics: which pairs of things they tell apart, their negatives, their logits.

For modality i with representations u_i (shared) and v_i (private) of the window x_i:

  own      (x_i, u_i)            I(x_i; u_i), what u_i costs
  other    (x_o, u_i), all o     I(x_o; u_i), what it is for
  joint    (all x, u_i)          total correlation, in the three-ratio forms only
  private  (x_i, v_i)            I(x_i; v_i)
  split    (v_i, u_i)            I(v_i; u_i)

Negatives are products of marginals: the windows' stem features moved to other rows by whole
sequences, every modality and every negative by another number of them, so that no negative comes
from the sequence of its row and, in the joint case, all alignments between modalities are broken.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmalign.losses import density_ratio
from mmalign.methods.sensors import Sensors, named_key
from mmalign.models import Critic, Stem


class Logits(NamedTuple):
    """Of one critic: `positive` [b], `negative` [k, b], and where both sides are present."""

    positive: jax.Array
    negative: jax.Array
    where: jax.Array  # bool [b]
    negative_where: jax.Array  # bool [k, b]


class Critics(NamedTuple):
    """All critics of a set of modalities, with one stem per modality shared between them.

    front: knows what the windows look like.
    code: width of u and of v.
    joint: whether the joint critics exist.
    negatives: per row.
    length: rows of a sequence; negatives move by multiples of it.
    stem, critic: options of `Stem` and `Critic`.
    """

    front: Sensors
    code: int
    joint: bool
    negatives: int
    length: int
    stem: dict
    critic: dict

    def init(self, key, grids):
        """Parameters {"stem": {m}, "own": {m}, "other": {m: {o}}, ...}."""
        modalities, stem, critic = list(grids), Stem(**self.stem), Critic(**self.critic)
        window, code = jnp.zeros((1, stem.out)), jnp.zeros((1, self.code))
        make = lambda name, *args: critic.init(named_key(key, name), *args)["params"]
        params = {
            "stem": {m: stem.init(named_key(key, "stem", m), grids[m])["params"] for m in grids},
            "own": {m: make(f"own {m}", window, code) for m in modalities},
            "other": {
                m: {o: make(f"other {m} {o}", window, code) for o in modalities if o != m}
                for m in modalities
            },
            "private": {m: make(f"private {m}", window, code) for m in modalities},
            "split": {m: make(f"split {m}", code, code) for m in modalities},
        }
        if self.joint:
            windows = [window] * len(modalities)
            params["joint"] = {m: make(f"joint {m}", *windows, code) for m in modalities}
        return params

    def features(self, params, grids):
        """Stem features {m: [b, width]} of the windows that the encoders see, unmasked."""
        stem = Stem(**self.stem)
        return {m: stem.apply({"params": params["stem"][m]}, x) for m, x in grids.items()}

    def offsets(self, key, batch, modalities):
        """How many rows each negative of each modality is moved by: {m: int32 [negatives]}."""
        sequences, needed = batch // self.length, self.negatives * len(modalities)
        if sequences - 1 < needed:
            raise ValueError(
                f"a batch of {sequences} sequences is too small for {self.negatives} negatives of "
                f"{len(modalities)} modalities: batch_size / view.length must be at least "
                f"{needed + 1}; raise batch_size or lower method.negatives"
            )
        start = jax.random.randint(key, (), 0, sequences - 1)
        shifts = (start + jnp.arange(needed)) % (sequences - 1) + 1  # distinct, none is 0
        shifts = shifts.reshape(len(modalities), self.negatives) * self.length
        return dict(zip(modalities, shifts))

    def positives(self, params, features, u, v):
        """Logits [b] of aligned things: {kind: {m: [b] or {o: [b]}}}."""
        return self._all(params, features, {m: features for m in u}, features, u, v, v)

    def moved(self, params, features, u, v, offsets):
        """Logits [negatives, b] of products of marginals, in the same tree."""
        away = {m: moved(x, offsets[m]) for m, x in features.items()}
        v_away = {m: moved(x, offsets[m]) for m, x in v.items()}
        return self._all(params, away, {m: away for m in u}, away, u, v, v_away)

    def _all(self, params, own, other, joint, u, v, v_split):
        critic = Critic(**self.critic)
        logit = lambda p, *args: critic.apply({"params": p}, *args)
        out = {
            "own": {m: logit(params["own"][m], own[m], u[m]) for m in u},
            "other": {
                m: {o: logit(params["other"][m][o], other[m][o], u[m]) for o in u if o != m}
                for m in u
            },
            "private": {m: logit(params["private"][m], own[m], v[m]) for m in u},
            "split": {m: logit(params["split"][m], v_split[m], u[m]) for m in u},
        }
        if self.joint:
            windows = list(joint.values())
            out["joint"] = {m: logit(params["joint"][m], *windows, u[m]) for m in u}
        return out

    def where(self, present):
        """Rows on which each critic has all it needs, in the tree of logits."""
        everything = jnp.stack(list(present.values())).all(axis=0)
        out = {
            "own": dict(present),
            "other": {m: {o: present[m] & present[o] for o in present if o != m} for m in present},
            "private": dict(present),
            "split": dict(present),
        }
        return out | ({"joint": dict.fromkeys(present, everything)} if self.joint else {})

    def moved_where(self, present, offsets):
        """The same for the negatives: bool [negatives, b]."""
        away = {m: moved(p, offsets[m]) for m, p in present.items()}
        own = {m: present[m][None] & away[m] for m in present}
        everything = jnp.stack(list(away.values())).all(axis=0)
        out = {
            "own": own,
            "other": {
                m: {o: present[m][None] & away[o] for o in present if o != m} for m in present
            },
            "private": own,
            "split": own,
        }
        if self.joint:
            out["joint"] = {m: everything & present[m][None] for m in present}
        return out

    def loss(self, params, features, u, v, present, key):
        """Sum of all critics' losses; u and v must come without gradient."""
        offsets = self.offsets(key, len(next(iter(u.values()))), list(u))
        costs = jax.tree.map(
            lambda joint, product, where, product_where: density_ratio(
                joint, product, where=where, product_where=product_where
            ).mean(),
            self.positives(params, features, u, v),
            self.moved(params, features, u, v, offsets),
            self.where(present),
            self.moved_where(present, offsets),
        )
        return sum(jax.tree.leaves(costs))


def moved(x, offsets):
    """Rows moved down by each offset, cyclically: [b, ...] -> [offsets, b, ...]."""
    rows = (jnp.arange(len(x))[None] - offsets[:, None]) % len(x)
    return x[rows]

"""Which augmentation an example gets: one draw from a pool per view, one coin per modality.

    view = Policy()(key, {"acc": acc, "gyro": gyro})  # plain series in, plain series out

or, where encoders read spectrograms, with the transform between the two domains:

    plan = policy.draw(key, batch)
    series = policy.series(plan, inputs)
    view = policy.spectrogram(plan, stft(series))
"""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmalign.augment.example import checked_share
from mmalign.augment.moves import MOVES
from mmalign.augment.pools import KINDS, POOL, SERIES, SPECTROGRAM, TRIADS
from mmalign.options import check, known, listed, one_of

_OF_A_POOL = ("pool", "probability", "options")


class Plan(NamedTuple):
    """What one view of a batch will get; governs all modalities and both domains."""

    key: jax.Array  # one key per example [batch], or one key for all []
    choice: jax.Array  # int32, same shape: position in the series' pool


class Pool(NamedTuple):
    """What a modality draws from.

    draw: modalities whose pools have the same one get the same entry of it; "" is that of the plan.
    """

    names: Sequence[str]
    probability: float
    options: Mapping[str, Any]
    draw: str

    def changed(self, given, draw):
        """With the {"pool", "probability", "options"} of a config; another pool, another draw."""
        return Pool(
            given.get("pool", self.names),
            given.get("probability", self.probability),
            given.get("options", self.options),
            draw if "pool" in given else self.draw,
        )

    def check(self, where, kind):
        """Raises ValueError that says what of `where` is wrong."""
        if isinstance(self.names, str):
            raise ValueError(f"{where}pool must be a sequence of names, got {self.names!r}")
        for part, names in ("pool", self.names), ("options", self.options):
            for name in names:
                known(f"augmentation ({where}{part})", name, KINDS[kind].table)
        checked_share(f"{where}probability", self.probability)


@dataclasses.dataclass(frozen=True, eq=False)  # hashed by identity, so jax.jit takes it
class Policy:
    """Draws one augmentation for a view, and lets each modality take it or not.

    Attributes:
      pool: names to draw from for series, uniformly. An entry listed twice is drawn twice as often.
        Modalities whose channels are no triads (x, y, z) are left as they are by TRIADS.
      probability: that a modality takes the augmentation drawn; otherwise it stays untouched.
      per: "example": choice, coins and parameters are drawn for every example. "batch": once for
        the whole batch, as FOCAL and InfoMAE train (also the noise of `jitter` is then the same
        in every example).
      options: knobs by name of augmentation, a value or one per modality:
        {"scaling": {"std": 0.1}, "jitter": {"value_range": {"acc": 19.6, "gyro": 10.3}}}.
      per_kind: {"image", "vector" or "sequence": {"pool", "probability", "options"}}, where they
        are to be others than the pool of that kind in `pools`, `probability`, and no knobs.
      per_modality: the same for a modality, which then draws alone. An empty pool leaves it as it
        is.
      together: names whose draws are the same in all modalities of a window, so that the same steps
        of each are dropped. Their probability should be 1: the coins are each modality's.
      kinds: {modality: kind}; those that are not named are series.

    An example's result depends on its values and its key only: not on the other examples, not on
    which other modalities there are, not on devices. Example i of two batches drawn with the same
    key gets the same treatment. Per example all entries of the pool are computed and one selected;
    per batch only the one drawn.

    Raises: ValueError for names that do not exist, an empty `pool`, a bad `probability` or `per`.
    """

    pool: Sequence[str] = POOL
    probability: float = 0.5
    per: str = "example"
    options: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    per_kind: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    per_modality: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    together: Sequence[str] = ()
    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        one_of("augment.per", self.per, ("example", "batch"))
        if not self.pool:
            raise ValueError("augment.pool must be a sequence of at least one name, got none")
        self._of("series").check("augment.", "series")
        for name in self.together:
            known(
                "augmentation (augment.together)",
                name,
                {n for k in KINDS.values() for n in k.table},
            )
        for kind, given in self.per_kind.items():
            known("kind of augment.per_kind", kind, [k for k in KINDS if k != "series"])
            check(f"augment.per_kind.{kind}", given, _OF_A_POOL)
            self._of(kind).check(f"augment.per_kind.{kind}.", kind)
        for m, given in self.per_modality.items():
            known("modality of augment.per_modality", m, self.kinds or [m])
            check(f"augment.per_modality.{m}", given, _OF_A_POOL)
            kind = self._kind(m)
            self._of(kind, m).check(f"augment.per_modality.{m}.", kind)

    def draw(self, key: jax.Array, batch: int) -> Plan:
        """Plan of one view of `batch` examples. Two views: two keys."""
        if self.per == "batch":
            return Plan(key, _choice(key, self.pool))
        keys = jax.random.split(key, batch)
        return Plan(keys, jax.vmap(lambda key: _choice(key, self.pool))(keys))

    def series(self, plan: Plan, inputs: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Does what the plan says for the time domain; {modality: [batch, time, channels]}."""
        return {m: self._apply(plan, m, x, SERIES, 3) for m, x in inputs.items()}

    def spectrogram(self, plan: Plan, inputs: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Does the rest, on {modality: [batch, intervals, bins, 2 * channels]}."""
        return {m: self._apply(plan, m, x, SPECTROGRAM, 4) for m, x in inputs.items()}

    def __call__(self, key: jax.Array, inputs: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """View of {modality: [batch, *shape]}, each as its kind has it.

        Spectral entries of a series' pool act on the spectrum of the whole series.
        """
        if not inputs:
            raise ValueError("inputs has no modality")
        plan = self.draw(key, len(next(iter(inputs.values()))))
        kinds = {m: KINDS[self._kind(m)] for m in inputs}
        return {
            m: self._apply(plan, m, x, kinds[m].table, kinds[m].ndim) for m, x in inputs.items()
        }

    def valid(self, key: jax.Array, valid: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Which samples of the view `self(key, inputs)` are valid: {modality: bool [b, time]}.

        What moves samples in time moves this alike; a sample that is read between others is valid
        if they are. What works on frequencies spreads the zeros of a gap over the window, and
        leaves the gap where it is.

        Args:
          key: of the view.
          valid: {modality: bool [b, time]} of series, of all or some of the inputs.
        """
        if not valid:
            return {}
        plan = self.draw(key, len(next(iter(valid.values()))))
        mask = lambda x: x[..., None].astype(jnp.float32)
        moved = {m: self._apply(plan, m, mask(x), MOVES, 3) for m, x in valid.items()}
        return {m: x[..., 0] >= 0.999 for m, x in moved.items()}

    def _kind(self, modality):
        return self.kinds.get(modality, "series")

    def _of(self, kind, modality=None):
        """The Pool of a kind, or of a modality of it."""
        if kind == "series":
            pool = Pool(self.pool, self.probability, self.options, "")
        else:
            pool = Pool(KINDS[kind].pool, self.probability, {}, f"kind {kind}")
            pool = pool.changed(self.per_kind.get(kind, {}), pool.draw)
        given = {} if modality is None else self.per_modality.get(modality, {})
        return pool.changed(given, f"modality {modality}")

    def _apply(self, plan, modality, x, table, ndim):
        if x.ndim != ndim:
            raise ValueError(
                f"input {modality!r} must have {ndim} dimensions here, got shape {x.shape}"
            )
        pool = self._of(self._kind(modality), modality)
        flat = x.shape[-1] % 3 != 0
        named = [
            name for name in dict.fromkeys(pool.names)
            if name in table and not (flat and name in TRIADS)
        ]  # fmt: skip
        if not named:
            return x
        branches = [lambda keys, x: x]
        for name in named:
            of_all = name in self.together
            branches.append(_with_knobs(table, name, pool.options, modality, of_all))
        branch_of = [named.index(name) + 1 if name in named else 0 for name in pool.names]

        # A batched lax.switch computes every branch too, but copies their constants (spline and
        # Fourier matrices) for every example first: 30 times slower.
        shared = plan.choice.ndim == 0
        switch = jax.lax.switch if shared else _select

        def one(key, choice, x):
            if pool.draw:
                choice = _choice(jax.random.fold_in(key, _number(pool.draw)), pool.names)
            of_all = key
            # Folding in the name, not its position, keeps a modality's draws when others join.
            key = jax.random.fold_in(key, _number(modality))
            key_coin, key = jax.random.split(key)
            take = jax.random.bernoulli(key_coin, float(pool.probability))
            branch = jnp.where(take, jnp.asarray(branch_of)[choice], 0)
            return switch(branch, branches, (key, of_all), x)

        mapped = None if shared else 0
        return jax.vmap(one, in_axes=(mapped, mapped, 0))(plan.key, plan.choice, x)


def _choice(key, pool):
    return jax.random.randint(key, (), 0, len(pool), jnp.int32)


def _number(name):
    return zlib.crc32(name.encode())


def _with_knobs(table, name, options, modality, of_all):
    """The augmentation `name` with the knobs that `options` have for a modality.

    of_all: whether it gets the second of two keys, that of all modalities.
    """
    knobs = {}
    for knob, value in options.get(name, {}).items():
        if hasattr(value, "items"):  # a ConfigDict is no Mapping
            if modality not in value:
                raise ValueError(
                    f"option {knob!r} of {name!r} has values for {listed(value)}, none for "
                    f"modality {modality!r}"
                )
            value = value[modality]
        knobs[knob] = value
    return lambda keys, x: table[name](keys[of_all], x, **knobs)


def _select(index, branches, *operands):
    """`lax.switch`, but every branch is computed."""
    return jax.lax.select_n(index, *(branch(*operands) for branch in branches))


def augment(key: jax.Array, inputs: Mapping[str, jax.Array], **options) -> dict[str, jax.Array]:
    """One view of {modality: [batch, *shape]}, same shapes and dtypes; options are of `Policy`."""
    return Policy(**options)(key, inputs)

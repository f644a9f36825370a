"""Which augmentation an example gets: one draw from a pool per view, one coin per modality.

    view = Policy()(key, {"acc": acc, "gyro": gyro})  # plain series in, plain series out

or, where encoders read spectrograms, with the transform between the two domains:

    plan = policy.draw(key, batch)
    series = policy.series(plan, inputs)
    view = policy.spectrogram(plan, stft(series))
"""

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmalign.augment import series, spectrogram

SERIES: Mapping[str, Callable] = {
    "permutation": series.permutation,
    "negation": series.negation,
    "time_warp": series.time_warp,
    "horizontal_flip": series.horizontal_flip,
    "magnitude_warp": series.magnitude_warp,
    "scaling": series.scaling,
    "jitter": series.jitter,
    "channel_shuffle": series.channel_shuffle,
    "rotation": series.rotation,
    "time_shift": series.time_shift,
}
SPECTROGRAM: Mapping[str, Callable] = {
    "phase_shift": spectrogram.phase_shift,
    "frequency_mask": spectrogram.frequency_mask,
    "time_mask": spectrogram.time_mask,
}
# The same, for a method whose encoders read plain series.
SERIES_ONLY: Mapping[str, Callable] = {
    **SERIES,
    "phase_shift": series.phase_shift,
    "frequency_mask": series.frequency_mask,
    "time_mask": series.time_mask,
}

# The pool of FOCAL, of its contrastive baselines and of InfoMAE.
POOL = (
    "permutation",
    "negation",
    "time_warp",
    "horizontal_flip",
    "magnitude_warp",
    "scaling",
    "phase_shift",
)


class Plan(NamedTuple):
    """What one view of a batch will get; governs all modalities and both domains."""

    key: jax.Array  # one key per example [batch], or one key for all []
    choice: jax.Array  # int32, same shape: position in the pool


@dataclasses.dataclass(frozen=True, eq=False)  # hashed by identity, so jax.jit takes it
class Policy:
    """Draws one augmentation for a view, and lets each modality take it or not.

    Attributes:
      pool: names to draw from, uniformly. An entry listed twice is drawn twice as often.
      probability: that a modality takes the augmentation drawn; otherwise it stays untouched.
      per: "example": choice, coins and parameters are drawn for every example. "batch": once for
        the whole batch, as FOCAL and InfoMAE train (also the noise of `jitter` is then the same
        in every example).
      options: knobs by name of augmentation, a value or one per modality:
        {"scaling": {"std": 0.1}, "jitter": {"value_range": {"acc": 19.6, "gyro": 10.3}}}.

    An example's result depends on its values and its key only: not on the other examples, not on
    which other modalities there are, not on devices. Example i of two batches drawn with the same
    key gets the same treatment. Per example all entries of the pool are computed and one selected;
    per batch only the one drawn.

    Raises: ValueError for names that do not exist, an empty pool, a bad `probability` or `per`.
    """

    pool: Sequence[str] = POOL
    probability: float = 0.5
    per: str = "example"
    options: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if isinstance(self.pool, str) or not self.pool:
            raise ValueError(f"pool must be a sequence of at least one name, got {self.pool!r}")
        for argument, names in ("pool", self.pool), ("options", self.options):
            unknown = sorted(set(names) - set(SERIES_ONLY))
            if unknown:
                raise ValueError(
                    f"{argument} names {', '.join(map(repr, unknown))}; there are "
                    f"{', '.join(sorted(SERIES_ONLY))}"
                )
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must lie within 0 and 1, got {self.probability}")
        if self.per not in ("example", "batch"):
            raise ValueError(f'per must be "example" or "batch", got {self.per!r}')

    def draw(self, key, batch):
        """Plan of one view of `batch` examples (an int). Two views: two keys."""
        draw_one = lambda key: jax.random.randint(key, (), 0, len(self.pool), jnp.int32)
        if self.per == "batch":
            return Plan(key, draw_one(key))
        keys = jax.random.split(key, batch)
        return Plan(keys, jax.vmap(draw_one)(keys))

    def series(self, plan, inputs):
        """Does what the plan says for the time domain; {modality: [batch, time, channels]}."""
        return self._apply(plan, inputs, SERIES, ndim=3)

    def spectrogram(self, plan, inputs):
        """Does the rest, on {modality: [batch, intervals, bins, 2 * channels]}."""
        return self._apply(plan, inputs, SPECTROGRAM, ndim=4)

    def __call__(self, key, inputs):
        """View of plain series; spectral entries act on the spectrum of the whole series."""
        if not inputs:
            raise ValueError("inputs has no modality")
        batch = len(next(iter(inputs.values())))
        return self._apply(self.draw(key, batch), inputs, SERIES_ONLY, ndim=3)

    def _apply(self, plan, inputs, table, *, ndim):
        for modality, x in inputs.items():
            if x.ndim != ndim:
                raise ValueError(
                    f"input {modality!r} must have {ndim} dimensions here, got shape {x.shape}"
                )
        if not any(name in table for name in self.pool):
            return dict(inputs)
        return {name: self._apply_one(plan, name, x, table) for name, x in inputs.items()}

    def _apply_one(self, plan, modality, x, table):
        here = [name for name in dict.fromkeys(self.pool) if name in table]
        branches = [lambda key, x: x, *(self._with_knobs(table, n, modality) for n in here)]
        branch_of = [here.index(name) + 1 if name in here else 0 for name in self.pool]

        # A batched lax.switch computes every branch too, but copies their constants (spline and
        # Fourier matrices) for every example first: 30 times slower.
        shared = plan.choice.ndim == 0
        switch = jax.lax.switch if shared else _select

        def one(key, choice, x):
            # Folding in the name, not its position, keeps a modality's draws when others join.
            key = jax.random.fold_in(key, zlib.crc32(modality.encode()))
            key_coin, key = jax.random.split(key)
            take = jax.random.bernoulli(key_coin, float(self.probability))
            branch = jnp.where(take, jnp.asarray(branch_of)[choice], 0)
            return switch(branch, branches, key, x)

        mapped = None if shared else 0
        return jax.vmap(one, in_axes=(mapped, mapped, 0))(plan.key, plan.choice, x)

    def _with_knobs(self, table, name, modality):
        knobs = {}
        for knob, value in self.options.get(name, {}).items():
            if hasattr(value, "items"):  # a ConfigDict is no Mapping
                if modality not in value:
                    raise ValueError(
                        f"option {knob!r} of {name!r} has values for {', '.join(sorted(value))}, "
                        f"none for modality {modality!r}"
                    )
                value = value[modality]
            knobs[knob] = value
        return lambda key, x: table[name](key, x, **knobs)


def _select(index, branches, *operands):
    """`lax.switch`, but every branch is computed."""
    return jax.lax.select_n(index, *(branch(*operands) for branch in branches))


def augment(key, inputs, *, pool=POOL, probability=0.5, per="example", options=None):
    """One view of {modality: [batch, time, channels]}, same shapes and dtypes; see `Policy`."""
    return Policy(pool, probability, per, options or {})(key, inputs)

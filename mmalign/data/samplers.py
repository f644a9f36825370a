"""Samplers: which rows of a data set a step sees, as pure functions of (seed, step).

A sampler starts from units, an int32 array [units, length] of training rows: single windows, or
runs of consecutive windows where a method needs neighbours. Pairs, labels and missing sensors
choose among units; a walk goes through them, in a new order each epoch. A sampler may hide sensors
of the windows that it shows, by a new draw for every step and window.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmalign import options
from mmalign.data import missing_patterns
from mmalign.data.beside import pairs_of_a_batch, pools
from mmalign.data.dataset import COMPLETE, TRAIN, Dataset
from mmalign.data.minutes import stretch
from mmalign.data.missingness import simulate
from mmalign.data.movement import levels
from mmalign.data.pairs import Pairs, examples
from mmalign.data.runs import sequences
from mmalign.data.subsets import labels_divided, nested, of_people
from mmalign.data.walks import sample, units_of

FEW = 256  # windows: two batches of pairs


class Sampler(NamedTuple):
    """What a training sees at each of its steps.

    rows: step -> {modality: int32 [batch]}, -1 = absent.
    batch_size: rows of a step: as asked for, or fewer where there are not so many to draw from.
    windows: how many distinct windows the rows come from.
    gives: what a method can count on, of "pairs", "some_pairs", "labels", "sequences" and "weights"
      (see `methods.Method.needs`).
    weights: step -> float32 [batch] of the rows' examples; None: all count alike.
    paired: bool [batch], the rows that are pairs where others are not; None: all are, or none has
      to be.
    """

    rows: Callable[[int], dict[str, np.ndarray]]
    batch_size: int
    windows: int
    gives: frozenset[str]
    weights: Callable[[int], np.ndarray] | None = None
    paired: np.ndarray | None = None

    def at(self, step: int) -> dict[str, Any]:
        """What `feed.gather` takes at a step: {"rows"}, with "weight", "paired" if it has them."""
        seen: dict[str, Any] = {"rows": self.rows(step)}
        if self.weights is not None:
            seen["weight"] = self.weights(step)
        return seen if self.paired is None else seen | {"paired": self.paired}


def create(
    config: Mapping, dataset: Dataset, *, batch_size: int, seed: int, found: Pairs | None = None
) -> Sampler:
    """The sampler that a config describes.

    Args:
      config: `kind`, one of KINDS, and its options, the keyword arguments of that function.
      dataset: only its training windows are used.
      batch_size: most windows of a step, a multiple of `length`.
      seed: chooses the subset and the order.
      found: pseudo-pairs, of the binding that `config["pairs"]` names.
    Raises: ValueError naming the option, when there are no two windows to draw, or a pattern of
      missing sensors cannot be drawn.
    """
    given = dict(config)
    kind = given.pop("kind", None)
    options.known("sampler", kind, KINDS)
    if kind == "bound":
        given.pop("pairs", None)  # the name of the binding that found them
        return options.call("sampler 'bound'", bound, given, dataset, batch_size, seed, found=found)
    return options.call(f"sampler {kind!r}", KINDS[kind], given, dataset, batch_size, seed)


def unpaired(
    dataset: Dataset, batch_size: int, seed: int, *, length: int = 1, source: Any = None
) -> Sampler:
    """Each modality drawn on its own, in runs of `length` consecutive windows.

    source: as of `paired`.
    """
    train = _trained_on(dataset, source)
    units = {m: sequences(dataset, train & dataset.present[m], length) for m in dataset.modalities}
    take = units_of(batch_size, length, min(map(len, units.values())), "training windows")
    return Sampler(
        lambda step: {m: sample(runs, take, seed, m, step) for m, runs in units.items()},
        take * length,
        min(len(np.unique(runs)) for runs in units.values()),
        frozenset({"sequences"}),
    )


def paired(
    dataset: Dataset,
    batch_size: int,
    seed: int,
    *,
    fraction: float | None = 1.0,
    people: int | None = None,
    minutes: float | None = None,
    unpaired: float | None = None,
    length: int = 1,
    missing: Mapping | None = None,
    source: Any = None,
    complete: bool = False,
) -> Sampler:
    """The same windows for all modalities, those in which two or more are present.

    Which of the pairs there are, one of three says; less is always among more.

    Args:
      fraction: of the pairs, from everywhere. None: a tenth, or of small data as much as FEW
        windows.
      people: all pairs come from so many people of the training, drawn by the seed.
      minutes: so much time of pairs in a row, from as few people as possible, see
        `minutes.stretch`.
      unpaired: share of a batch that is no pairs, in (0, 1): behind the pairs come rows that each
        modality draws on its own from all training windows, other people's too, but those that are
        pairs (from these as well where too few others are left). Where there are fewer pairs than
        their share of a batch, there is more of that. None: pairs alone.
      length: consecutive windows of a run.
      missing: a pattern of `missingness.simulate`; what it hides of the pairs has row -1.
      source: only windows of this one of the data's sources, or of several, by name or number;
        None: all.
      complete: see the windows of parties with all their sensors, as none of them has them.
    """
    train = _trained_on(dataset, source, complete)
    together = train & (sum(dataset.present.values()) >= 2)
    if not together.any():
        names = ", ".join(dataset.modalities)
        raise ValueError(f"no training window has two of {names}, as pairs have: record some "
                         "together, or name other windows by sampler.source")  # fmt: skip
    units, chosen = _chosen(dataset, together, length, seed, fraction, people, minutes)
    walk = lambda take: lambda step: sample(units, take, seed, "paired", step)
    if unpaired is not None:
        count = pairs_of_a_batch(dataset, batch_size, length, unpaired, len(units))
        rows = _shown(dataset, walk(count), missing, seed)
        return _mixed(dataset, rows, count, units, train, batch_size, seed)
    take = units_of(batch_size, length, len(units), chosen)
    rows, windows = _shown(dataset, walk(take), missing, seed), len(np.unique(units))
    return Sampler(rows, take * length, windows, frozenset({"pairs", "some_pairs", "sequences"}))


def labelled(
    dataset: Dataset,
    batch_size: int,
    seed: int,
    *,
    fraction: float = 1.0,
    missing: Mapping | None = None,
    held_out: float | None = None,
) -> Sampler:
    """The same windows for all modalities, all of them labelled: a share of each class, nested.

    Args:
      fraction: of each class, see `labelled_subset`.
      missing: a pattern of `missingness.simulate`; what it hides has row -1.
      held_out: share of the people of these windows that are kept to choose by, see
        `labels_divided`; None for nobody.
    """
    units = labels_divided(dataset, _share(fraction), held_out, seed)[0][:, None]
    walk = lambda step: sample(units, batch_size, seed, "labelled", step)
    rows = _shown(dataset, walk, missing, seed)
    return Sampler(rows, batch_size, len(units), frozenset({"pairs", "some_pairs", "labels"}))


def bound(
    dataset: Dataset, batch_size: int, seed: int, *, found: Pairs, originals: bool = True,
    shared_slot: str = "zero", weight: str = "log", natural_weight: float = 1.0,
    normalise: bool = False,
) -> Sampler:  # fmt: skip
    """Pseudo-pairs of a binding, and the windows of its sources as they are, with weights.

    Args:
      found: the pairs; a config names their binding as `pairs`.
      originals, shared_slot, weight, natural_weight: as `pairs.examples` takes them.
      normalise: whether the weights of a batch have the mean 1.
    """
    made = examples(
        dataset, found, originals=originals, shared_slot=shared_slot, weight=weight,
        natural_weight=natural_weight,
    )  # fmt: skip
    units = np.arange(len(made.weight), dtype=np.int32)[:, None]
    take = units_of(batch_size, 1, len(units), "examples of a binding")
    at = lambda step: sample(units, take, seed, "bound", step)

    def weights(step):
        w = made.weight[at(step)]
        return w / max(w.mean(), 1e-6) if normalise else w

    rows = lambda step: {m: row[at(step)] for m, row in made.rows.items()}
    return Sampler(rows, take, len(units), frozenset({"pairs", "some_pairs", "weights"}), weights)


KINDS = {"unpaired": unpaired, "paired": paired, "labelled": labelled, "bound": bound}


def _trained_on(dataset, source, complete=False):
    """Bool [n]: windows to train on, of some sources or of all."""
    if complete and not (dataset.split == COMPLETE).any():
        raise ValueError("sampler.complete: the data have no windows of parties, see data.parties")
    rows = dataset.split == (COMPLETE if complete else TRAIN)
    if source is not None:
        rows &= np.isin(dataset.source_numbers(), dataset.sources(source, "sampler.source"))
    return rows


def _chosen(dataset, together, length, seed, fraction, people, minutes):
    """Runs of those pairs, bool [n], that one of the three options chooses; what to call them."""
    given = {"fraction": None if fraction == 1 else fraction, "people": people, "minutes": minutes}
    named = [f"sampler.{name}={value}" for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ValueError(f"{' and '.join(named)} exclude each other: give one of them alone")
    if minutes is not None:
        together = together & stretch(dataset, together, minutes, seed)
    units = sequences(dataset, together, length)
    if people is not None:
        units = of_people(units, dataset.group[units[:, 0]], people, seed)
    elif minutes is None:
        if fraction is None:
            fraction = min(1.0, max(0.1, FEW / max(units.size, 1)))
        units = nested(units, _share(fraction), seed)
        named = [f"sampler.fraction={fraction:g}"]
    return units, f"pairs of {named[0]}"


def _mixed(dataset, pairs, count, units, train, batch_size, seed):
    """A sampler of pairs and, behind them, of windows that every modality draws on its own.

    pairs: step -> rows of the first `count` sequences, which are drawn from `units`.
    """
    length = units.shape[1]
    of = pools(dataset, train, units, batch_size // length - count)
    there, first = min(map(len, of.values())), count * length
    take = units_of(batch_size - first, length, there, "training windows")
    draw = lambda m, step: sample(of[m], take, seed, f"beside {m}", step)
    size = first + take * length
    return Sampler(
        lambda step: {m: np.concatenate([row, draw(m, step)]) for m, row in pairs(step).items()},
        size,
        min(len(np.unique([*units.flat, *alone.flat])) for alone in of.values()),
        frozenset({"some_pairs", "sequences"}),
        paired=np.arange(size) < first,
    )


def _shown(dataset, walk, pattern, seed):
    """`step -> {modality: int32 [b]}` of the windows `walk(step)`, -1 where the pattern hides one.

    A draw depends on the step: the same window loses other sensors the next time it is seen.
    """
    if not pattern:
        return lambda step: dict.fromkeys(dataset.modalities, walk(step))
    missing_patterns.check(pattern, dataset.modalities)
    level = levels(dataset) if pattern["kind"] == "value" else None

    def rows(step):
        row = walk(step)
        left = simulate(
            pattern,
            {m: present[row] for m, present in dataset.present.items()},
            group=dataset.group[row],
            recording=dataset.recording[row],
            position=dataset.position[row],
            seed=seed,
            step=step,
            level=level and {m: x[row] for m, x in level.items()},
        )
        return {m: np.where(stays, row, -1).astype(np.int32) for m, stays in left.items()}

    return rows


def _share(fraction):
    if not 0 < fraction <= 1:
        raise ValueError(f"sampler.fraction must be in (0, 1], got {fraction}")
    return fraction

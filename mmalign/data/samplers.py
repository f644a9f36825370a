"""Samplers: which rows of a data set a step sees, as pure functions of (seed, step).

A sampler starts from units, an int32 array [units, length] of training rows: single windows, or
runs of consecutive windows where a method needs neighbours. Pairs, labels and missing sensors
choose among units; a walk goes through them, in a new order each epoch. A sampler may hide sensors
of the windows that it shows, by a new draw for every step and window.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmalign import options
from mmalign.data import missing_patterns
from mmalign.data.dataset import COMPLETE, TRAIN, Dataset
from mmalign.data.missingness import simulate
from mmalign.data.movement import levels
from mmalign.data.pairs import Pairs, examples
from mmalign.data.runs import sequences
from mmalign.data.subsets import labels_divided, nested, of_people

FEW = 256  # windows: two batches of pairs


class Sampler(NamedTuple):
    """What a training sees at each of its steps.

    rows: step -> {modality: int32 [batch]}, -1 = absent.
    batch_size: rows of a step: as asked for, or fewer where there are not so many to draw from.
    windows: how many distinct windows the rows come from.
    gives: of {"pairs", "labels", "sequences", "weights"}: what a method can count on.
    weights: step -> float32 [batch] of the rows' examples; None: all count alike.
    """

    rows: Callable[[int], dict[str, np.ndarray]]
    batch_size: int
    windows: int
    gives: frozenset[str]
    weights: Callable[[int], np.ndarray] | None = None

    def at(self, step: int) -> dict[str, Any]:
        """{"rows": ..., "weight": ...} of a step, the latter where examples have weights."""
        seen = {"rows": self.rows(step)}
        return seen if self.weights is None else seen | {"weight": self.weights(step)}


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
    take = _units_of(batch_size, length, min(map(len, units.values())), "training windows")
    return Sampler(
        lambda step: {m: _sample(runs, take, seed, m, step) for m, runs in units.items()},
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
    length: int = 1,
    missing: Mapping | None = None,
    source: Any = None,
    complete: bool = False,
) -> Sampler:
    """The same windows for all modalities, those in which two or more are present.

    Args:
      fraction: of the pairs; a smaller one is a part of a larger one. None: a tenth, or of small
        data as much as FEW windows.
      people: all pairs come from so many people of the training, drawn by the seed, k of them among
        k + 1; None: from everyone. Not together with a fraction.
      length: consecutive windows of a run.
      missing: a pattern of `missingness.simulate`; what it hides has row -1.
      source: only windows of this one of the data's sources, or of several, by name or number;
        None: all.
      complete: see the windows of parties with all their sensors, as none of them has them.
    """
    together = sum(dataset.present.values()) >= 2
    units = sequences(dataset, _trained_on(dataset, source, complete) & together, length)
    chosen = "pairs"
    if people is not None:
        if fraction not in (None, 1):
            raise ValueError(
                f"sampler.people={people} and sampler.fraction={fraction} exclude each other: "
                "leave one out"
            )
        units = of_people(units, dataset.group[units[:, 0]], people, seed)
        chosen += f" of sampler.people={people}"
    else:
        if fraction is None:
            fraction = min(1.0, max(0.1, FEW / max(units.size, 1)))
        units = nested(units, _share(fraction), seed)
        chosen += f" of sampler.fraction={fraction:g}"
    take = _units_of(batch_size, length, len(units), chosen)
    rows = _shown(dataset, lambda step: _sample(units, take, seed, "paired", step), missing, seed)
    windows = len(np.unique(units))
    return Sampler(rows, take * length, windows, frozenset({"pairs", "sequences"}))


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
    walk = lambda step: _sample(units, batch_size, seed, "labelled", step)
    rows = _shown(dataset, walk, missing, seed)
    return Sampler(rows, batch_size, len(units), frozenset({"pairs", "labels"}))


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
    take = _units_of(batch_size, 1, len(units), "examples of a binding")
    at = lambda step: _sample(units, take, seed, "bound", step)

    def weights(step):
        w = made.weight[at(step)]
        return w / max(w.mean(), 1e-6) if normalise else w

    rows = lambda step: {m: row[at(step)] for m, row in made.rows.items()}
    return Sampler(rows, take, len(units), frozenset({"pairs", "weights"}), weights)


KINDS = {"unpaired": unpaired, "paired": paired, "labelled": labelled, "bound": bound}


def _trained_on(dataset, source, complete=False):
    """Bool [n]: windows to train on, of some sources or of all."""
    if complete and not (dataset.split == COMPLETE).any():
        raise ValueError("sampler.complete: the data have no windows of parties, see data.parties")
    rows = dataset.split == (COMPLETE if complete else TRAIN)
    if source is not None:
        rows &= np.isin(dataset.source_numbers(), dataset.sources(source, "sampler.source"))
    return rows


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


def _units_of(batch_size, length, there, what):
    """How many of the runs of `length` windows that are `there` make a batch, two at least."""
    if batch_size % length:
        raise ValueError(
            f"batch_size {batch_size} must be a multiple of sampler.length {length}, as a batch is "
            f"made of whole sequences"
        )
    take = batch_size // length
    if there < min(take, 2):
        raise ValueError(
            f"there are {there} runs of sampler.length={length} {what}: nothing to make a batch of"
            "; give more data, or raise sampler.fraction or sampler.people where they are set"
        )
    # else a power of two, which devices can share
    return take if take <= there else 1 << (there.bit_length() - 1)


def _share(fraction):
    if not 0 < fraction <= 1:
        raise ValueError(f"sampler.fraction must be in (0, 1], got {fraction}")
    return fraction


def _sample(units, take, seed, stream, step):
    """Rows [take * length] of a step: an epoch is one walk through the units, in a new order.

    It ends where no whole batch is left (which units it leaves out changes by epoch): a batch made
    of two epochs could hold a unit twice, and be its own negative. With fewer units than a batch
    (few labels) there is no way around that, and the walk goes on into the next epochs.
    """
    epoch = len(units) // take * take or len(units)
    picks = np.arange(step * take, (step + 1) * take)
    epochs = picks // epoch
    parts = [
        _order(len(units), seed, stream, int(e))[picks[epochs == e] % epoch]
        for e in np.unique(epochs)
    ]
    return units[np.concatenate(parts)].reshape(-1)


@functools.lru_cache(maxsize=32)
def _order(size, seed, stream, epoch):
    key = [seed, epoch, *stream.encode()]
    return np.random.default_rng(key).permutation(size)

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
from mmalign.data import missingness
from mmalign.data.dataset import TRAIN, UNKNOWN, Dataset


class Sampler(NamedTuple):
    """What a training sees at each of its steps.

    rows: step -> {modality: int32 [batch]}, -1 = absent.
    windows: how many distinct windows the rows come from.
    gives: of {"pairs", "labels", "sequences", "weights"}: what a method can count on.
    weights: step -> float32 [batch] of the rows' examples; None: all count alike.
    """

    rows: Callable[[int], dict[str, np.ndarray]]
    windows: int
    gives: frozenset[str]
    weights: Callable[[int], np.ndarray] | None = None

    def at(self, step: int) -> dict[str, Any]:
        """{"rows": ..., "weight": ...} of a step, the latter where examples have weights."""
        seen = {"rows": self.rows(step)}
        return seen if self.weights is None else seen | {"weight": self.weights(step)}


def create(config: Mapping, dataset: Dataset, *, batch_size: int, seed: int) -> Sampler:
    """The sampler that a config describes.

    Args:
      config: `kind`, one of KINDS, and its options, the keyword arguments of that function.
      dataset: only its training windows are used.
      batch_size: windows of a step, a multiple of `length`.
      seed: chooses the subset and the order.
    Raises: ValueError naming the option, when the sampler cannot fill one batch, or a pattern of
      missing sensors cannot be drawn.
    """
    given = dict(config)
    kind = given.pop("kind", None)
    options.known("sampler", kind, KINDS)
    return options.call(f"sampler {kind!r}", KINDS[kind], given, dataset, batch_size, seed)


def unpaired(dataset: Dataset, batch_size: int, seed: int, *, length: int = 1) -> Sampler:
    """Each modality drawn on its own, in runs of `length` consecutive windows."""
    take, train = _units_of(batch_size, length), dataset.split == TRAIN
    units = {m: sequences(dataset, train & dataset.present[m], length) for m in dataset.modalities}
    for m, runs in units.items():
        _check_size(f"{runs.size} windows of {m!r}", runs, batch_size)
    return Sampler(
        lambda step: {m: _sample(runs, take, seed, m, step) for m, runs in units.items()},
        min(len(np.unique(runs)) for runs in units.values()),
        frozenset({"sequences"}),
    )


def paired(
    dataset: Dataset,
    batch_size: int,
    seed: int,
    *,
    fraction: float = 1.0,
    people: int | None = None,
    length: int = 1,
    missing: Mapping | None = None,
) -> Sampler:
    """The same windows for all modalities, those in which two or more are present.

    Args:
      fraction: of the pairs; a smaller one is a part of a larger one.
      people: all pairs come from so many people of the training, drawn by the seed, k of them among
        k + 1; None: from everyone. Not together with a fraction.
      length: consecutive windows of a run.
      missing: a pattern of `missingness.simulate`; what it hides has row -1.
    """
    take = _units_of(batch_size, length)
    together = sum(dataset.present.values()) >= 2
    units = sequences(dataset, (dataset.split == TRAIN) & together, length)
    if people is not None:
        if fraction != 1:
            raise ValueError(
                f"sampler.people={people} and sampler.fraction={fraction} exclude each other: "
                "leave one out"
            )
        units = of_people(units, dataset.group[units[:, 0]], people, seed)
        chosen, remedy = f"of {people} people", "raise sampler.people"
    else:
        units = nested(units, _share(fraction), seed)
        chosen, remedy = f"(fraction {fraction} of the training windows)", "raise sampler.fraction"
    _check_size(f"{units.size} pairs {chosen}", units, batch_size, remedy)
    rows = _shown(dataset, lambda step: _sample(units, take, seed, "paired", step), missing, seed)
    return Sampler(rows, len(np.unique(units)), frozenset({"pairs", "sequences"}))


def labelled(
    dataset: Dataset,
    batch_size: int,
    seed: int,
    *,
    fraction: float = 1.0,
    missing: Mapping | None = None,
) -> Sampler:
    """The same windows for all modalities, all of them labelled: a share of each class, nested.

    Args:
      fraction: of each class, see `labelled_subset`.
      missing: a pattern of `missingness.simulate`; what it hides has row -1.
    """
    train = np.flatnonzero(dataset.split == TRAIN)
    units = labelled_subset(dataset.label, train, _share(fraction), seed)[:, None]
    walk = lambda step: _sample(units, batch_size, seed, "labelled", step)
    rows = _shown(dataset, walk, missing, seed)
    return Sampler(rows, len(units), frozenset({"pairs", "labels"}))


KINDS = {"unpaired": unpaired, "paired": paired, "labelled": labelled}


def _shown(dataset, walk, pattern, seed):
    """`step -> {modality: int32 [b]}` of the windows `walk(step)`, -1 where the pattern hides one.

    A draw depends on the step: the same window loses other sensors the next time it is seen.
    """
    if not pattern:
        return lambda step: dict.fromkeys(dataset.modalities, walk(step))
    missingness.check(pattern, dataset.modalities)
    level = missingness.levels(dataset) if pattern["kind"] == "value" else None

    def rows(step):
        row = walk(step)
        left = missingness.simulate(
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


def _units_of(batch_size, length):
    """How many runs of `length` windows make a batch."""
    if batch_size % length:
        raise ValueError(
            f"batch_size {batch_size} must be a multiple of sampler.length {length}, as a batch is "
            f"made of whole sequences"
        )
    return batch_size // length


def _share(fraction):
    if not 0 < fraction <= 1:
        raise ValueError(f"sampler.fraction must be in (0, 1], got {fraction}")
    return fraction


def _check_size(what, units, batch_size, remedy="give more data"):
    if units.size < batch_size:
        raise ValueError(
            f"the sampler has {what}, fewer than the {batch_size} of one batch: {remedy} or lower "
            "batch_size"
        )


def of_people(units: np.ndarray, group: np.ndarray, people: int, seed: int) -> np.ndarray:
    """The units of a random choice of people, in their order; k people are among k + 1.

    Args:
      units: int32 [units, length].
      group: int32 [units], of whom each unit is; -1 = of nobody known, never chosen.
      people: how many, 1 to all of them.
      seed: of the choice.
    """
    known = np.unique(group[group != UNKNOWN])
    if not 1 <= people <= len(known):
        raise ValueError(
            f"sampler.people must be 1 to {len(known)}, the people with pairs to train on, got "
            f"{people}"
        )
    order = np.random.default_rng((seed, _PEOPLE)).permutation(known)
    return units[np.isin(group, order[:people])]


def sequences(dataset: Dataset, keep: np.ndarray, length: int) -> np.ndarray:
    """Runs of `length` windows that are neighbours in time: int32 [units, length].

    Recordings are cut into consecutive runs; the last of each is filled by repeating its final
    window, as in FOCAL's sampler. `keep` [n] bool: windows that may take part.
    """
    order = np.lexsort((dataset.position, dataset.recording))
    order = order[np.asarray(keep)[order]]
    if not len(order):
        return np.zeros((0, length), np.int32)
    gap = np.diff(dataset.recording[order]) != 0
    gap |= np.diff(dataset.position[order]) != 1  # neighbours only, also around a missing window
    cuts = np.flatnonzero(gap) + 1
    units = []
    for run in np.split(order, cuts):
        short = -len(run) % length
        units.append(np.concatenate([run, np.repeat(run[-1:], short)]).reshape(-1, length))
    return np.concatenate(units).astype(np.int32)


def nested(units: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """A random `fraction` of the units; a smaller fraction is a subset of a larger one."""
    order = np.random.default_rng((seed, _PAIRS)).permutation(len(units))
    return units[order[: max(1, round(fraction * len(units)))]]


def labelled_subset(
    label: np.ndarray, candidates: np.ndarray, fraction: float, seed: int
) -> np.ndarray:
    """Rows of a random share of each class: 1 % lies inside 10 %, and 10 % inside 100 %.

    Args:
      label: [n] ints, -1 = unknown.
      candidates: [m] row numbers to draw from, or [n] bool; unlabelled ones are left out.
      fraction: share of each class, in (0, 1]; at least one window of every class is kept.
      seed: the same seed gives the same order, hence nested subsets.
    Returns: sorted row numbers.
    Raises: ValueError for a fraction outside (0, 1] or when no candidate is labelled.
    """
    label, candidates = np.asarray(label), np.asarray(candidates)
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}")
    if candidates.dtype == bool:
        candidates = np.flatnonzero(candidates)
    candidates = np.unique(candidates[label[candidates] >= 0])
    if not len(candidates):
        raise ValueError("candidates hold no labelled window; labels must be 0 or more to count")
    rows = []
    for c in np.unique(label[candidates]):
        members = candidates[label[candidates] == c]
        order = np.random.default_rng([seed, int(c)]).permutation(members)
        rows.append(order[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(rows)).astype(np.int32)


# streams of random numbers apart from those of the classes
_PAIRS, _PEOPLE = 1 << 31, (1 << 31) + 1


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

"""Views: which rows of a data set a step sees, as pure functions of (seed, step).

A view starts from units, an int32 array [units, length] of training rows: single windows, or runs
of consecutive windows where a method needs neighbours. Pairs, labels and missing sensors choose
among units; a sampler walks through them, in a new order each epoch. A view may hide sensors of
the windows that it shows, by a new draw for every step and window.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mmalign.data import missingness
from mmalign.data.dataset import TRAIN, Dataset

KINDS = {
    "unpaired": ("length",),
    "paired": ("fraction", "length", "missing"),
    "labelled": ("fraction", "missing"),
}


class View(NamedTuple):
    """`rows(step) -> {modality: int32 [batch]}` and how many distinct windows they come from."""

    rows: Callable[[int], dict[str, np.ndarray]]
    windows: int


def create(config, dataset: Dataset, *, batch_size, seed) -> View:
    """The view that a config describes.

    Args:
      config: `kind` "unpaired" (each modality drawn on its own, in runs of `length` consecutive
        windows), "paired" (the same windows for all; `fraction` of the training windows, nested,
        in runs of `length`) or "labelled" (`fraction` of each class, nested). The last two take
        `missing`, a pattern of `missingness.simulate`: what it hides has row -1.
      dataset: only its training windows are used.
      batch_size: windows of a step, a multiple of `length`.
      seed: chooses the subset and the order.
    Raises: ValueError naming the option, when the view cannot fill one batch, or the pattern cannot
      be drawn.
    """
    kind, length = config["kind"], config.get("length", 1)
    fraction = config.get("fraction", 1.0)
    if kind not in KINDS:
        raise ValueError(f"view.kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if unknown := set(config) - {"kind", *KINDS[kind]}:
        raise ValueError(
            f"view {kind!r} has no option {min(unknown)!r}, expected {', '.join(KINDS[kind])}"
        )
    if not 0 < fraction <= 1:
        raise ValueError(f"view.fraction must be in (0, 1], got {fraction}")
    if batch_size % length:
        raise ValueError(
            f"batch_size {batch_size} must be a multiple of view.length {length}, as a batch is "
            f"made of whole sequences"
        )
    train = dataset.split == TRAIN
    take = batch_size // length
    if kind == "unpaired":
        own = {
            m: sequences(dataset, train & dataset.present[m], length) for m in dataset.modalities
        }
        for m, units in own.items():
            _check_size(f"{units.size} windows of {m!r}", units, batch_size, fraction)
        windows = min(len(np.unique(units)) for units in own.values())
        return View(
            lambda step: {m: _sample(x, take, seed, m, step) for m, x in own.items()}, windows
        )

    if kind == "paired":
        together = sum(dataset.present.values()) >= 2
        units = nested(sequences(dataset, train & together, length), fraction, seed)
        _check_size(f"{units.size} pairs", units, batch_size, fraction)
    else:
        units = labelled_subset(dataset.label, np.flatnonzero(train), fraction, seed)[:, None]

    pattern = config.get("missing")
    if pattern is not None:
        missingness.check(pattern, dataset.modalities)
    by_value = pattern is not None and pattern["kind"] == "value"
    level = missingness.levels(dataset) if by_value else None

    def rows(step):
        row = _sample(units, take, seed, kind, step)
        if pattern is None:
            return dict.fromkeys(dataset.modalities, row)
        return _hidden(pattern, dataset, row, seed, step, level)

    return View(rows, len(np.unique(units)))


def _hidden(pattern, dataset, row, seed, step, level):
    """{modality: int32 [b]}, -1 where the pattern hides it at this step."""
    left = missingness.simulate(
        pattern, {m: here[row] for m, here in dataset.present.items()}, group=dataset.group[row],
        recording=dataset.recording[row], position=dataset.position[row], seed=seed, step=step,
        level=level and {m: x[row] for m, x in level.items()},
    )  # fmt: skip
    return {m: np.where(here, row, -1).astype(np.int32) for m, here in left.items()}


def _check_size(what, units, needed, fraction):
    if units.size < needed:
        raise ValueError(
            f"the view has {what} (fraction {fraction} of the training windows), fewer than the "
            f"{needed} of one batch: raise view.fraction or lower batch_size"
        )


def sequences(dataset: Dataset, keep, length):
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


def nested(units, fraction, seed):
    """A random `fraction` of the units; a smaller fraction is a subset of a larger one."""
    order = np.random.default_rng((seed, _PAIRS)).permutation(len(units))
    return units[order[: max(1, round(fraction * len(units)))]]


def labelled_subset(label, candidates, fraction, seed):
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


_PAIRS = 1 << 31  # a stream of random numbers apart from those of the classes


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

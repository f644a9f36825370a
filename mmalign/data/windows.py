"""Recordings cut into windows: which rows, which label, and all of them in one data set."""

import itertools
import math
from typing import NamedTuple

import numpy as np

from mmalign.data.dataset import TEST, TRAIN, UNKNOWN, Dataset


class Part(NamedTuple):
    """The windows of one recording, in time order.

    inputs: {modality: float32 [n, time, channels]}; present: {modality: bool [n]}.
    label: int [n], -1 = unknown. group: the subject. split: TRAIN or TEST.
    """

    inputs: dict
    present: dict
    label: np.ndarray
    group: int
    split: int


def cut(length, steps, hop):
    """Rows of the windows of a recording: int [windows, steps].

    Args:
      length: rows of the recording; what is left at its end fills no window.
      steps: rows of a window.
      hop: rows from the start of one window to that of the next.
    """
    return np.arange(0, length - steps + 1, hop)[:, None] + np.arange(steps)


def samples(duration_s, rate_hz, what):
    """`duration_s` as a number of samples at `rate_hz`; ValueError if that is not a whole one."""
    count = duration_s * rate_hz
    if round(count) < 1 or abs(count - round(count)) > 1e-6:
        raise ValueError(f"{what}: {duration_s:g} s are no whole number of samples at {rate_hz} Hz")
    return round(count)


def hop(steps, overlap):
    """Rows between windows of `steps` rows that share the part `overlap` of them."""
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must be in [0, 1), got {overlap}")
    return samples(steps, 1 - overlap, f"windows of {steps} rows with overlap={overlap}")


def majority(codes, classes):
    """(label int32 [windows], its share of the window [windows]), each window's most frequent code.

    Args:
      codes: int [windows, ...] in [-1, classes); -1 (unknown) counts like any other. Of equally
        frequent codes the lowest wins.
      classes: number of classes.
    """
    within = tuple(range(1, codes.ndim))
    counts = np.stack([(codes == c).sum(axis=within) for c in range(UNKNOWN, classes)], axis=1)
    share = counts.max(axis=1) / math.prod(codes.shape[1:])
    return (counts.argmax(axis=1) + UNKNOWN).astype(np.int32), share


def segments(*columns):
    """[(first row, row after the last)] of the stretches in which no column [n] changes."""
    change = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    edges = [0, *(np.flatnonzero(change) + 1).tolist(), len(columns[0])]
    return list(itertools.pairwise(edges))


def joined(path, parts, description):
    """The Dataset of the windows of all recordings, numbered in the order in which they come.

    A window in which no modality is present is left out; its place in time stays empty.

    Args:
      path: of the data set, for the message.
      parts: `Part` of each recording.
      description: of the data set.
    Raises: ValueError if a split, or a modality in training, is left without a window.
    """
    there = [np.any(list(part.present.values()), axis=0) for part in parts]
    sizes = [np.count_nonzero(keep) for keep in there]

    def column(values, dtype):
        return np.repeat(np.array(values, dtype), sizes)

    def stacked(name, m):
        return np.concatenate([getattr(part, name)[m][keep] for part, keep in zip(parts, there)])

    split = column([part.split for part in parts], np.int8)
    for name, code in (("training", TRAIN), ("test", TEST)):
        if not (split == code).any():
            raise ValueError(
                f"{path}: no window is left for {name}: the recordings are shorter than a window, "
                "or incomplete throughout; take shorter windows"
            )
    present = {m: stacked("present", m) for m in parts[0].present}
    for m, value in present.items():
        if not value[split == TRAIN].any():
            raise ValueError(f"{path}: {m} is present in no training window; take shorter windows")
    return Dataset(
        inputs={m: stacked("inputs", m) for m in parts[0].inputs},
        present=present,
        label=np.concatenate([p.label[keep] for p, keep in zip(parts, there)]).astype(np.int32),
        group=column([part.group for part in parts], np.int32),
        split=split,
        recording=column(range(len(parts)), np.int32),
        position=np.concatenate([np.flatnonzero(keep) for keep in there]).astype(np.int32),
        description=description,
    )

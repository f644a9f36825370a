"""Recordings cut into windows: which rows, which label, and all of them in one data set."""

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmalign.data.dataset import LABEL, TEST, TRAIN, UNKNOWN, Dataset, Description


class Windows(NamedTuple):
    """Windows of one modality of a recording, in time order.

    values: float32 [n, time, channels], zeros where not valid.
    present: bool [n].
    valid: bool [n, time], the samples that are real; False throughout where absent.
    """

    values: np.ndarray
    present: np.ndarray
    valid: np.ndarray


class Part(NamedTuple):
    """The windows of one recording, in time order.

    windows: {modality: Windows}. label: int [n], -1 = unknown. group: the subject. split: TRAIN or
    TEST.
    """

    windows: dict[str, Windows]
    label: np.ndarray
    group: int
    split: int


def cut(length: int, steps: int, hop: int) -> np.ndarray:
    """Rows of the windows of a recording: int [windows, steps].

    Args:
      length: rows of the recording; what is left at its end fills no window.
      steps: rows of a window.
      hop: rows from the start of one window to that of the next.
    """
    return np.arange(0, length - steps + 1, hop)[:, None] + np.arange(steps)


def samples(duration_s: float, rate_hz: float, what: str) -> int:
    """`duration_s` as a number of samples at `rate_hz`; ValueError if that is not a whole one."""
    count = duration_s * rate_hz
    if round(count) < 1 or abs(count - round(count)) > 1e-6:
        raise ValueError(f"{what}: {duration_s:g} s are no whole number of samples at {rate_hz} Hz")
    return round(count)


def hop(steps: int, overlap: float) -> int:
    """Rows between windows of `steps` rows that share the part `overlap` of them."""
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must be in [0, 1), got {overlap}")
    return samples(steps, 1 - overlap, f"windows of {steps} rows with overlap={overlap}")


def majority(codes: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
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


def segments(*columns: np.ndarray) -> list[tuple[int, int]]:
    """[(first row, row after the last)] of the stretches in which no column [n] changes."""
    change = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    edges = [0, *(np.flatnonzero(change) + 1).tolist(), len(columns[0])]
    return list(itertools.pairwise(edges))


def joined(path: str | os.PathLike, parts: Sequence[Part], description: Description) -> Dataset:
    """The Dataset of the windows of all recordings, numbered in the order in which they come.

    A window in which no modality is present is left out; its place in time stays empty.

    Args:
      path: of the data set, for the message.
      parts: of all recordings.
      description: of the data set.
    Raises: ValueError if a split, or a modality in training, is left without a window.
    """
    kept = [np.any([x.present for x in part.windows.values()], axis=0) for part in parts]
    sizes = [np.count_nonzero(rows) for rows in kept]

    def column(values, dtype):
        return np.repeat(np.array(values, dtype), sizes)

    split = column([part.split for part in parts], np.int8)
    for name, code in (("training", TRAIN), ("test", TEST)):
        if not (split == code).any():
            raise ValueError(
                f"{path}: no window is left for {name}: the recordings are shorter than a window, "
                "or incomplete throughout; take shorter windows"
            )
    windows = {m: _stacked([part.windows[m] for part in parts], kept) for m in parts[0].windows}
    for m, x in windows.items():
        if not x.present[split == TRAIN].any():
            raise ValueError(f"{path}: {m} is present in no training window; take shorter windows")
    label = np.concatenate([part.label[rows] for part, rows in zip(parts, kept)])
    return Dataset(
        inputs={m: x.values for m, x in windows.items()},
        present={m: x.present for m, x in windows.items()},
        valid=with_gaps({m: x.valid for m, x in windows.items()}),
        targets={LABEL: label.astype(np.int32)},
        group=column([part.group for part in parts], np.int32),
        split=split,
        recording=column(range(len(parts)), np.int32),
        position=np.concatenate([np.flatnonzero(rows) for rows in kept]).astype(np.int32),
        description=description,
    )


def with_gaps(valid: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of {modality: bool [n, time]} in which a window is valid in a part of its samples."""
    return {m: x for m, x in valid.items() if (x.any(axis=1) & ~x.all(axis=1)).any()}


def _stacked(parts, kept):
    """The `Windows` of all recordings, those alone of which `kept`, bool [n] of each, is True."""
    return Windows(
        *(np.concatenate([x[rows] for x, rows in zip(column, kept)]) for column in zip(*parts))
    )

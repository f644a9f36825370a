"""Data sets as prepared for UniMTS: X_train.npy, y_train.npy, the same of the test, and a json."""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from mmalign.data.arrays import JOINT, parts_of, windows
from mmalign.data.dataset import Dataset

KEY = "label_dictionary"


def load(
    *, path: str | os.PathLike, rate_hz: float | Mapping[str, float] | None = None,
    sensors: Mapping[str, Sequence[int]] | None = None, test_fraction: float = 0.25,
    split_seed: int = 0,
) -> Dataset:  # fmt: skip
    """The windows of one data set's folder, such as UniMTS_data/TNDA-HAR.

    X_train.npy and X_test.npy: [n, time, channels]; y_train.npy and y_test.npy: [n] integers from
    0; and one .json whose "label_dictionary" is {"0": ["stand"], "1": ["walk"], ...}, the words
    for each. What channels are and at which rate differs from set to set and is in no file: of
    sets that follow the authors' own order, (acc_x, acc_y, acc_z, gyro_x, gyro_y, gyro_z) of one
    place after the other, sensors are (0, 3), (3, 6), (6, 9) and so on. People are not known: the
    split is the published one, of one part alone drawn from its windows. No window is another's
    neighbour, as their order is not known.

    Args:
      path: the folder.
      rate_hz, sensors, test_fraction, split_seed: as of `arrays.load`.
    Returns: Dataset, as of `arrays.load`.
    Raises: FileNotFoundError, ValueError that name the file and what would do.
    References: Zhang et al. 2024, UniMTS, arXiv:2410.19818; the layout is that of its repository.
    """
    folder = pathlib.Path(path).expanduser()
    parts = parts_of(folder)
    for end, of in parts.items():
        if JOINT not in of or "y" not in of:
            raise ValueError(f"{folder} needs X{end}.npy and y{end}.npy, the windows and labels")
        of.setdefault("recording", np.arange(len(of[JOINT])))
    return windows(
        folder, parts, rate_hz=rate_hz, sensors=sensors, class_names=_classes(folder),
        test_fraction=test_fraction, split_seed=split_seed,
    )  # fmt: skip


def _classes(folder):
    """Names of the classes by their numbers."""
    found = {file: words for file in sorted(folder.glob("*.json"))
             if (words := _content(file)) is not None}  # fmt: skip
    if len(found) != 1:
        raise ValueError(
            f"{folder} needs one .json with {KEY!r} and has {len(found)}: "
            f'{{"{KEY}": {{"0": ["stand"], "1": ["walk"]}}}}'
        )
    file, words = found.popitem()
    numbers = [str(i) for i in range(len(words))]
    if sorted(words) != sorted(numbers) or not all(map(_are_words, words.values())):
        raise ValueError(
            f"{file}: {KEY!r} must give words for each class from 0 on, such as "
            f'{{"0": ["stand"]}}, got {str(words)[:80]}'
        )
    return [" ".join(words[i]) for i in numbers]


def _content(file):
    """What a json has at KEY, None where it has not."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no json: {error}") from error
    words = content.get(KEY) if isinstance(content, dict) else None
    return words if isinstance(words, dict) else None


def _are_words(value):
    return isinstance(value, list) and value and all(isinstance(x, str) for x in value)

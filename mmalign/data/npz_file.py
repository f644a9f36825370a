"""One .npz file of a user's windows: read without unpickling, and checked."""

import collections
import difflib
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mmalign.data.dataset import LABEL
from mmalign.data.names import check_key
from mmalign.data.npz_arrays import arrays_of
from mmalign.data.npz_columns import COLUMNS, check_label, read_column, read_target, read_words
from mmalign.data.npz_modality import NpzModality, read_modality, shapes

CLASS_NAMES, TARGET = "class_names", "target_"  # the latter before the name of a task
OF_A_MODALITY = ("present_", "rate_hz_", "kind_")  # before the name of one
# what else columns are called: no modality, whatever its shape
MEANT = dict.fromkeys(("labels", "target", "targets"), LABEL) | dict.fromkeys(
    ("subject", "subjects", "subject_id", "groups", "person", "people", "participant"), "group"
)
LIKELY = MEANT | dict.fromkeys(("y", "class", "classes", "activity"), LABEL)  # in [n] alone


class NpzFile(NamedTuple):
    """What a file holds, checked.

    columns: {name: [n]}, those of COLUMNS that are given. targets: {task: [n, ...]}.
    """

    modalities: dict[str, NpzModality]
    columns: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    class_names: tuple[str, ...]

    @property
    def length(self) -> int:
        return len(next(iter(self.modalities.values())).present)


def read_file(file: pathlib.Path) -> NpzFile:
    """`NpzFile` of a path; its keys are those of `npz.load`. ValueError names what is wrong."""
    return _checked(file, arrays_of(file))


def _checked(file, arrays):
    """`NpzFile` of the arrays of one file."""
    names = _names(file, arrays)
    tasks = [key.removeprefix(TARGET) for key in arrays if key.startswith(TARGET)]
    for what, keys in {"a modality": names, "a target": tasks}.items():
        for key in keys:
            check_key(f"{file}: {what}", key)
    lengths = {m: len(np.atleast_1d(arrays[m])) for m in names}
    n = lengths[names[0]]
    if set(lengths.values()) != {n}:
        raise ValueError(
            f"{file}: modalities hold unequal numbers of windows, {lengths}: row i of each must "
            "be the same moment; fill missing windows with NaN"
        )
    modalities = {
        m: read_modality(file, m, arrays[m], *(arrays.get(key + m) for key in OF_A_MODALITY))
        for m in names
    }
    check_some_present(file, modalities)
    class_names = _class_names(file, arrays)
    columns = {key: read_column(file, key, arrays[key], n) for key in COLUMNS if key in arrays}
    if LABEL in columns:
        check_label(file, columns[LABEL], class_names)
    targets = {task: read_target(file, TARGET + task, arrays[TARGET + task], n) for task in tasks}
    if LABEL in targets:
        raise ValueError(f"{file}: {TARGET + LABEL!r} must be called {LABEL!r}")
    return NpzFile(modalities, columns, targets, class_names)


def check_some_present(file: pathlib.Path, modalities: Mapping[str, NpzModality]) -> None:
    """Raises ValueError for a window without any modality."""
    nowhere = ~np.any([x.present for x in modalities.values()], axis=0)
    if nowhere.any():
        raise ValueError(
            f"{file}: window {nowhere.argmax()} has no modality present: leave such windows out"
        )


def _class_names(file, arrays):
    """Strings, none where the file has none."""
    if CLASS_NAMES not in arrays:
        return ()
    names = tuple(read_words(file, CLASS_NAMES, arrays[CLASS_NAMES]).ravel().tolist())
    if twice := [name for name, count in collections.Counter(names).items() if count > 1]:
        raise ValueError(f"{file}: {CLASS_NAMES!r} has {twice[0]!r} twice: give each class a name")
    return names


def _names(file, arrays):
    """Names of the modalities: all keys that mean nothing else."""
    prefixes = (*OF_A_MODALITY, TARGET)
    extras = {k for k in arrays if k in (*COLUMNS, CLASS_NAMES) or k.startswith(prefixes)}
    names = [key for key in arrays if key not in extras]
    for key in names:
        if arrays[key].ndim < 2 or key.lower() in MEANT:
            _refuse(file, key, arrays)
    if len(names) < 2:
        raise ValueError(
            f"{file}: alignment needs two modalities or more, got {names} (other keys: "
            f"{sorted(extras)}): add an array [n, time, channels] for each"
        )
    for key in extras:
        for prefix in OF_A_MODALITY:
            if key.startswith(prefix) and key.removeprefix(prefix) not in names:
                raise ValueError(f"{file}: {key!r} belongs to no modality of {names}")
    return names


def _refuse(file, key, arrays):
    """Raises ValueError for a key that means nothing and is no array of windows."""
    modalities = [m for m, x in arrays.items() if x.ndim > 1]
    known = [*COLUMNS, CLASS_NAMES, *(p + m for p in OF_A_MODALITY for m in modalities)]
    near = LIKELY.get(key.lower()) or next(iter(difflib.get_close_matches(key, known, 1)), None)
    raise ValueError(
        f"{file}: {key!r} must be one of {shapes()}, to be a modality, got {arrays[key].shape}"
        + (f" (did you mean {near!r}?)" if near else "")
        + f"; keys that are no modality: {', '.join((*COLUMNS, CLASS_NAMES))}, target_<task> and "
        f"{', '.join(f'{prefix}<modality>' for prefix in OF_A_MODALITY)}"
    )

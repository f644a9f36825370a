"""One .npz file of a user's windows: read without unpickling, and checked."""

import pathlib
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from mmalign.data.dataset import LABEL
from mmalign.data.npz_columns import COLUMNS, check_label, read_column, read_target
from mmalign.data.npz_modality import NpzModality, read_modality

CLASS_NAMES, TARGET = "class_names", "target_"  # the latter before the name of a task
OF_A_MODALITY = ("present_", "rate_hz_", "kind_")  # before the name of one


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


def arrays_of(file: pathlib.Path) -> dict[str, np.ndarray]:
    """{key: array} of a file, without unpickling anything."""
    with open(file, "rb") as stream:  # np.load does not close what it opened and could not read
        try:
            stored = np.load(stream, allow_pickle=False)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{file} ({file.stat().st_size:,} bytes) is not a whole .npz file ({error}): "
                "write it again with np.savez"
            ) from error
        if isinstance(stored, np.ndarray):
            raise ValueError(
                f"{file} holds one bare array: write np.savez(file, acc=..., gyro=...)"
            )
        with stored:
            return {key: _array(file, stored, key) for key in stored.files}


def _array(file, stored, key):
    try:
        return np.asarray(stored[key])
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        hint = "the file is damaged, write it again"
        if "allow_pickle" in str(error):
            hint = (
                "arrays of Python objects, such as windows of unequal length, are never unpickled: "
                "cut the windows to one length and save an array of numbers"
            )
        raise ValueError(f"{file}: {key!r} cannot be read ({error}): {hint}") from error


def _checked(file, arrays):
    """`NpzFile` of the arrays of one file."""
    names = _names(file, arrays)
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
    nowhere = ~np.any([x.present for x in modalities.values()], axis=0)
    if nowhere.any():
        raise ValueError(
            f"{file}: window {nowhere.argmax()} has no modality present: leave such windows out"
        )
    class_names = tuple(np.atleast_1d(arrays.get(CLASS_NAMES, ())).astype(str).tolist())
    columns = {key: read_column(file, key, arrays[key], n) for key in COLUMNS if key in arrays}
    if LABEL in columns:
        check_label(file, columns[LABEL], class_names)
    targets = {
        key.removeprefix(TARGET): read_target(file, key, x, n)
        for key, x in arrays.items()
        if key.startswith(TARGET)
    }
    if LABEL in targets:
        raise ValueError(f"{file}: {TARGET + LABEL!r} must be called {LABEL!r}")
    return NpzFile(modalities, columns, targets, class_names)


def _names(file, arrays):
    """Names of the modalities: all keys that mean nothing else."""
    prefixes = (*OF_A_MODALITY, TARGET)
    extras = {k for k in arrays if k in (*COLUMNS, CLASS_NAMES) or k.startswith(prefixes)}
    names = [key for key in arrays if key not in extras]
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

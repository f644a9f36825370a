"""One .npz file of a user's windows: read without unpickling, and checked."""

import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from mmalign.data.dataset import TEST, TRAIN

COLUMNS = ("label", "group", "split", "recording", "position")  # [n], all optional
PRESENT, RATE_HZ, CLASS_NAMES = "present_", "rate_hz_", "class_names"
SPLITS = {"train": TRAIN, "test": TEST}


class NpzFile(NamedTuple):
    """What a file holds, checked; absent windows are zeros."""

    inputs: dict  # float32 [n, time, channels]
    present: dict  # bool [n]
    columns: dict  # those of COLUMNS that are given
    rate_hz: dict
    class_names: tuple

    @property
    def length(self):
        return len(next(iter(self.present.values())))


def read_file(file):
    """`NpzFile` of a path; its keys are those of `npz.load`. ValueError names what is wrong."""
    return _checked(file, _arrays(file))


def _arrays(file):
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
    extras = {k for k in arrays if k in (*COLUMNS, CLASS_NAMES) or k.startswith((PRESENT, RATE_HZ))}
    modalities = [key for key in arrays if key not in extras]
    if len(modalities) < 2:
        raise ValueError(
            f"{file}: alignment needs two modalities or more, got {modalities} (other keys: "
            f"{sorted(extras)}): add an array [n, time, channels] for each"
        )
    for key in extras:
        modality = key.removeprefix(PRESENT).removeprefix(RATE_HZ)
        if modality != key and modality not in modalities:
            raise ValueError(f"{file}: {key!r} belongs to no modality of {modalities}")
    lengths = {key: len(np.atleast_1d(arrays[key])) for key in modalities}
    n = lengths[modalities[0]]
    if set(lengths.values()) != {n}:
        raise ValueError(
            f"{file}: modalities hold unequal numbers of windows, {lengths}: row i of each must "
            "be the same moment; fill missing windows with NaN"
        )
    inputs, present, rate_hz = {}, {}, {}
    for m in modalities:
        given = arrays.get(PRESENT + m)
        inputs[m], present[m] = _modality(file, m, arrays[m], given)
        rate_hz[m] = _rate(file, m, arrays.get(RATE_HZ + m, 1.0))
    nowhere = ~np.any(list(present.values()), axis=0)
    if nowhere.any():
        raise ValueError(
            f"{file}: window {nowhere.argmax()} has no modality present: leave such windows out"
        )
    class_names = tuple(np.atleast_1d(arrays.get(CLASS_NAMES, ())).astype(str).tolist())
    columns = {key: _column(file, key, arrays[key], n) for key in COLUMNS if key in arrays}
    if "label" in columns:
        _check_label(file, columns["label"], class_names)
    return NpzFile(inputs, present, columns, rate_hz, class_names)


def _modality(file, name, x, given):
    """(float32 [n, time, channels] with zeros where absent, bool [n] present)."""
    if x.ndim != 3 or 0 in x.shape:
        hint = {
            1: f"; keys that are no modality: {', '.join((*COLUMNS, CLASS_NAMES))}",
            2: f"; for one channel save {name}[:, :, None]",
        }.get(x.ndim, "")
        raise ValueError(
            f"{file}: modality {name!r} must be [n, time, channels], none 0, got {x.shape}{hint}"
        )
    if x.dtype.kind not in "fiu":
        raise ValueError(f"{file}: modality {name!r} must be real numbers, got {x.dtype}")
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    nan = np.isnan(x)
    if given is None:
        present = ~nan.all(axis=(1, 2))
    elif given.shape != x.shape[:1] or given.dtype.kind not in "biuf" or set(given) - {0, 1}:
        raise ValueError(
            f"{file}: {PRESENT + name!r} must be bool [{len(x)}], got {given.dtype} {given.shape}"
        )
    else:
        present = given.astype(bool)
    bad = present & nan.any(axis=(1, 2))
    if bad.any():
        raise ValueError(
            f"{file}: modality {name!r} has NaN in window {bad.argmax()} ({bad.sum()} such "
            f"windows), which counts as present: fill the gap, or mark the window missing by "
            f"{PRESENT + name} False or NaN throughout"
        )
    bad = present & np.isinf(x).any(axis=(1, 2))
    if bad.any():
        raise ValueError(f"{file}: modality {name!r} has infinite values in window {bad.argmax()}")
    return np.where(present[:, None, None], x, np.float32(0)), present


def _rate(file, name, value):
    value = np.asarray(value)
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < value.item() < np.inf:
        raise ValueError(
            f"{file}: {RATE_HZ + name!r} must be one positive number, got {value.tolist()}"
        )
    return float(value.item())


def _column(file, key, x, n):
    """[n] integers, or strings for `group`."""
    if x.shape != (n,):
        raise ValueError(f"{file}: {key!r} must be [{n}], one entry a window, got {x.shape}")
    if key == "group" and x.dtype.kind in "US":
        return x.astype(str)
    if key == "split" and x.dtype.kind in "US":
        wrong = sorted(set(x.astype(str).tolist()) - set(SPLITS))
        if wrong:
            raise ValueError(f"{file}: 'split' must be 'train' or 'test', got {wrong[0]!r}")
        return np.where(x.astype(str) == "test", TEST, TRAIN)
    if x.dtype.kind not in "iu" and not (key == "split" and x.dtype.kind == "b"):
        hint = (
            "; number strings by np.unique(x, return_inverse=True)" if x.dtype.kind in "US" else ""
        )
        raise ValueError(f"{file}: {key!r} must be integers, got {x.dtype}{hint}")
    low, high = {"split": (TRAIN, TEST), "label": (-1, 2**31 - 1), "group": (-1, 2**31 - 1)}.get(
        key, (0, 2**31 - 1)
    )
    bad = (x < low) | (x > high)
    if bad.any():
        raise ValueError(
            f"{file}: {key!r} must be in {low}..{high}{' (-1 = unknown)' if low < 0 else ''}, "
            f"got {x[bad][0]} in window {bad.argmax()}"
        )
    return x.astype(np.int64)


def _check_label(file, label, class_names):
    bad = label >= (len(class_names) or np.inf)
    if bad.any():
        raise ValueError(
            f"{file}: 'label' {label[bad][0]} in window {bad.argmax()} is out of range: "
            f"'class_names' names {len(class_names)} classes, 0..{len(class_names) - 1}"
        )

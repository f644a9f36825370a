"""The user's own windows: one .npz file, or a folder of them.

`python -m mmalign.data.npz FILE_OR_FOLDER` says what is in it.
"""

from mmalign.signals import leave_at_signals

if __name__ == "__main__":
    leave_at_signals()  # before imports that take a second

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmalign.data.dataset import (
    LABEL,
    TEST,
    TRAIN,
    UNKNOWN,
    Dataset,
    Description,
    Task,
    check_uncut,
)
from mmalign.data.npz_columns import number_labels
from mmalign.data.npz_file import NpzFile, read_file
from mmalign.data.npz_modality import NpzModality
from mmalign.data.subsets import for_test
from mmalign.data.windows import with_gaps


def load(
    path: str | os.PathLike, *, test_fraction: float = 0.25, split_seed: int = 0,
    stride_s: float | None = None,
) -> Dataset:  # fmt: skip
    """The windows of a .npz file, or of all .npz files of a folder, one file after the other.

    Keys of a file:
      <modality>: numbers, a series [n, time, channels], an image [n, height, width, channels] or a
        vector [n, features]; two modalities or more. A window that is NaN throughout is a missing
        sensor; a sample of a series with NaN in any channel is not valid, and the rest of its
        window is used.
      kind_<modality>: "series", "image", "vector", or "sequence" for [n, tokens, features].
      present_<modality>: [n] bool, says outright where the sensor is missing.
      rate_hz_<modality>: samples a second, of every series.
      label: [n] integers from 0, -1 = unknown; or strings, "" = unknown. class_names: [classes]
        strings; of labels that are strings, what is 0, 1 and so on (by default as sorted).
      target_<task>: another thing to tell of a window: [n] integers (classes, -1 = unknown), [n] or
        [n, k] floats (real numbers, NaN = unknown), or [n, k] bool or int8 (several labels at once,
        -1 = unknown).
      group: [n] integers or strings, the person; -1 = unknown.
      split: [n] 0 or "train", 1 or "test", 2 or "validation". A group is in one of them alone.
      recording, position: [n] integers. Without them the windows of one group in one file count
        as one recording, in time order.

    Without `split`, a part of the groups is kept for the test; without `group` as well, of the
    recordings; if there is only one recording, of the windows (neighbours that overlap then sit on
    both sides, which flatters every result).

    Args:
      path: file or folder.
      test_fraction: of the groups, recordings or windows, where there is no `split`.
      split_seed: draws them.
      stride_s: seconds from the start of a window to that of the next of its recording, for
        minutes of pairs; None: windows are taken to lie side by side.
    Returns: Dataset; absent windows are zeros; groups given as strings are numbered as sorted.
    Raises: FileNotFoundError, ValueError that name the file, the key and the first bad row. Arrays
      of Python objects are refused, never unpickled.
    """
    files = _files(path)
    return dataset_of(
        path, files, [read_file(file) for file in files], test_fraction=test_fraction,
        split_seed=split_seed, stride_s=stride_s,
    )  # fmt: skip


def dataset_of(
    path: str | os.PathLike, files: Sequence[pathlib.Path], parts: Sequence[NpzFile], *,
    test_fraction: float, split_seed: int, stride_s: float | None,
) -> Dataset:  # fmt: skip
    """The Dataset of all files of a path, read; arguments as of `load`."""
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be between 0 and 1, got {test_fraction}")
    if stride_s is not None and not stride_s > 0:
        raise ValueError(f"options.stride_s must be positive, in seconds, got {stride_s}")
    data = _joined(files, parts)
    columns = data.columns
    if "split" not in columns:
        columns["split"] = _held_out(
            path, columns["group"], columns["recording"], test_fraction, split_seed
        )
    present = {m: x.present for m, x in data.modalities.items()}
    _check_split(path, columns["split"], columns["group"], present)
    targets = dict(data.targets)
    if LABEL in columns:
        targets = {LABEL: columns.pop(LABEL).astype(np.int32)} | targets
    types = {"split": np.int8}
    integers: dict[str, Any] = {
        key: column.astype(types.get(key, np.int32)) for key, column in columns.items()
    }
    return Dataset(
        inputs={m: x.values for m, x in data.modalities.items()},
        present=present,
        valid=with_gaps({m: x.valid for m, x in data.modalities.items() if x.valid is not None}),
        targets=targets,
        description=_description(pathlib.Path(path).stem, data, stride_s),
        **integers,
    )


def _description(name, data, stride_s):
    modalities = data.modalities.items()
    return Description(
        name=name,
        rate_hz={m: x.rate_hz for m, x in modalities if x.rate_hz is not None},
        unit=dict.fromkeys(data.modalities, ""),
        channels={m: tuple(map(str, range(x.values.shape[-1]))) for m, x in modalities},
        class_names=data.class_names,
        kind={m: x.kind for m, x in modalities},
        targets={task: _task(x) for task, x in data.targets.items()},
        stride_s=stride_s,
    )


def _task(target):
    """`Task` of a target, by its type."""
    if target.dtype == np.int32:
        return Task("classes", int(target.max(initial=UNKNOWN)) + 1)
    size = target.shape[1] if target.ndim == 2 else 1
    return Task("real" if target.dtype == np.float32 else "multi_hot", size)


def _files(path):
    path = pathlib.Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"--config.data.path={path} does not exist")
    files = [path]
    if path.is_dir():  # without what systems leave beside files, such as ._a.npz
        files = sorted(x for x in path.glob("*.npz") if x.is_file() and x.name[0] != ".")
    if not files:
        raise FileNotFoundError(f"--config.data.path={path} holds no .npz file")
    return files


def _joined(files, parts):
    """All files as one `NpzFile`, every column but `split` and `label` filled in."""
    _check_layout(files, parts)
    n = sum(part.length for part in parts)
    together = lambda name: {
        key: np.concatenate([getattr(part, name)[key] for part in parts])
        for key in getattr(parts[0], name)
    }
    columns, targets = together("columns"), together("targets")
    columns.setdefault("group", np.full(n, UNKNOWN))
    if columns["group"].dtype.kind == "U":
        columns["group"] = np.unique(columns["group"], return_inverse=True)[1]
    # a file numbers its recordings on its own
    file_of = np.repeat(np.arange(len(parts)), [part.length for part in parts])
    pair = np.stack([file_of, columns.get("recording", columns["group"])])
    columns["recording"] = np.unique(pair, axis=1, return_inverse=True)[1].ravel()
    columns.setdefault("position", _count(columns["recording"]))
    names = parts[0].class_names
    if LABEL in columns and columns[LABEL].dtype.kind == "U":
        columns[LABEL], names = number_labels(columns[LABEL], names)
    elif LABEL in columns and not names:
        remedy = ", or name them in 'class_names'"
        _check_codes(files, file_of, LABEL, columns[LABEL], remedy)
    for task, x in targets.items():
        if x.dtype == np.int32:
            _check_codes(files, file_of, f"target_{task}", x)
    modalities = {m: _stacked([part.modalities[m] for part in parts]) for m in parts[0].modalities}
    return NpzFile(modalities, columns, targets, names)


def _check_codes(files, file_of, key, codes, remedy=""):
    if codes.max() >= len(codes):
        raise ValueError(
            f"{files[file_of[codes.argmax()]]}: {key!r} {codes.max()} is out of range, as there "
            f"are {len(codes)} windows: number the classes from 0{remedy}"
        )


def _stacked(parts):
    """One modality of all files."""
    values, present = (
        np.concatenate(arrays) for arrays in zip(*((part.values, part.present) for part in parts))
    )
    gaps = [part.valid for part in parts if part.valid is not None]
    valid = np.concatenate(gaps) if gaps else None
    return NpzModality(values, present, valid, parts[0].kind, parts[0].rate_hz)


def _check_layout(files, parts):
    """Raises ValueError where the files of a folder have not the same in common."""
    first = _layout(parts[0])
    for file, part in zip(files[1:], parts[1:]):
        for what, found in _layout(part).items():
            if found != first[what]:
                raise ValueError(
                    f"{what} of {file} differ from those of {files[0]}: {found} against "
                    f"{first[what]}; all files of a folder must agree"
                )


def _layout(part):
    """What all files of a folder must have in common."""
    modalities = part.modalities.items()
    return {
        "modalities": {m: (x.kind, x.values.shape[1:]) for m, x in modalities},
        "columns": {
            k: "text" if x.dtype.kind == "U" else "integers" for k, x in part.columns.items()
        },
        "targets": {task: (x.dtype.name, x.shape[1:]) for task, x in part.targets.items()},
        "rates": {m: x.rate_hz for m, x in modalities},
        "class names": part.class_names,
    }


def _count(key):
    """How many earlier rows have the same key: [n] -> [n]."""
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    count = np.empty(len(key), int)
    count[order] = np.arange(len(key)) - np.repeat(starts, np.diff(starts, append=len(key)))
    return count


def _held_out(path, group, recording, fraction, seed):
    """Split by groups, or by recordings, or by windows: the first of which there are two."""
    unit = group if (group != UNKNOWN).any() else recording
    if unit is recording and len(np.unique(recording)) < 2:
        unit = np.arange(len(recording))
    names = np.unique(unit[unit != UNKNOWN])
    if len(names) < 2:
        raise ValueError(
            f"{path} holds one group (or one window) only, so nothing can be held out for the "
            "test: give 'split', or more groups"
        )
    return np.where(np.isin(unit, for_test(names, fraction, seed)), TEST, TRAIN)


def _check_split(path, split, group, present):
    for name, code in (("train", TRAIN), ("test", TEST)):
        if not (split == code).any():
            raise ValueError(f"{path}: 'split' puts no window into {name}")
    check_uncut(path, split, group, "group")
    for m, windows in present.items():
        if not windows[split == TRAIN].any():
            raise ValueError(
                f"{path}: modality {m!r} is present in no training window: leave it out of the "
                "file, or give it windows of people who are trained on"
            )


if __name__ == "__main__":
    from mmalign.data.npz_summary import main
    from mmalign.signals import answered

    answered(main)

"""The user's own windows: one .npz file, or a folder of them."""

import pathlib

import numpy as np

from mmalign.data.dataset import TEST, TRAIN, UNKNOWN, Dataset, Description
from mmalign.data.npz_file import SPLITS, NpzFile, read_file


def load(path, *, test_fraction=0.25, split_seed=0):
    """The windows of a .npz file, or of all .npz files of a folder, one file after the other.

    Keys of a file:
      <modality>: [n, time, channels] numbers; two modalities or more. A window that is NaN
        throughout is a missing sensor.
      present_<modality>: [n] bool, says it outright; NaN is then allowed only where it is False.
      label: [n] integers from 0, -1 = unknown. class_names: [classes] strings.
      group: [n] integers or strings, the person; -1 = unknown.
      split: [n] 0 or "train", 1 or "test". No group may be on both sides.
      recording, position: [n] integers. Without them the windows of one group in one file count
        as one recording, in time order.
      rate_hz_<modality>: a number; 1 if left out.

    Without `split`, a part of the groups is kept for the test; without `group` as well, of the
    recordings; if there is only one recording, of the windows (neighbours that overlap then sit on
    both sides, which flatters every result).

    Args:
      path: file or folder.
      test_fraction: of the groups, recordings or windows, where there is no `split`.
      split_seed: draws them.
    Returns: Dataset; absent windows are zeros; groups given as strings are numbered as sorted.
    Raises: FileNotFoundError, ValueError that name the file, the key and the first bad row. Arrays
      of Python objects are refused, never unpickled.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be between 0 and 1, got {test_fraction}")
    files = _files(path)
    data = _joined(files, [read_file(file) for file in files])
    columns = data.columns
    if "split" not in columns:
        columns["split"] = _held_out(
            path, columns["group"], columns["recording"], test_fraction, split_seed
        )
    _check_split(path, columns["split"], columns["group"], data.present)
    types = {"split": np.int8}
    return Dataset(
        inputs=data.inputs,
        present=data.present,
        description=Description(
            name=pathlib.Path(path).stem,
            rate_hz=data.rate_hz,
            unit=dict.fromkeys(data.inputs, ""),
            channels={m: tuple(map(str, range(x.shape[2]))) for m, x in data.inputs.items()},
            class_names=data.class_names,
        ),
        **{key: column.astype(types.get(key, np.int32)) for key, column in columns.items()},
    )


def _files(path):
    path = pathlib.Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"--config.data.path={path} does not exist")
    files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(f"--config.data.path={path} holds no .npz file")
    return files


def _joined(files, parts):
    """All files as one `NpzFile`, every column but `split` filled in."""
    first = _layout(parts[0])
    for file, part in zip(files[1:], parts[1:]):
        for what, found in _layout(part).items():
            if found != first[what]:
                raise ValueError(
                    f"{what} of {file} differ from those of {files[0]}: {found} against "
                    f"{first[what]}; all files of a folder must agree"
                )
    modalities, keys = parts[0].inputs, parts[0].columns
    inputs = {m: np.concatenate([part.inputs[m] for part in parts]) for m in modalities}
    present = {m: np.concatenate([part.present[m] for part in parts]) for m in modalities}
    columns = {key: np.concatenate([part.columns[key] for part in parts]) for key in keys}
    file_of = np.repeat(np.arange(len(parts)), [part.length for part in parts])
    n = len(file_of)
    columns.setdefault("label", np.full(n, UNKNOWN))
    columns.setdefault("group", np.full(n, UNKNOWN))
    if columns["group"].dtype.kind == "U":
        columns["group"] = np.unique(columns["group"], return_inverse=True)[1]
    # a file numbers its recordings on its own
    pair = np.stack([file_of, columns.get("recording", columns["group"])])
    columns["recording"] = np.unique(pair, axis=1, return_inverse=True)[1].ravel()
    columns.setdefault("position", _count(columns["recording"]))
    if not parts[0].class_names and columns["label"].max() >= n:
        raise ValueError(
            f"{files[0].parent}: 'label' {columns['label'].max()} is out of range, as there are "
            f"{n} windows: number the classes from 0, or name them in 'class_names'"
        )
    return NpzFile(inputs, present, columns, parts[0].rate_hz, parts[0].class_names)


def _layout(part):
    """What all files of a folder must have in common."""
    return {
        "modalities [time, channels]": {m: x.shape[1:] for m, x in part.inputs.items()},
        "columns": {
            k: "text" if x.dtype.kind == "U" else "integers" for k, x in part.columns.items()
        },
        "rates": part.rate_hz,
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
    size = min(max(1, round(fraction * len(names))), len(names) - 1)
    held_out = np.random.default_rng(seed).permutation(names)[:size]
    return np.where(np.isin(unit, held_out), TEST, TRAIN)


def _check_split(path, split, group, present):
    for name, code in SPLITS.items():
        if not (split == code).any():
            raise ValueError(f"{path}: 'split' puts no window into {name}")
    both = np.intersect1d(group[split == TRAIN], group[split == TEST])
    both = both[both != UNKNOWN]
    if len(both):
        raise ValueError(
            f"{path}: 'split' cuts through group {both[0]} ({len(both)} groups are in train and "
            "test): a group belongs to one side; change 'split', or leave 'group' out"
        )
    for m, there in present.items():
        if not there[split == TRAIN].any():
            raise ValueError(
                f"{path}: modality {m!r} is present in no training window: leave it out of the "
                "file, or give it windows of people who are trained on"
            )

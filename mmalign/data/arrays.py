"""Windows in a folder of .npy files, as many scripts leave them: X.npy, y.npy, pid.npy."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign import options
from mmalign.data.dataset import LABEL, TEST, TRAIN, VALIDATION, Dataset
from mmalign.data.npz import dataset_of
from mmalign.data.npz_columns import check_label, read_column
from mmalign.data.npz_file import LIKELY, NpzFile, check_some_present
from mmalign.data.npz_modality import read_modality, shapes

JOINT, TIME = "X", "time"  # the file of several sensors' channels; when windows begin
# what a column is called here: the first that is there
COLUMNS = {LABEL: ("y", "Y", LABEL), "group": ("pid", "group"), "split": ("split",),
           "recording": ("recording",), "position": ("position",)}  # fmt: skip
PARTS = {"_train": TRAIN, "_test": TEST, "_val": VALIDATION, "": None}  # behind a file's name
_GAP = 1.5  # usual steps of time: windows further apart are no neighbours


def load(
    *, path: str | os.PathLike, rate_hz: float | Mapping[str, float] | None = None,
    sensors: Mapping[str, Sequence[int]] | None = None, class_names: Sequence[str] = (),
    test_fraction: float = 0.25, split_seed: int = 0, stride_s: float | None = None,
) -> Dataset:  # fmt: skip
    """The windows of a folder of .npy files; row i of each is the same window.

    X.npy: [n, time, channels] of several sensors, which `sensors` tells apart; or a file for each
      sensor, {name}.npy, [n, time, channels]; or both. NaN is missing, as of `npz.load`, and so
      are images and vectors told by their axes.
    y.npy, or Y.npy: [n] integers from 0, -1 = unknown; or strings, "" = unknown.
    pid.npy: [n] integers or strings, the person; -1 = unknown.
    split.npy, recording.npy, position.npy: as of `npz.load`. time.npy: [n] numbers or dates, when
      a window begins, which tells its position in the recording in place of position.npy.

    All but sensors may be left out. Where names end in _train, _test and _val, such as
    X_train.npy, that is the split; if one part alone is there, it is split.

    Args:
      path: the folder.
      rate_hz: samples a second, of all series or {sensor: its own}: no file tells it.
      sensors: {name: (first channel, the one behind its last)} of X.npy.
      class_names: of labels in numbers, in their order; of labels in words, what is 0, 1 and so on.
      test_fraction, split_seed, stride_s: as of `npz.load`.
    Returns: Dataset, as of `npz.load`.
    Raises: FileNotFoundError, ValueError that name the file and what would do. Arrays of Python
      objects are refused, never unpickled.
    """
    folder = pathlib.Path(path).expanduser()
    return windows(
        folder, parts_of(folder), rate_hz=rate_hz, sensors=sensors, class_names=class_names,
        test_fraction=test_fraction, split_seed=split_seed, stride_s=stride_s,
    )  # fmt: skip


def windows(
    folder: pathlib.Path, parts: Mapping[str, Mapping[str, np.ndarray]], *,
    rate_hz: float | Mapping[str, float] | None, sensors: Mapping[str, Sequence[int]] | None,
    class_names: Sequence[str], test_fraction: float, split_seed: int,
    stride_s: float | None = None,
) -> Dataset:  # fmt: skip
    """The Dataset of what `parts_of` gives; other arguments as of `load`."""
    names = tuple(map(str, class_names))
    read = [
        _read(folder, end, of, rate_hz, sensors, names, split=len(parts) > 1)
        for end, of in parts.items()
    ]
    files = [folder / f"*{end}.npy" for end in parts]
    return dataset_of(
        folder, files, read, test_fraction=test_fraction, split_seed=split_seed, stride_s=stride_s
    )


def parts_of(folder: pathlib.Path) -> dict[str, dict[str, np.ndarray]]:
    """{end of PARTS: {name without it: array}} of the .npy files of a folder.

    Raises: FileNotFoundError without any, ValueError for a file that is none, or parts of which
      some are named so and some are not.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--config.data.path={folder} is no folder")
    files = sorted(x for x in folder.glob("*.npy") if x.is_file() and x.name[0] != ".")
    if not files:
        raise FileNotFoundError(f"--config.data.path={folder} holds no .npy file")
    out: dict[str, dict[str, np.ndarray]] = {}
    for file in files:
        end = next(end for end in PARTS if file.stem.endswith(end))
        out.setdefault(end, {})[file.stem.removesuffix(end)] = _array(file)
    if "" in out and len(out) > 1:
        raise ValueError(
            f"{folder} has files that end in {options.listed(filter(None, out))}, and "
            f"{options.listed(f'{x}.npy' for x in out[''])} without: name all by their part, or "
            "none"
        )
    return out


def _array(file):
    """The array of a file, not read yet: a header that asks for more than is there is refused."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            array.close()
            raise ValueError("it is a zip: name it .npz, and read it by :npz")
        if not array.ndim:
            raise ValueError("it holds a single value, and needs one for each window")
        return array
    except (MemoryError, PermissionError):
        raise  # there is nothing wrong with the file
    except Exception as error:  # a damaged header may fail in any way
        raise ValueError(
            f"{file} ({file.stat().st_size:,} bytes) cannot be read as an array of numbers or "
            f"strings ({error}): write it again with np.save"
        ) from error


def _read(folder, end, arrays, rate_hz, sensors, class_names, split):
    """`NpzFile` of the arrays of one part."""
    place = lambda name: folder / f"{name}{end}.npy"
    called = {
        key: next((name for name in names if name in arrays), None)
        for key, names in COLUMNS.items()
    }
    series = {name: x for name, x in arrays.items() if name not in {TIME, *called.values()}}
    for name, x in series.items():
        _check_windows(place(name), name, x)
    if JOINT in series:
        series |= _channels(place(JOINT), series.pop(JOINT), sensors)
    elif sensors is not None:
        raise ValueError(f"options.sensors is of {place(JOINT)}, which is not there")
    if len(series) < 2:
        raise ValueError(
            f"{folder}: alignment needs two sensors or more, got {options.listed(series)}: save "
            f"{{name}}{end}.npy of each, or all in {JOINT}{end}.npy and say by options.sensors"
        )
    lengths = {m: len(x) for m, x in series.items()}
    n = next(iter(lengths.values()))
    if set(lengths.values()) != {n}:
        raise ValueError(f"{folder}: sensors hold unequal numbers of windows, {lengths}: row i of "
                         "each must be the same moment")  # fmt: skip
    rates = _rates(folder, series, rate_hz)
    where = lambda m: place(m if m in arrays else JOINT)
    modalities = {m: read_modality(where(m), m, x, rate_hz=rates[m]) for m, x in series.items()}
    check_some_present(folder, modalities)
    columns = {key: read_column(place(name), key, arrays[name], n)
               for key, name in called.items() if name is not None}  # fmt: skip
    if LABEL in columns:
        check_label(place(called[LABEL]), columns[LABEL], class_names)
    if split:
        columns["split"] = np.full(n, PARTS[end])
    if TIME in arrays and "position" not in columns:
        within = columns.get("recording", columns.get("group", np.zeros(n, int)))
        columns["position"] = _position(place(TIME), arrays[TIME], within)
    return NpzFile(modalities, columns, {}, class_names)


def _check_windows(file, name, x):
    if x.ndim > 1 and name.lower() not in LIKELY:
        return
    known = [names[0] for names in COLUMNS.values()] + [TIME]
    meant = LIKELY.get(name.lower())
    hint = f" (did you mean {COLUMNS[meant][0]!r}?)" if meant else ""
    raise ValueError(
        f"{file} must be one of {shapes()}, to be a sensor, got {x.shape}{hint}; what is no sensor "
        f"is called {options.listed(known, sort=False)}"
    )


def _channels(file, x, sensors):
    """{sensor: its channels} of one array."""
    options.per_name("options.sensors", sensors, "sensor")
    if not sensors:
        raise ValueError(
            f"{file} is {list(x.shape)}: say which of its channels are of which sensor by "
            '--config.data.options.sensors.acc="(0,3)" and the like'
        )
    size = x.shape[-1]
    for name, ends in sensors.items():
        whole = isinstance(ends, Sequence) and len(ends) == 2 and all(type(i) is int for i in ends)
        if not whole or not 0 <= ends[0] < ends[1] <= size:
            raise ValueError(
                f"options.sensors.{name} must be two whole numbers, the first channel and the one "
                f"behind the last, of the {size} of {file}, got {ends!r}"
            )
    return {name: x[..., slice(*ends)] for name, ends in sensors.items()}


def _rates(folder, series, given) -> dict[str, Any]:
    """{sensor: Hz}, None of what is no series."""
    wanted = [m for m, x in series.items() if x.ndim == 3]
    rates = given if isinstance(given, Mapping) else dict.fromkeys(wanted, given)
    for m in rates:
        options.known("sensor of options.rate_hz", m, wanted)
    for m in wanted:
        if rates.get(m) is None:
            raise ValueError(
                f"{folder}: no .npy file tells its rate, and that of {m!r} is not given: say it in "
                f"samples a second by --config.data.options.rate_hz=50, or .rate_hz.{m}=50"
            )
    return {m: rates.get(m) for m in series}


def _position(file, times, within) -> np.ndarray:
    """int [n]: place of each window in its recording, with a number left out at each gap."""
    if times.shape != within.shape or times.dtype.kind not in "iufM":
        raise ValueError(f"{file} must be [{len(within)}] numbers or dates (datetime64), got "
                         f"{times.dtype} {times.shape}")  # fmt: skip
    bad = np.isnat(times) if times.dtype.kind == "M" else ~np.isfinite(times)
    if bad.any():
        raise ValueError(f"{file}: the time of window {bad.argmax()} is not known")
    numbers = times.astype(np.int64 if times.dtype.kind == "M" else np.float64)
    _, code = np.unique(within, return_inverse=True)
    order = np.lexsort((numbers, code))
    steps = np.diff(numbers[order].astype(np.float64))
    new = np.diff(code[order]) != 0
    usual = np.median(steps[~new]) if (~new).any() else 0.0
    ahead = np.cumsum(np.concatenate([[0], 1 + (steps > _GAP * usual)]))
    first = np.concatenate([[True], new])
    ahead -= np.maximum.accumulate(np.where(first, ahead, 0))
    position = np.empty(len(times), int)
    position[order] = ahead
    return position

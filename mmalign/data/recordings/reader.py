"""A folder of recordings as windows."""

import os
import pathlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmalign import options
from mmalign.data import gaps
from mmalign.data.dataset import (
    SPLITS,
    TEST,
    TRAIN,
    UNKNOWN,
    Dataset,
    Description,
    check_uncut,
)
from mmalign.data.prepared import through_cache
from mmalign.data.recordings.files import INDEX
from mmalign.data.recordings.understood import Recording, Understood, understand
from mmalign.data.resampling import resample
from mmalign.data.subsets import for_test
from mmalign.data.windows import Part, joined, majority

VERSION = "1.4.0"  # of this reader: a change of what it returns needs a new one
_WHOLE = 1e-3  # of a sample: as near to the times of a grid, it is on it
_FILTERED = 28  # samples of a stretch: the low-pass needs more than 27


def load(
    *, path: str | os.PathLike, pattern: str | None = None,
    sensors: Mapping[str, Sequence[str]] | None = None, columns: Sequence[str] | None = None,
    time: str | None = None, time_unit: str | None = None, label: str | None = None,
    rate_hz: Mapping[str, float] | None = None, units: Mapping[str, str] | None = None,
    window_s: float = 2.56, stride_s: float | None = None, purity: float = 0.5,
    most_lost: float = 0.5, gap_s: float | None = None, test_fraction: float = 0.25,
    split_seed: int = 0, cache_dir: str | os.PathLike | None = None,
) -> Dataset:  # fmt: skip
    """The windows of a folder of CSV, TSV, parquet, .npz or HDF5 files with time stamps.

    Whose a file is says index.csv in the folder (columns file and, as far as they are known,
    person, recording, sensor, label, labels: a file of intervals with columns start, end, label,
    and split), or a `pattern` of names. Files of one recording are on one clock. Without either,
    every file is a recording of its own, of a person who is not known. Each sensor is brought to an
    even clock (see `clock.stretches`) and one rate; what is lost for longer is not `valid`, or the
    sensor is missing from the window.

    Args:
      path: the folder.
      pattern: of paths in it, such as "{person}/{recording}_{sensor}.csv"; {label} may be in it,
        {} is anything.
      sensors: {sensor: its columns}; None: told by the columns' names, see `sensors_of`.
      columns: names of all columns, of files without a first line of them.
      time: column of stamps; None: the one that is called so. time_unit: "s", "ms", "us" or "ns" of
        stamps that are numbers.
      label: column of labels; None: the one that is called so, if any.
      rate_hz: {sensor: samples a second}; None: the recordings' own. Needed without stamps.
      units: {sensor: unit of its values}, for the report.
      window_s, stride_s: length of a window, and from start to start; None: half of that.
      purity: share of a window that its label has to cover; unknown else.
      most_lost: share of its samples that a sensor may have lost and still be in the window.
      gap_s: time without a sample that ends a stretch; None: half a second, or ten samples.
      test_fraction: of the people; of a single person or nobody known, of the recordings; of a
        single recording, of the time at its end, where no window touches the rest.
      split_seed: draws them.
      cache_dir: where prepared data are kept; None is the user's cache folder.
    Returns: Dataset; group numbers people as sorted.
    Raises: FileNotFoundError, ValueError that name the file and what would do; ImportError without
      pandas.
    """
    how: dict[str, Any] = dict(
        pattern=pattern, sensors=sensors, columns=columns, time=time, time_unit=time_unit,
        label=label, rate_hz=rate_hz, gap_s=gap_s,
    )  # fmt: skip
    options.per_name("options.sensors", sensors, "sensor")
    if isinstance(columns, str):
        raise ValueError(f"options.columns must be a tuple of names, got {columns!r}")
    return prepared(
        lambda folder: understand(folder, **how), path, how, name="recordings", version=VERSION,
        units=units, window_s=window_s, stride_s=stride_s, purity=purity, most_lost=most_lost,
        test_fraction=test_fraction, split_seed=split_seed, cache_dir=cache_dir,
    )  # fmt: skip


def prepared(
    understand: Callable[[pathlib.Path], Understood], path: str | os.PathLike,
    how: Mapping[str, Any], *, name: str, version: str, units: Mapping[str, str] | None,
    window_s: float, stride_s: float | None, purity: float, most_lost: float,
    test_fraction: float, split_seed: int, cache_dir: str | os.PathLike | None,
) -> Dataset:  # fmt: skip
    """The windows of what `understand` finds in a folder, kept for the next time.

    how: what `understand` was told. name, version: of the reader. The rest as of `load`.
    """
    for what, value in (("rate_hz", how["rate_hz"]), ("units", units)):
        options.per_name(f"options.{what}", value, "sensor")
    stride_s = window_s / 2 if stride_s is None else stride_s
    for what, value in (("window_s", window_s), ("stride_s", stride_s)):
        if not value > 0:
            raise ValueError(f"options.{what} must be positive, got {value}")
    if not 0 < test_fraction < 1 or not 0 <= purity <= 1:
        raise ValueError(f"options.test_fraction must be inside 0 and 1, purity in it, got "
                         f"{test_fraction} and {purity}")  # fmt: skip
    gaps.checked(most_lost)
    folder = pathlib.Path(path).expanduser()

    def read():
        found = understand(folder)
        for said in found.notes:
            print(f"Note: {said}")
        return windows(found, folder, units=units or {}, window_s=window_s, stride_s=stride_s,
                       purity=purity, most_lost=most_lost, test_fraction=test_fraction,
                       split_seed=split_seed)  # fmt: skip

    if not folder.is_dir():
        return read()  # which says that there is no such folder
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.name[0] != "."]
    held = [(str(file.relative_to(folder)), zlib.crc32(file.read_bytes())) for file in files]
    chosen = [how, units, window_s, stride_s, purity, most_lost, test_fraction, split_seed]
    key = [repr(chosen), folder.name, held]
    return through_cache(read, name=name, version=version, key=key, cache_dir=cache_dir)


def windows(
    found: Understood, folder: pathlib.Path, *, units: Mapping[str, str], window_s: float,
    stride_s: float, purity: float, most_lost: float, test_fraction: float, split_seed: int,
) -> Dataset:  # fmt: skip
    """The Dataset of what a folder holds; arguments as of `load`."""
    classes = _classes(found.recordings)
    people = sorted({r.person for r in found.recordings} - {""})
    split = _splits(found.recordings, test_fraction, split_seed, folder)
    parts = []
    for recording, of in zip(found.recordings, split):
        begin, end = recording.ends_s
        count = int(np.floor((end - begin - window_s) / stride_s + 1e-6)) + 1
        starts_s = begin + stride_s * np.arange(max(count, 0))
        if not len(starts_s):
            continue
        cut = {m: _cut(recording, m, found, starts_s, window_s, most_lost) for m in found.rate_hz}
        label = _labels(recording, starts_s, window_s, classes, purity)
        group = people.index(recording.person) if recording.person else UNKNOWN
        whole = Part(cut, label, group, TRAIN if of is None else of)
        parts += [whole] if of is not None else _by_time(
            whole, starts_s, window_s, end - test_fraction * (end - begin)
        )  # fmt: skip
    if not parts:
        raise ValueError(f"{folder}: no recording is as long as a window of {window_s:g} s")
    description = Description(
        name=folder.name, rate_hz=found.rate_hz,
        unit={m: units.get(m, "") for m in found.rate_hz}, channels=found.channels,
        class_names=tuple(classes), stride_s=stride_s,
    )  # fmt: skip
    return joined(folder, parts, description)


def _cut(recording: Recording, m, found, starts_s, window_s, most_lost):
    """`Windows` of a sensor, absent throughout where the recording lacks it."""
    rate = found.rate_hz[m]
    steps = max(round(window_s * rate), 1)
    begin, end = recording.ends_s
    grid = begin + np.arange(int((end - begin) * rate) + steps + 1) / rate
    at = np.rint((starts_s - begin) * rate).astype(int)[:, None] + np.arange(steps)
    values = np.full((len(grid), len(found.channels[m])), np.nan, np.float32)
    lost = np.ones(len(grid), bool)
    if m in recording.streams:
        _fill(values, lost, recording.streams[m], grid, rate)
    return gaps.cut_out(values, at, lost, most_lost=most_lost)


def _fill(values, lost, stream, grid, rate):
    """Writes what a stream has at the times of a grid, and says that it is not lost."""
    for stretch in stream.stretches:
        inside = np.flatnonzero((grid >= stretch.times_s[0]) & (grid <= stretch.times_s[-1]))
        if len(stretch.rows) < _FILTERED or not len(inside):
            continue
        taken = np.where((stretch.rows >= 0)[:, None], stream.values[stretch.rows], np.nan)
        mended, gone = gaps.mend(taken)
        place = np.interp(grid[inside], stretch.times_s, np.arange(len(mended)))
        values[inside], lost[inside] = _on_grid(mended, gone, place, stretch.rate_hz, rate)


def _on_grid(values, gone, place, rate, new_rate):
    """(values at places between samples, which of them are lost): NaN inside long gaps."""
    out = np.full((len(place), values.shape[1]), np.nan, np.float32)
    lost = gone[np.clip(np.rint(place).astype(int), 0, len(gone) - 1)]
    there = np.isfinite(values).all(axis=1)
    if np.abs(place - np.rint(place)).max() < _WHOLE and np.abs(rate - new_rate) < _WHOLE * rate:
        taken = values[np.rint(place).astype(int)]  # on the grid already: as they were sampled
        return np.where(np.isfinite(taken).all(axis=1, keepdims=True), taken, np.nan), lost
    edges = np.flatnonzero(np.diff(there.astype(int), prepend=0, append=0))
    for first, after in zip(edges[::2], edges[1::2]):  # runs of what is there
        inside = (place >= first) & (place <= after - 1)
        if after - first >= _FILTERED and inside.any():
            times_s = (place[inside] - first) / rate
            out[inside] = resample(values[first:after], 0.0, rate, times_s, new_rate)
    return out, lost


def _classes(recordings):
    """Names of all labels: by number where all are numbers, else by name."""
    words = {label for r in recordings for _, _, label in r.labels} - {""}
    try:
        return sorted(words, key=float)
    except ValueError:
        return sorted(words)


def _labels(recording, starts_s, window_s, classes, purity):
    """int [n]: the label that covers most of each window, if it covers enough."""
    points = starts_s[:, None] + window_s * (np.arange(50) + 0.5) / 50
    known = [interval for interval in recording.labels if interval[2]]
    edges = np.unique([end for start, after, _ in known for end in (start, after)])
    numbers = np.full(len(edges) + 1, UNKNOWN)  # from each edge on; the last, before the first
    for start, after, word in known:  # of files that overlap, what began last and has not ended
        first, end = np.searchsorted(edges, (start, after))
        numbers[first:end] = classes.index(word)
    codes = numbers[np.searchsorted(edges, points, side="right") - 1]
    found, share = majority(codes, len(classes))
    return np.where(share >= purity, found, UNKNOWN)


def _splits(recordings, fraction, seed, folder):
    """A split for each recording, None where its own end is the test."""
    said, people = [r.split for r in recordings], [r.person for r in recordings]
    if any(said):
        if not all(said):
            raise ValueError(f"{folder}: the index gives a split to some recordings alone")
        split = [SPLITS[options.known("split", x, SPLITS)] for x in said]
        check_uncut(folder / INDEX, split, np.array(people), "person")
        return split
    if any(people) and not all(people):
        one = recordings[people.index("")].name
        raise ValueError(f"{folder}: the person of recording {one!r} is not known, others' are")
    units = people if len(set(people)) > 1 else [r.name for r in recordings]
    names = sorted(set(units))
    if len(names) < 2:
        return [None] * len(recordings)
    kept = for_test(names, fraction, seed)
    return [TEST if unit in kept else TRAIN for unit in units]


def _by_time(part, starts_s, window_s, border_s):
    """The windows before a border in time for training, those after it for the test."""
    for split, rows in ((TRAIN, starts_s + window_s <= border_s), (TEST, starts_s >= border_s)):
        if rows.any():
            of = {m: type(x)(*(column[rows] for column in x)) for m, x in part.windows.items()}
            yield part._replace(windows=of, label=part.label[rows], split=split)

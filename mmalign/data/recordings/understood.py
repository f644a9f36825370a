"""What a folder of recordings holds: streams of sensors on their clocks, people, labels."""

import collections
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmalign.data.recordings.clock import Stretch, epoch_unit, seconds, stretches, time_column
from mmalign.data.recordings.files import Entry, entries
from mmalign.data.recordings.sensors import LABEL_NAMES, sensors_of
from mmalign.data.recordings.tables import read_table

_NEAR = 0.02  # of a rate: as near to a whole number, it is that number
_ALIKE = 0.1  # of a rate: recordings of one sensor whose rates differ by more are refused


class Stream(NamedTuple):
    """One sensor of one recording. values: float [n, channels], NaN where lost."""

    values: np.ndarray
    stretches: list[Stretch]
    file: pathlib.Path

    @property
    def ends_s(self) -> tuple[float, float]:
        """Time of the first and of the last sample."""
        return float(self.stretches[0].times_s[0]), float(self.stretches[-1].times_s[-1])


class Recording(NamedTuple):
    """What is on one clock.

    labels: [(start_s, end_s, label)], in order of their starts; one from -inf to inf where a whole
    recording has one label.
    """

    name: str
    person: str
    split: str
    streams: dict[str, Stream]
    labels: list[tuple[float, float, str]]

    @property
    def ends_s(self) -> tuple[float, float]:
        """From when to when any sensor was there."""
        first, last = zip(*(stream.ends_s for stream in self.streams.values()))
        return min(first), max(last)


class Understood(NamedTuple):
    """Recordings in order of their names; {sensor: Hz}; {sensor: names of channels}; sentences."""

    recordings: list[Recording]
    rate_hz: dict[str, float]
    channels: dict[str, tuple[str, ...]]
    notes: list[str]


def understand(
    path: str | os.PathLike, *, pattern: str | None = None,
    sensors: Mapping[str, Sequence[str]] | None = None, columns: Sequence[str] | None = None,
    time: str | None = None, time_unit: str | None = None, label: str | None = None,
    rate_hz: Mapping[str, float] | None = None, gap_s: float | None = None,
) -> Understood:  # fmt: skip
    """All files of a folder, read; arguments as of `reader.load`."""
    found, notes = entries(pathlib.Path(path).expanduser(), pattern)
    how = dict(sensors=sensors, columns=columns, time=time, time_unit=time_unit, label=label,
               rate_hz=rate_hz, gap_s=gap_s)  # fmt: skip
    read = lambda entry: _read(entry, how)
    return gathered(found, read, notes, time_unit=time_unit, rate_hz=rate_hz, channels=sensors)


def gathered(
    found: Sequence[Entry], read: Callable[[Entry], tuple[dict[str, Stream], list]],
    notes: Sequence[str] = (), *, time_unit: str | None = None,
    rate_hz: Mapping[str, float] | None = None,
    channels: Mapping[str, Sequence[str]] | None = None,
) -> Understood:  # fmt: skip
    """Entries as recordings on their clocks.

    Args:
      found: what to read. read: entry -> ({sensor: Stream}, [(start_s, end_s, label)]).
      notes: sentences on what is left out.
      time_unit: of the stamps of files of intervals, see `seconds`.
      rate_hz, channels: of sensors; None: as most recordings have it, and by number.
    Raises: ValueError that names the recording or the file, and what would do.
    """
    recordings = [_recording(name, of, read, time_unit) for name, of in _by_person(found)]
    _check_labels(recordings, found)
    rates, names = _rates(recordings, rate_hz or {}), _channels(recordings, channels or {})
    return Understood(recordings, rates, names, [*notes, *_apart(recordings)])


def _by_person(found):
    """[(name, entries)] of recordings: people may call theirs alike, who are in the name then."""
    known = {(entry.recording, entry.person) for entry in found if entry.person}
    people = collections.Counter(recording for recording, _ in known)
    out: dict[str, list[Entry]] = {}
    for entry in found:
        shared = entry.person and people[entry.recording] > 1
        name = f"{entry.person}/{entry.recording}" if shared else entry.recording
        out.setdefault(name, []).append(entry)
    return out.items()


def _recording(name, of, reading, unit):
    one = lambda key: _one({getattr(entry, key) for entry in of}, key, name)
    person, split = one("person"), one("split")
    streams, labels = {}, []
    for entry in of:
        read, told = reading(entry)
        if both := sorted(set(read) & set(streams)):
            raise ValueError(
                f"recording {name!r} has sensor {both[0]!r} twice, in {streams[both[0]].file} and "
                f"{entry.file}: give each recording its own name, by the index or the pattern"
            )
        streams |= read
        labels += told
    _check_overlap(name, streams.values())
    if whole := one("label"):
        labels = [(-np.inf, np.inf, whole)]
    if file := one("labels"):
        labels = _intervals(pathlib.Path(file), unit)
    return Recording(name, person, split, streams, sorted(labels))


def _check_overlap(name, streams):
    """Raises ValueError where a file begins after all before it have ended: on another clock."""
    ends: dict[pathlib.Path, list[float]] = {}
    for stream in streams:  # those of one file have one clock
        ends.setdefault(stream.file, []).extend(stream.ends_s)
    last, *later = sorted((min(x), max(x), file) for file, x in ends.items())
    for start, end, file in later:
        if start > last[1]:
            raise ValueError(
                f"recording {name!r}: the clocks of {last[2]} ({last[0]:.2f} to {last[1]:.2f} s) "
                f"and {file} ({start:.2f} to {end:.2f} s) do not overlap: say their stamps on one "
                "clock, or make them recordings of their own"
            )
        last = max(last, (start, end, file), key=lambda x: x[1])


def _check_labels(recordings, found):
    """Raises ValueError where there are intervals, all of them on some other clock."""
    inside = [
        start < r.ends_s[1] and end > r.ends_s[0] for r in recordings for start, end, _ in r.labels
    ]
    file = next((entry.labels for entry in found if entry.labels), "")
    if file and inside and not any(inside):
        first = next(r for r in recordings if r.labels)
        raise ValueError(
            f"{file}: no interval is within its recording: they begin at {first.labels[0][0]:g} s, "
            f"and recording {first.name!r} is from {first.ends_s[0]:g} to {first.ends_s[1]:g} s: "
            "say them on the clock of the recording"
        )


def _one(values, key, name):
    values = values - {""}
    if len(values) > 1:
        raise ValueError(f"recording {name!r} has several of {key}: {', '.join(sorted(values))}")
    return values.pop() if values else ""


def _read(entry, how):
    """({sensor: Stream}, [(start_s, end_s, label)]) of a file."""
    file, rates = entry.file, how["rate_hz"] or {}
    table = read_table(file, how["columns"] and tuple(how["columns"]))
    stamp = time_column(table, how["time"], file)
    told = how["label"] or next((x for x in table if x.strip().lower() in LABEL_NAMES), None)
    if told is not None and told not in table:
        raise ValueError(f"{file} has no column {told!r}; it has {', '.join(table)}")
    without = [x for x in (stamp, told) if x is not None]
    found = sensors_of(table, without, sensor=entry.sensor, named=how["sensors"], file=file)
    if stamp is None:
        rate = next((rates[m] for m in found if m in rates), None)
        if rate is None:
            raise ValueError(
                f"{file} has no column of times ({', '.join(table)}): name it by options.time, or "
                "give the rate of its samples by options.rate_hz"
            )
        times = np.arange(len(next(iter(table.values())))) / rate
    else:
        times = seconds(table[stamp], how["time_unit"], file)
    streams = {}
    for m, of in found.items():
        values = np.stack([table[name].astype(np.float64) for name in of], axis=1)
        there = np.isfinite(values).any(axis=1)  # a table of several rates has blanks in between
        if there.sum() > 1:
            rows = np.flatnonzero(there)
            made = stretches(times[there], f"{file}, {m}", how["gap_s"])
            back = [s._replace(rows=np.where(s.rows < 0, -1, rows[s.rows])) for s in made]
            streams[m] = Stream(np.where(np.isfinite(values), values, np.nan), back, file)
    if not streams:
        raise ValueError(f"{file} holds no number in {', '.join(found)}")
    return streams, [] if told is None else _of_column(times, table[told])


def _of_column(times, column):
    """[(start_s, end_s, label)] of the stretches of one label."""
    if column.dtype.kind == "f":
        words = np.array(["" if np.isnan(x) else f"{x:g}" for x in column])
    else:
        words = column.astype(str)
    edges = np.flatnonzero(words[1:] != words[:-1]) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(words)]])
    after = np.append(times, times[-1] + (times[-1] - times[0]) / max(len(times) - 1, 1))
    return [(float(times[s]), float(after[e]), str(words[s])) for s, e in zip(starts, ends)]


def _intervals(file, unit):
    table = read_table(file)
    for key in ("start", "end", "label"):
        if key not in table:
            raise ValueError(
                f"{file} needs the columns start, end and label, has {', '.join(table)}"
            )
    if not len(table["label"]):
        return []
    start, end = (
        seconds(table[key], unit or _unit_of(table[key]), file) for key in ("start", "end")
    )
    if (end < start).any():
        raise ValueError(
            f"{file}: an interval ends before it starts, in row {(end < start).argmax()}"
        )
    order = np.argsort(start, kind="stable")
    both = start[order][1:] < end[order][:-1]
    if both.any():
        at = np.sort(order[both.argmax() : both.argmax() + 2])
        raise ValueError(f"{file}: the intervals of rows {at[0]} and {at[1]} overlap")
    return [(float(s), float(e), str(x)) for s, e, x in zip(start, end, table["label"])]


def _unit_of(stamps):
    """Of intervals in numbers: by their size alone, seconds where they are small; None: unknown."""
    if stamps.dtype.kind not in "fiu":
        return None
    return "s" if abs(stamps[0]) < 1e8 else epoch_unit(stamps[0])


def _rates(recordings, given):
    """{sensor: Hz}: as given, or the median over recordings, whole where that is near."""
    found: dict[str, list[tuple[float, pathlib.Path]]] = {}
    for recording in recordings:
        for m, stream in recording.streams.items():
            longest = max(stream.stretches, key=lambda s: len(s.rows))
            found.setdefault(m, []).append((longest.rate_hz, stream.file))
    out = {}
    for m, rates in found.items():
        middle = float(np.median([rate for rate, _ in rates]))
        near = round(middle)
        whole = near if near and abs(near - middle) <= _NEAR * middle else float(f"{middle:.3g}")
        out[m] = float(given.get(m, whole))
        for rate, file in rates:
            if rate < out[m] * (1 - _ALIKE):
                raise ValueError(
                    f"{file}: {m} has {rate:.3g} Hz, other recordings {middle:.3g} Hz: say to what "
                    f"rate all of them go by options.rate_hz.{m}={rate:.3g}, or leave it out"
                )
    return out


def _channels(recordings, named):
    """{sensor: names of its channels}, as many in all recordings."""
    out: dict[str, tuple[int, pathlib.Path]] = {}
    for recording in recordings:
        for m, stream in recording.streams.items():
            size = stream.values.shape[1]
            first = out.setdefault(m, (size, stream.file))
            if first[0] != size:
                raise ValueError(
                    f"{m} has {size} channels in {stream.file} and {first[0]} in {first[1]}: name "
                    "the columns by options.sensors"
                )
    usual = lambda m, size: (
        named.get(m) or (("x", "y", "z") if size == 3 else tuple(map(str, range(size))))
    )
    return {m: tuple(usual(m, size)) for m, (size, _) in out.items()}


def _apart(recordings):
    """Of sensors of one recording that begin or end at other times than the rest."""
    worst, name, which = 0.0, "", ""
    for recording in recordings:
        ends = {m: stream.ends_s for m, stream in recording.streams.items()}
        for side in (0, 1):
            times = {m: x[side] for m, x in ends.items()}
            gap = max(times.values()) - min(times.values())
            if gap > worst:
                worst, name = gap, recording.name
                which = ("begin", "end")[side]
    if worst <= 1:
        return []
    return [f"sensors of one recording {which} up to {worst:.1f} s apart, in {name}: where one was "
            "not there, it is missing"]  # fmt: skip

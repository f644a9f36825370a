"""Wristbands Empatica E4: the sessions that people exported, cut into windows."""

import os
import pathlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mmalign import options
from mmalign.data.archive import Archive, Origin
from mmalign.data.dataset import Dataset
from mmalign.data.drift import true_rates
from mmalign.data.e4_file import STREAMS, read_stream
from mmalign.data.recordings.clock import Stretch
from mmalign.data.recordings.files import INDEX, entries, visible
from mmalign.data.recordings.reader import prepared
from mmalign.data.recordings.understood import Stream, Understood, gathered

VERSION = "1.2.0"  # of this reader: a change of what it returns needs a new one
FILES = {stream[0]: sensor for sensor, stream in STREAMS.items()}
_DEVICE = re.compile(r"\d{10}_\w+")  # as the portal names sessions: start and serial number
_HEADER = 2  # lines before the samples


class _Export(Origin):
    """What an archive of a session is called in messages."""

    @property
    def remedy(self) -> str:
        return "Export the session again."


_EXPORT = _Export("E4", "SESSION.zip", "", "", "")


def load(
    *, path: str | os.PathLike, pattern: str | None = None, sensors: Sequence[str] = tuple(STREAMS),
    rate_hz: Mapping[str, float] | None = None, window_s: float = 10.0,
    stride_s: float | None = None, purity: float = 0.5, most_lost: float = 0.5,
    test_fraction: float = 0.25, split_seed: int = 0,
    cache_dir: str | os.PathLike | None = None,
) -> Dataset:  # fmt: skip
    """The windows of a folder of E4 sessions, each a folder or a zip as it is exported.

    A file begins with its start (UNIX seconds, UTC) and its rate in Hz, a column each; then come
    its samples. Read are bvp (photoplethysmograph, 64 Hz, no unit published), eda in microsiemens
    and temp in degrees Celsius (4 Hz), acc with gravity in g (32 Hz). HR.csv and IBI.csv are left
    out, as they are computed from bvp; so is tags.csv, whose marks mean what a study says.

    A session is of the person that the first folder on its way, or the zip, is called by; of
    nobody known if that is a start time and a serial number, as the portal names sessions. An
    index.csv in the folder (columns file, which is the session, and person, recording, label,
    labels, split) or a `pattern` says otherwise, as of `recordings.load`. Intervals of labels are
    on the clock of the E4, as seconds since 1970 or dates in UTC. An empty file is a sensor that
    is missing. Sensors stop together, so those whose samples are more or fewer than their rates say
    go by `drift.true_rates`; what is on one grid then is not resampled.

    Args:
      path: the folder.
      pattern: of sessions' paths in it, such as "{person}/{recording}.zip".
      sensors: which to read, of STREAMS.
      rate_hz: {sensor: samples a second} to bring it to; None: its own.
      window_s, stride_s, purity, most_lost, test_fraction, split_seed, cache_dir: as of
        `recordings.load`.
    Returns: Dataset; group numbers people as sorted.
    Raises: FileNotFoundError, ValueError that name the session and what would do.
    References: format as in the info.txt of an export.
    """
    for name in sensors:
        options.known("sensor of an E4", name, STREAMS)
    how: dict[str, Any] = dict(pattern=pattern, sensors=tuple(sensors), rate_hz=rate_hz)
    return prepared(
        lambda folder: understand(folder, **how), path, how, name="e4", version=VERSION,
        units={m: STREAMS[m][3] for m in sensors}, window_s=window_s, stride_s=stride_s,
        purity=purity, most_lost=most_lost, test_fraction=test_fraction, split_seed=split_seed,
        cache_dir=cache_dir,
    )  # fmt: skip


def understand(
    path: pathlib.Path, *, pattern: str | None = None, sensors: Sequence[str] = tuple(STREAMS),
    rate_hz: Mapping[str, float] | None = None,
) -> Understood:  # fmt: skip
    """All sessions of a folder, read; arguments as of `load`."""
    found, notes = entries(path, pattern, sessions)
    if pattern is None and not (path / INDEX).is_file():
        found = [_named(entry, path) for entry in found]
    if of_one := next((entry for entry in found if entry.sensor), None):
        raise ValueError(
            f"{of_one.file} is a session of all sensors, and is said to be of {of_one.sensor!r}: "
            "leave sensor out of the index and the pattern"
        )
    return gathered(
        found, lambda entry: (_streams(entry.file, sensors), []), notes, rate_hz=rate_hz,
        channels={m: STREAMS[m][2] for m in sensors},
    )  # fmt: skip


def sessions(folder: pathlib.Path) -> list[str]:
    """Paths of the sessions in a folder: zips, and folders that hold a file of FILES.

    A zip beside the folder that it was unzipped to is no session of its own.
    Raises: FileNotFoundError without any.
    """
    found = set()
    for file, name in visible(folder):
        if file.suffix.lower() == ".zip":
            found.add(name)
        elif file.name in FILES:
            found.add(pathlib.PurePosixPath(name).parent.as_posix())
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no session of an E4: a zip, or a folder with {', '.join(FILES)}"
        )
    twice = {name for name in found if _without_zip(name) in found - {name}}
    return sorted(found - twice)


def _named(entry, folder):
    """An entry by its path: whose it is, and what it is called."""
    name = entry.file.relative_to(folder).as_posix()
    name = folder.name if name == "." else _without_zip(name)
    first = name.partition("/")[0]
    return entry._replace(recording=name, person="" if _DEVICE.fullmatch(first) else first)


def _without_zip(name):
    return re.sub(r"\.zip$", "", name, flags=re.IGNORECASE)


def _streams(session, sensors):
    """{sensor: Stream} of a session, those that have samples."""
    read = {}
    with _opened(session) as archive:
        there = archive.names("|".join(map(re.escape, FILES)))
        for sensor in sensors:
            member = STREAMS[sensor][0]
            if member not in there or _is_empty(archive.read(member)):
                continue
            read[sensor] = read_stream(archive, member, sensor)
    if not read:
        wanted = ", ".join(STREAMS[m][0] for m in sensors)
        raise ValueError(f"{session} holds no samples in {wanted}: leave it out of the folder")
    rates = true_rates({m: (s, len(x), hz) for m, (s, hz, x) in read.items()}, session)
    out = {}
    for sensor, (start, _, values) in read.items():
        rows = np.arange(len(values))
        stretch = Stretch(start + rows / rates[sensor], rates[sensor], rows)
        out[sensor] = Stream(values, [stretch], session)
    return out


def _is_empty(content):
    lines = content.split(b"\n", _HEADER + 1)
    return sum(bool(line.strip()) for line in lines) <= _HEADER


@contextmanager
def _opened(session: pathlib.Path) -> Iterator[Archive]:
    """The files of a session, in a folder or a zip."""
    if session.is_dir():
        yield Archive(session, _EXPORT, session)
        return
    try:
        zipped = zipfile.ZipFile(session)
    except (MemoryError, PermissionError):
        raise  # there is nothing wrong with the file
    except Exception as error:  # a damaged zip may fail in any way
        raise ValueError(f"{session} is not a whole zip ({error}). {_EXPORT.remedy}") from error
    with zipped:
        places = {name.rpartition("/")[0] for name in zipped.namelist()
                  if name.rpartition("/")[2] in FILES}  # fmt: skip
        if len(places) != 1:
            raise ValueError(
                f"{session} holds {len(places)} sessions of an E4, and has to hold one: "
                f"{', '.join(FILES)}; unzip it, or leave it out of the folder"
            )
        place = places.pop()
        yield Archive(session, _EXPORT, zipfile.Path(zipped, f"{place}/" if place else ""))

"""Which files of a folder are recordings, and whose: by an index, a pattern of names, or none."""

import pathlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mmalign import options
from mmalign.data.recordings.tables import SUFFIXES, is_table, read_text_table

INDEX = "index.csv"
FIELDS = ("person", "recording", "sensor", "label")  # of a pattern, and of the index
_OF_INDEX = ("file", *FIELDS, "labels", "split")


class Entry(NamedTuple):
    """A file and what is known of it, "" where nothing is.

    recording: what belongs to one is on one clock. sensor: "" where the columns tell.
    labels: path of a file of intervals: start, end and label, on the clock of the recording.
    """

    file: pathlib.Path
    person: str = ""
    recording: str = ""
    sensor: str = ""
    label: str = ""
    labels: str = ""
    split: str = ""


def entries(
    folder: pathlib.Path,
    pattern: str | None,
    listed: Callable[[pathlib.Path], list[str]] | None = None,
) -> tuple[list[Entry], list[str]]:
    """(what to read, in order of names; sentences on what is left out) of a folder.

    listed: folder -> paths in it that a pattern is held against; None: its tables.
    Raises: FileNotFoundError, ValueError that name the folder, the index and its line, the pattern.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--config.data.path={folder} is no folder")
    if (folder / INDEX).is_file():
        if pattern is not None:
            raise ValueError(f"{folder} has an {INDEX}, and a pattern is given: leave one out")
        return list(_of_index(folder)), []
    names = (listed or _tables)(folder)
    if pattern is None:
        return [Entry(folder / name, recording=_stem(name)) for name in names], []
    found = _matched(pattern, names)
    if not found:
        raise ValueError(f"no file of {folder} fits pattern={pattern!r}; there is {names[0]!r}")
    others = [name for name in names if name not in found]
    said = [f"{len(others)} files fit no pattern, such as {others[0]}"] if others else []
    made = [
        Entry(folder / name, **{"recording": _recording(name, fields)} | fields)
        for name, fields in found.items()
    ]
    return made, said


def visible(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    """(file, its path in the folder) of all files, in order, but hidden ones."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield path, name.as_posix()


def _tables(folder):
    names = sorted(name for path, name in visible(folder) if is_table(path))
    if not names:
        raise FileNotFoundError(f"{folder} holds no file that ends in {', '.join(SUFFIXES)}")
    return names


def _of_index(folder) -> Iterator[Entry]:
    table = read_text_table(folder / INDEX)
    options.check(str(folder / INDEX), table, _OF_INDEX, ("file",))
    rows = [dict(zip(table, values)) for values in zip(*table.values())]
    if not rows:
        raise ValueError(f"{folder / INDEX} names no file")
    for number, row in enumerate(rows, start=2):
        for key in ("file", "labels"):
            if row.get(key) and not (folder / row[key]).exists():
                raise FileNotFoundError(f"{folder / INDEX}, line {number}: there is no {row[key]}")
        if not row["file"]:
            raise ValueError(f"{folder / INDEX}, line {number}: file is empty")
        row["recording"] = row.get("recording") or _stem(row["file"])
        row["file"] = folder / row["file"]
        row["labels"] = str(folder / row["labels"]) if row.get("labels") else ""
        yield Entry(**row)


def _matched(pattern, names):
    """{name: {field: text}} of the names that fit the pattern."""
    parts = re.split(r"\{(\w*)\}", pattern)
    for field in filter(None, parts[1::2]):
        options.known(f"field of pattern={pattern!r}", field, FIELDS)
    if not parts[1::2]:
        raise ValueError(f"pattern={pattern!r} has no field, such as {{person}}_{{sensor}}.csv")
    expression = re.escape(parts[0])
    for field, text in zip(parts[1::2], parts[2::2]):
        again = f"(?P={field})" if field and f"(?P<{field}>" in expression else None
        group = f"(?P<{field}>[^/]+?)" if field else "[^/]+?"
        expression += (again or group) + re.escape(text)
    found = {name: re.fullmatch(expression, name) for name in names}
    return {name: match.groupdict() for name, match in found.items() if match}


def _recording(name, fields):
    """A recording's name where the pattern has none: the file's, without the sensor in it."""
    stem, sensor = _stem(name), fields.get("sensor")
    return stem if sensor is None else "".join(stem.rsplit(sensor, 1))


def _stem(name):
    return re.sub(r"(\.\w+)+$", "", name)

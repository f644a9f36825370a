"""Which columns of a file are which sensor's channels."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mmalign import options
from mmalign.data.recordings.tables import is_number

LABEL_NAMES = ("label", "activity", "class", "annotation")
_AXIS = re.compile(r"(?P<sensor>.*?)[\s_.\-]*(?P<axis>[xyzXYZ])")
_PART = re.compile(r"(?P<sensor>.+)[\s_.\-](?P<axis>\w+)")


def sensors_of(
    columns: Mapping[str, np.ndarray], without: Iterable[str], *, sensor: str = "",
    named: Mapping[str, Sequence[str]] | None = None, file: object = "",
) -> dict[str, tuple[str, ...]]:  # fmt: skip
    """{sensor: its columns} of a file.

    columns: of the file. without: the columns of time and label.
    sensor: whose all columns of numbers are, "" where the columns tell: those that end in x, y and
      z are of what stands before (ax, ay, az: of a; acc_x, acc_y: of acc), those that share a
      beginning up to the last "_", "." or space of that, any other column is a sensor of its own.
    named: {sensor: columns} outright, those alone.
    Raises: ValueError that names the file for a column that is not there, or no column of numbers,
      or a cell that is none among numbers.
    """
    if named is not None and not sensor:
        for name in (x for of in named.values() for x in of):
            options.known(f"column of {file}", name, columns)
            _check_numbers(columns[name], name, file, most=0.0)
        return {m: tuple(of) for m, of in named.items()}
    numbers = [
        name for name, x in columns.items() if name not in [*without] and x.dtype.kind in "fiub"
    ]
    given = (named or {}).get(sensor) if sensor else None
    if given is None:
        for name in (x for x in columns if x not in [*without]):
            _check_numbers(columns[name], name, file)
    if sensor:
        of = tuple(numbers if given is None else given)
        for name in given or ():
            options.known(f"column of {file}", name, columns)
            _check_numbers(columns[name], name, file, most=0.0)
        found = {sensor: of} if of else {}
    else:
        found = _grouped(numbers)
    if not found:
        raise ValueError(f"{file} has no column of numbers beside time and label")
    return found


def _check_numbers(column, name, file, most=0.5):
    """Raises ValueError for a cell that is no number in a column with more than `most` of them."""
    if column.dtype.kind != "U":
        return
    rows = np.flatnonzero(column != "")
    numbers = np.array([is_number(x) for x in column[rows]], bool)
    if not numbers.all() and (not most or numbers.mean() > most):
        row = rows[numbers.argmin()]
        raise ValueError(
            f"{file}: {name} in row {row} is {str(column[row])!r}, no number: mend it, leave the "
            "cell empty, or name the columns of sensors without it by options.sensors"
        )


def _grouped(names):
    """{sensor: columns}, in the order in which they come."""
    out: dict[str, list[str]] = {}
    left = list(names)
    for pattern in (_AXIS, _PART):
        groups: dict[str, list[str]] = {}
        for name in left:
            if match := pattern.fullmatch(name):
                groups.setdefault(match["sensor"], []).append(name)
        for key, of in groups.items():
            if len(of) > 1:
                out[key or "acc"] = of
                left = [name for name in left if name not in of]
    out |= {name: [name] for name in left}
    return dict(
        sorted(((m, tuple(of)) for m, of in out.items()), key=lambda x: names.index(x[1][0]))
    )

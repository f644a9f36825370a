"""Which columns of a file are which sensor's channels."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mmalign import options

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
    Raises: ValueError that names the file for a column that is not there, or no column of numbers.
    """
    if named is not None and not sensor:
        for name in (x for of in named.values() for x in of):
            options.known(f"column of {file}", name, columns)
        return {m: tuple(of) for m, of in named.items()}
    numbers = [
        name for name, x in columns.items() if name not in [*without] and x.dtype.kind in "fiub"
    ]
    if sensor:
        of = tuple((named or {}).get(sensor, numbers))
        for name in of:
            options.known(f"column of {file}", name, columns)
        found = {sensor: of} if of else {}
    else:
        found = _grouped(numbers)
    if not found:
        raise ValueError(f"{file} has no column of numbers beside time and label")
    return found


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

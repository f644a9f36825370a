"""Tables of numbers in the text files of an archive, read and checked."""

import io
from collections.abc import Sequence

import numpy as np

from mmalign.data.archive import Archive

_MOST = np.finfo(np.float32).max  # what is beyond it would be infinite in a window
_TOP = 1 << 16  # bytes in which the header and the first row end


def numbers(
    archive: Archive,
    member: str,
    *,
    columns: int,
    rows: int | None = None,
    header: Sequence[str] = (),
    delimiter: str | None = None,
    only: Sequence[int] | None = None,
    missing: bool = False,
    dtype: type = np.float32,
) -> np.ndarray:
    """A text file of numbers as an array.

    Args:
      archive: `Archive` that holds it.
      member: its path there.
      columns: how many the file has.
      rows: how many it has; None is any number but 0.
      header: lines that come before the numbers, as published.
      delimiter: between numbers; None is white space.
      only: numbers of the columns to return, from 0; None is all. Others may hold anything.
      missing: whether NaN may stand for a missing number; infinite ones are refused.
      dtype: of the array.
    Returns: [rows, columns] or [rows, len(only)].
    Raises: ValueError that names the file if it is anything else.
    """
    content = archive.read(member)
    lines = content[:_TOP].split(b"\n")[: len(header) + 1]
    top = [line.decode("utf-8-sig", errors="replace").strip() for line in lines]
    for i, line in enumerate(header):
        if top[i : i + 1] != [line]:
            raise ValueError(
                f"{archive.path}: line {i + 1} of {member} must be {line!r}, "
                f"got {''.join(top[i : i + 1])[:200]!r}"
            )
    first = "".join(top[len(header) :])
    if not first:
        raise ValueError(f"{archive.path}: {member} must hold rows of {columns} numbers, got none")
    width = len(first.split(delimiter))
    if width == columns or only is None:  # else there may be no such column to read
        table = _parsed(archive, member, content, len(header), delimiter, only, dtype)
        bad = np.count_nonzero(np.abs(table) > _MOST) + (not missing) * np.isnan(table).sum()
        width = table.shape[1] if only is None else width
        if width == columns and len(table) == (rows or len(table)) and not bad:
            return table
        found = f"{len(table)} rows of {width}, {bad} of them not finite"
    else:
        found = f"{width} in the first row"
    raise ValueError(
        f"{archive.path}: {member} must hold {rows or 'some'} rows of {columns} finite numbers, "
        f"got {found}"
    )


def _parsed(archive, member, content, skip, delimiter, only, dtype):
    try:
        return np.loadtxt(
            io.BytesIO(content),
            dtype=dtype,
            comments=None,  # a # would cut a number short
            delimiter=delimiter,
            skiprows=skip,
            usecols=only,
            ndmin=2,
        )
    except ValueError as error:
        raise ValueError(f"{archive.path}: {member} is not a table of numbers: {error}") from error

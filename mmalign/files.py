"""Files that are written as a whole or not at all."""

import contextlib
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import IO

import numpy as np


class Damaged(ValueError):
    """What is stored cannot be read, or is not what was written."""


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes the text."""
    with write_whole(path) as file:
        file.write(text.encode())


def write_arrays(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name, as an .npz: numbered, as a name may be any string."""
    with write_whole(path) as file:
        np.savez(file, *arrays.values(), names=np.array([*arrays], str))


@contextlib.contextmanager
def write_whole(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """A file to write, which has the path's name once all of it is on the disk.

    Raises: OSError that names the path, where the system's own does not, as of a full disk; what
      was written of it is removed.
    """
    part = part_of(path)
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.replace(part, path)


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """What `write_arrays` wrote."""
    with np.load(path) as stored:
        return {str(name): stored[f"arr_{i}"] for i, name in enumerate(stored["names"])}


def part_of(path: pathlib.Path) -> pathlib.Path:
    """What is left if the writing is cut off."""
    return path.with_name(path.name + ".part")

"""The arrays of an .npz file: sizes are looked at before anything is read, nothing is unpickled."""

import io
import math
import pathlib
import zipfile

import numpy as np

from mmalign.data.archive import check_growth, check_member

_TOP = 1 << 16  # bytes of an array in which its header ends; NumPy reads headers up to 10,000
_LARGE = 1 << 28  # bytes that a file's arrays may always ask for
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_WHOLE = "the file is damaged, write it again"
_OBJECTS = (
    "arrays of Python objects, such as windows of unequal length, are never unpickled: cut the "
    "windows to one length and save an array of numbers"
)


def arrays_of(file: pathlib.Path) -> dict[str, np.ndarray]:
    """{key: array} of a file, as `np.load` would give them.

    Raises: ValueError that names the file, and the key where it is one array's fault: damaged,
      encrypted or there twice; of Python objects; of another size than its header says; or few
      bytes that ask for a lot of memory.
    """
    with open(file, "rb") as stream:
        if stream.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
            raise ValueError(
                f"{file} holds one bare array: write np.savez(file, acc=..., gyro=...)"
            )
        try:
            zipped = zipfile.ZipFile(stream)
        except (MemoryError, PermissionError):
            raise  # there is nothing wrong with the file
        except Exception as error:  # a damaged table of contents may fail in any way
            raise ValueError(
                f"{file} ({file.stat().st_size:,} bytes) is not a whole .npz file ({error}): "
                "write it again with np.savez"
            ) from error
        with zipped:
            members = _members(file, zipped)
            return {key: _array(file, zipped, key, info) for key, info in members.items()}


def _members(file, zipped):
    """{key: what the table of contents says of it}."""
    members = {}
    for info in zipped.infolist():
        key = info.filename.removesuffix(".npy")
        if not key or not key.isprintable():
            raise ValueError(f"{file}: {key!r} is no name of an array: take letters and _")
        if key in members:
            raise ValueError(f"{file}: {key!r} is there twice: write the file again with np.savez")
        members[key] = info
    try:
        asked = sum(info.file_size for info in members.values())
        check_growth(asked, file.stat().st_size, _LARGE)
    except ValueError as error:
        raise ValueError(
            f"{file} holds next to nothing but one value that repeats ({error}): if that is meant, "
            "write it with np.savez, which does not compress"
        ) from error
    return members


def _array(file, zipped, key, info):
    hint = _WHOLE
    try:
        check_member(info)
        with zipped.open(info) as stream:
            shape, dtype, start = _header(stream.read(_TOP))
        if dtype.hasobject:
            hint = _OBJECTS
            raise ValueError("it holds Python objects")
        size = math.prod(shape) * dtype.itemsize
        if start + size != info.file_size or math.prod(shape) > max(size, 1):
            raise ValueError(
                f"its header says {dtype} {shape}, {size:,} bytes, and {info.file_size - start:,} "
                "are there"
            )
        with zipped.open(info) as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
            stream.read(1)  # the end, where the checksum is verified
        return array
    except (MemoryError, PermissionError):
        raise  # there is nothing wrong with the file
    except Exception as error:  # a damaged array may fail in any way
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{file}: {key!r} cannot be read ({said}): {hint}") from error


def _header(top):
    """(shape, dtype, bytes of the header) of an array that begins with the bytes `top`."""
    stream = io.BytesIO(top)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"it is of version {version} of NumPy's format, not 1.0 or 2.0")
    shape, _, dtype = _HEADERS[version](stream)
    if min(shape, default=0) < 0:
        raise ValueError(f"its header says the shape {shape}")
    return shape, dtype, stream.tell()

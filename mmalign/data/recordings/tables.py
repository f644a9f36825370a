"""One file as columns: text, parquet, arrays of NumPy or HDF5."""

import contextlib
import gzip
import pathlib
import re
from typing import Any

import numpy as np

from mmalign.data.archive import check_growth
from mmalign.data.names import LONGEST, check_text
from mmalign.data.npz_arrays import arrays_of

SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet", ".npz", ".h5", ".hdf5")
_AXES = "xyz"
_SNIFFED = 4096  # characters from which the separator is told


def is_table(path: pathlib.Path) -> bool:
    """Whether the file's name ends as that of a table does."""
    return path.name.lower().endswith(SUFFIXES)


def read_table(path: pathlib.Path, columns: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
    """{name: [rows]} of a file, numbers or text. columns: their names where the file has none.

    Arrays of .npz and HDF5 of two axes become a column for each of the second, called name_x,
    name_y, name_z where it has three and name_0, name_1, ... else.
    Raises: ValueError that names the file.
    """
    suffix = path.suffix.lower()
    with _named(path):
        if suffix == ".npz":
            return _columns(arrays_of(path))
        if suffix in (".h5", ".hdf5"):
            return _columns(_hdf5(path))
        frame = _pandas().read_parquet(path) if suffix == ".parquet" else _text(path, columns)
        if columns is not None:
            if len(columns) != frame.shape[1]:
                raise ValueError(f"it has {frame.shape[1]} columns, and {len(columns)} are named")
            frame.columns = list(columns)
        return {_name(name): _plain(frame[name]) for name in frame}


def read_text_table(path: pathlib.Path) -> dict[str, list[str]]:
    """{name: [rows]} of a text file, all of it as text.

    Raises: ValueError that names the file.
    """
    with _named(path):
        frame = _text(path, None, dtype=str, keep_default_na=False)
        return {_name(name): [x.strip() for x in frame[name]] for name in frame}


def is_number(text: str) -> bool:
    """Whether a text is a number, with a point or a comma."""
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def _named(path):
    """Errors of a file name it."""
    try:
        yield
    except (MemoryError, PermissionError, ImportError):
        raise  # there is nothing wrong with the file
    except Exception as error:  # a damaged file may fail in any way
        said = (str(error).strip() or type(error).__name__).partition("\n")[0]
        said = said.removeprefix(f"{path}: ")
        raise ValueError(f"{path} cannot be read as a table ({said})") from error


def _name(column):
    """A column's name, which a sensor may be called by; ValueError for what is none."""
    name = str(column).strip()
    check_text("a column", name)
    if len(name) > LONGEST:
        raise ValueError(
            f"a column is called {name[:40] + '…'!r}, of {len(name):,} characters: name it by "
            f"{LONGEST} at most"
        )
    return name


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "recordings are read with pandas: pip install 'mmalign[recordings]'"
        ) from error
    return pandas


def _text(path, columns, **how):
    pandas = _pandas()
    first = _beginning(path)
    line = first.partition("\n")[0]
    separator = max("\t;,", key=line.count) if re.search("[\t;,]", line) else r"\s+"
    decimal = "," if separator == ";" and re.search(r"\d,\d", first) else "."
    header = line.split(None if separator == r"\s+" else separator)
    if columns is None and not header:
        raise ValueError("it begins with an empty line, not with names of columns")
    if columns is None and all(is_number(x) for x in header):
        raise ValueError(
            "it begins with numbers: name its columns by options.columns, or, of an index, in a "
            "line above them"
        )
    how |= dict(sep=separator, decimal=decimal, skipinitialspace=True, encoding="utf-8-sig")
    if columns is not None:
        return pandas.read_csv(path, header=None, **how)
    begun = pandas.read_csv(path, nrows=1, **how)
    if isinstance(begun.index, pandas.RangeIndex):
        return pandas.read_csv(path, **how)
    # Rows are longer than the names: pandas would take the first fields for an index.
    names, more = list(begun.columns), begun.index.nlevels
    beyond = [f"beyond the names {i}" for i in range(more)]
    frame = pandas.read_csv(path, header=0, names=names + beyond, index_col=False, **how)
    filled = (frame[beyond].notna() & (frame[beyond] != "")).any(axis=1).to_numpy()
    if filled.any():
        raise ValueError(
            f"its rows have {len(names) + more} fields, such as row {filled.argmax()}, and its "
            f"first line {len(names)} names: name every column"
        )
    return frame[names]  # a separator at the end of each row is harmless


def _beginning(path):
    opened = open
    if path.suffix.lower() == ".gz":
        _check_inflated(path)
        opened = gzip.open
    with opened(path, "rt", encoding="utf-8-sig", errors="replace") as file:
        return file.read(_SNIFFED)


def _check_inflated(path):
    """Inflates the file once without keeping it, as its own word for its size can be wrong."""
    asked, held = 0, path.stat().st_size
    with gzip.open(path) as file:
        while piece := file.read(1 << 20):
            asked += len(piece)
            check_growth(asked, held)


def _hdf5(path):
    try:
        import h5py
    except ImportError as error:
        raise ImportError("HDF5 is read with h5py: pip install h5py") from error
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, x: found.update({name.replace("/", "_"): x})
            if isinstance(x, h5py.Dataset) else None
        )  # fmt: skip
        check_growth(sum(x.nbytes for x in found.values()), path.stat().st_size)
        return {name: np.asarray(x[()]) for name, x in found.items()}


def _columns(arrays):
    out = {}
    for key, x in arrays.items():
        if x.ndim == 1:
            out[key] = x.astype(str) if x.dtype.kind in "SO" else x
        elif x.ndim == 2:
            names = _AXES if x.shape[1] == len(_AXES) else range(x.shape[1])
            out |= {f"{key}_{name}": column for name, column in zip(names, x.T)}
    lengths = {len(x) for x in out.values()}
    if len(lengths) != 1:
        raise ValueError(f"its arrays have {sorted(lengths)} rows: a table has one number of them")
    return out


def _plain(column):
    """A column of pandas as NumPy has it: numbers with NaN, or text with ""."""
    pandas = _pandas()
    if pandas.api.types.is_datetime64_any_dtype(column):
        return column.to_numpy("datetime64[ns]")
    if pandas.api.types.is_numeric_dtype(column) or pandas.api.types.is_bool_dtype(column):
        return column.to_numpy(np.float64 if column.isna().any() else None)
    return column.fillna("").astype(str).to_numpy(str)

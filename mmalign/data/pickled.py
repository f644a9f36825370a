"""Pickles of plain containers and arrays, read without running anything they name.

A pickle is a program: it may call whatever it can import. Here it can import nothing. The few names
by which NumPy stores an array lead to stand-ins of this module, which take a type code, a shape and
bytes; any other name, and any other type, is refused.
"""

import io
import itertools
import math
import pickle
import re
from typing import Any

import numpy as np

from mmalign.data import pickle_opcodes

_NODES = 1_000_000  # that any pickle may hold; more if it is longer


def loads(content: bytes) -> Any:
    """What a pickle of dicts, lists, tuples, numbers, strings, None and arrays of them holds.

    Strings that Python 2 wrote are taken as latin-1, as its arrays need. An array of objects comes
    back as a flat list of them.

    Args:
      content: bytes of the pickle.
    Raises: ValueError if anything else is in it, if it is damaged, or if what it repeats by
      reference would be more than a million things and more than its bytes.
    """
    try:
        pickle_opcodes.check(content)
        tree = _Unpickler(io.BytesIO(content), encoding="latin-1").load()
        return _Filling(max(_NODES, len(content))).fill(tree)
    except Exception as error:  # a damaged pickle may fail in any way
        raise ValueError(
            f"not a pickle of plain containers and arrays of numbers or strings "
            f"({type(error).__name__}: {error})"
        ) from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        known = {
            ("numpy", "ndarray"): _Name("ndarray"),
            ("numpy", "dtype"): _Name("dtype", _Type),
            ("numpy.core.multiarray", "_reconstruct"): _Name("array", _Array),
            ("numpy._core.multiarray", "_reconstruct"): _Name("array", _Array),
            ("numpy.core.multiarray", "scalar"): _Name("scalar", _scalar),
            ("numpy._core.multiarray", "scalar"): _Name("scalar", _scalar),
            # bytes, as Python 3 writes them in protocols 0 to 2
            ("_codecs", "encode"): _Name("encode", _encode),
            ("__builtin__", "bytes"): _Name("bytes", _no_bytes),
        }
        if (module, name) not in known:
            hint = "; arrays of protocol 5: take 4" if name == "_frombuffer" else ""
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused{hint}")
        return known[module, name]


class _Name:
    """What a name in a pickle leads to: it can be called, if at all, but not changed."""

    def __init__(self, name, make=None):
        self._name, self._make = name, make

    def __call__(self, *args):
        if self._make is None:
            raise pickle.UnpicklingError(f"it calls {self._name}, which is refused")
        return self._make(*args)

    def __setstate__(self, state):
        raise pickle.UnpicklingError(f"it changes {self._name}, which is refused")


class _Type:
    """Stands for a dtype: kind and size, then the byte order from its state."""

    def __init__(self, code, align=False, copy=False):
        del align, copy
        if not re.fullmatch(r"[biuf]\d{1,2}|[SU]\d{1,9}|O8", code):
            raise pickle.UnpicklingError(f"it holds an array of type {code!r}, not of numbers")
        self.code, self.order = code, "="

    def __setstate__(self, state):
        if state[1] not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("it holds an array of records, not of numbers")
        self.order = state[1]


class _Array:
    """Stands for an array: empty, then filled from its state."""

    def __init__(self, base, shape, code):
        del base, shape, code  # of the empty array
        self.value = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Type) or not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError(f"it holds an array of shape {shape!r}, type {dtype!r}")
        if dtype.code == "O8":
            if type(raw) is not list or len(raw) != math.prod(shape):
                raise pickle.UnpicklingError(f"it holds {shape} objects with other contents")
            self.value = raw
            return
        self.value = _numbers(raw, dtype, shape).reshape(shape, order="F" if fortran else "C")


def _numbers(raw, dtype, shape):
    raw = raw.encode("latin-1") if isinstance(raw, str) else raw
    dtype = np.dtype(dtype.order + dtype.code)
    if not isinstance(raw, bytes) or len(raw) != math.prod(shape) * dtype.itemsize:
        raise pickle.UnpicklingError(f"it holds an array of shape {shape} with other contents")
    return np.frombuffer(raw, dtype)


def _scalar(dtype, raw):
    if not isinstance(dtype, _Type) or dtype.code == "O8":
        raise pickle.UnpicklingError("it holds a number of no known type")
    return _numbers(raw, dtype, ()).item(0)


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it holds text in {encoding!r}")
    return text.encode("latin-1")


def _no_bytes():
    return b""


class _Filling:
    """Puts arrays where their stand-ins are; nothing but plain containers around them.

    A container that is in several places is filled once. What it holds counts in each: whoever
    walks through the tree will meet it there.
    """

    def __init__(self, most):
        self._most = most
        self._done = {}  # id of a container -> (filled, how many things it holds)

    def fill(self, tree):
        return self._fill(tree)[0]

    def _fill(self, tree):
        """(filled, how many things it holds)."""
        if isinstance(tree, _Array) and tree.value is not None:
            return self._fill(tree.value) if isinstance(tree.value, list) else (tree.value, 1)
        if tree is None or isinstance(tree, bool | int | float | str | bytes):
            return tree, 1
        if not isinstance(tree, dict | list | tuple):
            raise pickle.UnpicklingError(f"it holds a {type(tree).__name__}")
        if id(tree) not in self._done:
            self._done[id(tree)] = self._container(tree)
        return self._done[id(tree)]

    def _container(self, tree):
        children = itertools.chain(*tree.items()) if isinstance(tree, dict) else tree
        filled, count = [], 1
        for child in children:
            value, held = self._fill(child)
            filled.append(value)
            count += held
            if count > self._most:
                raise pickle.UnpicklingError(f"it repeats its parts to more than {self._most:,}")
        if isinstance(tree, dict):
            return dict(zip(filled[::2], filled[1::2])), count
        return type(tree)(filled), count

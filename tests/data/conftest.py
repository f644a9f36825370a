"""Pickles as Python 2 wrote them, which some published data sets are."""

import io
import pickle

import pytest


class _Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 does in protocol 0: an escaped line each."""

    def save_string(self, value):
        escaped = value if isinstance(value, bytes) else value.encode("latin-1")
        self.write(b"S" + ascii(escaped)[1:].encode() + b"\n")
        self.memoize(value)

    dispatch = pickle._Pickler.dispatch | {bytes: save_string, str: save_string}


@pytest.fixture
def python2_pickle():
    """`tree -> bytes`, what Python 2 and its NumPy would write: protocol 0, old module names."""

    def dumps(tree):
        stream = io.BytesIO()
        _Pickler(stream, 0).dump(tree)
        return stream.getvalue().replace(b"numpy._core", b"numpy.core")

    return dumps

"""What the tests of several readers do, and pickles as Python 2 wrote them."""

import io
import pickle

import numpy as np
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


@pytest.fixture
def second_load_reads_the_cache(monkeypatch):
    """(reader, load, files, options, call): `call` is what options make of the reader's `read`."""

    def check(reader, load, files, options, call):
        first = load(files)
        calls = []
        read = reader.read
        monkeypatch.setattr(reader, "read", lambda *a, **k: calls.append(k) or read(*a, **k))
        second = load(files)
        assert not calls
        for m in first.modalities:
            np.testing.assert_array_equal(first.inputs[m], second.inputs[m])
            np.testing.assert_array_equal(first.present[m], second.present[m])
        load(files, **options)
        assert calls == [call]

    return check


@pytest.fixture
def refuses_by_name():
    """(load, files, (member, change, message), archive): `change` gives a text or None for none."""

    def check(load, files, case, archive):
        member, change, message = case
        text = change(files.pop(member))
        if text is not None:
            files[member] = text
        with pytest.raises(ValueError, match=message) as error:
            load(files)
        assert archive in str(error.value)

    return check


@pytest.fixture
def refuses_a_truncated_zip(tmp_path):
    """(reader, archive, home): the archive in tmp_path has lost its end."""

    def check(reader, archive, home):
        zipped = tmp_path / archive
        zipped.write_bytes(zipped.read_bytes()[:-1000])
        with pytest.raises(ValueError, match=rf"not a whole zip.*{home}"):
            reader.load(dir=tmp_path, cache_dir=tmp_path / "cache")

    return check

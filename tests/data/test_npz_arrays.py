"""Arrays of an .npz file: sizes are looked at before memory is spent."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from mmalign.data import npz_arrays
from mmalign.data.npz_arrays import arrays_of

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


def saved(x):
    stream = io.BytesIO()
    np.save(stream, x)
    return stream.getvalue()


def header(text, version=1):
    """An array that is its header alone."""
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode()


def described(shape, descr="'<f4'"):
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")


@pytest.fixture
def read(tmp_path):
    """Reads the zip of [(name, content)]."""

    def call(*members, method=zipfile.ZIP_STORED):
        with zipfile.ZipFile(tmp_path / "mine.npz", "w", method) as zipped:
            for name, content in members:
                zipped.writestr(name, content)
        return arrays_of(tmp_path / "mine.npz")

    return call


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_numpy_reads_them(tmp_path, save):
    file = tmp_path / "mine.npz"
    save(file, a=ARRAY, b=ARRAY.T, c=np.array(5), d=np.array(["x", "yz"]), e=np.zeros((0, 3)),
         f=np.array("series"), g=np.array(""), h=ARRAY.astype(">f8"))  # fmt: skip
    found = arrays_of(file)
    with np.load(file) as want:
        assert [*found] == want.files
        for key, x in found.items():
            np.testing.assert_array_equal(x, want[key])
            assert x.dtype == want[key].dtype and x.flags.writeable


REFUSED = {
    "claims terabytes": (described(f"({2**45},)"), "140,737,488,355,328 bytes, and 0 are there"),
    "overflows": (described(f"({2**40}, {2**40})"), "and 0 are there"),
    "counts below 0": (described("(-1,)"), r"says the shape \(-1,\)"),
    "many of nothing": (described(f"({2**50},)", "'<U0'"), "and 0 are there"),
    "more than it says": (saved(ARRAY) + b"1234", "24 bytes, and 28 are there"),
    "less than it says": (saved(ARRAY)[:-4], "24 bytes, and 20 are there"),
    "half a header": (header("{'descr': '<f4', 'shape': ("), "write it again"),
    "long header": (header(" " * 20_000), "write it again"),
    "endless header": (b"\x93NUMPY\x02\0\xff\xff\xff\x7f", "expected 2147483647 bytes"),
    "deep header": (header("(" * 5_000), "write it again"),
    "other version": (header("{}", 3), r"version \(3, 0\)"),
    "objects": (described("(2,)", "'|O'"), "never unpickled"),
    "no array": (b"text", "magic string"),
    "nothing": (b"", "magic string"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_array_that_is_not_what_it_says_is_refused_by_name(read, case):
    content, message = REFUSED[case]
    with pytest.raises(ValueError, match=rf"mine\.npz: 'b' cannot be read .*{message}"):
        read(("a.npy", saved(ARRAY)), ("b.npy", content))


def test_an_array_that_is_there_twice_is_refused(read):
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        pytest.raises(ValueError, match="twice"),
    ):
        read(("a.npy", saved(ARRAY)), ("a.npy", saved(ARRAY + 1)))
    with pytest.raises(ValueError, match=r"mine\.npz: 'a' is there twice"):
        read(("a.npy", saved(ARRAY)), ("a", saved(ARRAY)))


@pytest.mark.parametrize("name", ["a\nb.npy", ".npy"])
def test_a_name_that_cannot_be_shown_is_refused(read, name):
    with pytest.raises(ValueError, match=r"mine\.npz: .* is no name of an array"):
        read((name, saved(ARRAY)))


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [(8, 1, "encrypted"), (10, 12, "compressed by method 12"), (10, 99, "compressed by method 99")],
)
def test_what_numpy_never_writes_is_refused_by_name(tmp_path, read, offset, value, message):
    read(("a.npy", saved(ARRAY)))
    content = bytearray((tmp_path / "mine.npz").read_bytes())
    struct.pack_into("<H", content, content.index(b"PK\x01\x02") + offset, value)
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"'a' cannot be read \(it is {message}"):
        arrays_of(tmp_path / "mine.npz")


def test_a_wrong_checksum_is_noticed_in_a_compressed_array(tmp_path, read):
    read(("a.npy", saved(ARRAY)), method=zipfile.ZIP_DEFLATED)
    content = bytearray((tmp_path / "mine.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + 16] ^= 1
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"'a' cannot be read .Bad CRC"):
        arrays_of(tmp_path / "mine.npz")


def test_few_bytes_that_ask_for_much_memory_are_refused_before_it_is_spent(read, monkeypatch):
    monkeypatch.setattr(npz_arrays, "_LARGE", 1 << 20)
    size = 1 << 22
    members = [(f"a{i}.npy", described(f"({size // 4},)") + bytes(size)) for i in range(2)]
    assert len(read(*members)) == 2  # they take what they ask for
    tracemalloc.start()
    with pytest.raises(
        ValueError, match=r"mine\.npz holds next to nothing but one value.*np.savez"
    ):
        read(*members, method=zipfile.ZIP_DEFLATED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size

"""Ways in which a file comes to harm: in its bytes, in what a zip holds, in how it is packed."""

import functools
import io
import os
import pathlib
import pickle
import re
import struct
import tempfile
import warnings
import zipfile
import zlib

import numpy as np

ODD = (
    b"nan", b"inf", b"-inf", b"1e300", b"1e-42", b"-1", b"0", b"", b"#", b"9" * 30, b"1e999",
    b"Infinity", b"null", b"1.5", b"\xff\xfe", b"[[[[", b"1 2", b"2,3", b"1099511627776", b"x",
)  # fmt: skip
BLANKS = 1 << 30  # bytes that a thousandth of them are inflated to
RAN = pathlib.Path(tempfile.gettempdir(), f"ran-by-a-file-{os.getpid()}")  # made by such a file
STRIDE = 7  # so that a few numbers in a row are kinds of all sorts
NUMBER = re.compile(rb"-?\d+(\.\d+)?(e[-+]?\d+)?")


def damaged(rng, sample, number):
    """(kind, bytes) of a `Sample`'s file, harmed; `number` goes through the kinds."""
    kinds = [*WHOLE, *CONTENT, *(ZIPPED if sample.zipped else ())]
    kind = kinds[number * STRIDE % len(kinds)]
    if kind in CONTENT:
        members = dict(sample.members)
        name = _one(rng, [*members])
        members[name] = CONTENT[kind](rng, members[name])
        return f"{kind} in {name}", packed(members) if sample.zipped else members[name]
    if kind in ZIPPED:
        return kind, ZIPPED[kind](rng, dict(sample.members), sample.file)
    content = packed(sample.members) if sample.zipped else sample.members[""]
    return kind, WHOLE[kind](rng, content)


def packed(members, names=None):
    """The zip of {path: bytes}; `names`: others for the paths, which may come twice."""
    stream = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped,
    ):
        for name, content in zip(names or members, members.values()):
            zipped.writestr(name, content)
    return stream.getvalue()


def _one(rng, things):
    return things[int(rng.integers(len(things)))]


def _place(rng, content):
    """A place in it; the beginning, where headers are, as often as the rest."""
    return int(rng.integers(max(1, min(len(content), 200) if rng.random() < 0.5 else len(content))))


def _cut(rng, content):
    return content[: _place(rng, content)]


def _flipped(rng, content):
    out = bytearray(content)
    for _ in range(int(rng.integers(1, 6)) if out else 0):
        out[_place(rng, out)] = int(rng.integers(256))
    return bytes(out)


def _zeroed(rng, content):
    at = _place(rng, content)
    return content[:at] + bytes(min(64, len(content) - at)) + content[at + 64 :]


def _spliced(rng, content):
    at, other = _place(rng, content), _place(rng, content)
    return content[:at] + content[other : other + 40] + content[at:]


def _odd_number(rng, content):
    found = list(NUMBER.finditer(content[: 200 if rng.random() < 0.5 else 200_000]))
    if not found:
        return content + _one(rng, ODD)
    match = _one(rng, found)
    return content[: match.start()] + _one(rng, ODD) + content[match.end() :]


def _odd_value(rng, content):
    """A number of an array, in its own bytes."""
    form = _one(rng, ["<f", "<d", "<q", "<i"])
    real = [float("nan"), float("inf"), 1e-42, 3e38, -1e30, 0.5]
    whole = [-1, -2, 2**31 - 1, 7, 0xD800]
    value = struct.pack(form, _one(rng, real if form in ("<f", "<d") else whole))
    at = len(content) - len(value) * (1 + int(rng.integers(max(1, len(content) // len(value)))))
    return content if at < 0 else content[:at] + value + content[at + len(value) :]


def _odd_array(rng, content):
    """Another array in the place of one, of a type and shape that are seldom meant."""
    if not content.startswith(b"\x93NUMPY"):
        return _odd_value(rng, content)
    n = _one(rng, [12, 12, 12, 11, 1, 0])
    shape = _one(rng, [(n,), (n, 1), (n, 3), (n, 8, 3), (n, 2, 2, 3), (n, 1, 1, 1, 1), (n, 0), ()])
    values = rng.integers(-3, 200, shape)
    kind = _one(rng, ["b1", "i1", "u8", "f2", "f8", "c8", "M8[s]", "S3", "U0", "U4", "V8", "i4,f4"])
    x = np.zeros(shape, kind) if kind in ("U0", "V8", "i4,f4") else values.astype(kind)
    stream = io.BytesIO()
    np.save(stream, x)
    return stream.getvalue()


class _Call:
    """What a pickle of it does: a call that makes the folder RAN."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        function, argument = self.call
        return function, (argument,)


def _program(rng, content):
    """A pickle that runs when it is read; of an array, one of objects that does."""
    calls = [(os.mkdir, str(RAN)), (exec, f"import os; os.mkdir({str(RAN)!r})"),
             (os.system, f"mkdir {RAN}")]  # fmt: skip
    call = _Call(*_one(rng, calls))
    if not content.startswith(b"\x93NUMPY"):
        return pickle.dumps(_one(rng, [call, [call], {"signal": call}]), int(rng.integers(6)))
    stream = io.BytesIO()
    np.save(stream, np.array([call] * 12, object), allow_pickle=True)
    return stream.getvalue()


def _lines(change):
    """Damage by lines: `change` takes (rng, lines)."""
    return lambda rng, content: b"\n".join(change(rng, content.split(b"\n")))


def _columns(rng, lines):
    separator = next((s for s in (b",", b"\t", b" ") if s in lines[len(lines) // 2]), b" ")
    keep = 1 + int(rng.integers(4))
    return [separator.join(line.split(separator)[:keep]) for line in lines]


def _shuffled(rng, lines):
    return [lines[i] for i in rng.permutation(len(lines))]


def _halved(rng, lines):
    return [line for line in lines if rng.random() < 0.5]


def _renamed(rng, members, file):
    name = _one(rng, [*members])
    other = _one(rng, ["x", "../" * 3 + name, name.upper(), name + "\u0301", "/" + name, "\n"])
    return packed(members, [other if key == name else key for key in members])


def _gone(rng, members, file):
    del members[_one(rng, [*members])]
    return packed(members)


def _twice(rng, members, file):
    name, other = _one(rng, [*members]), _one(rng, [*members])
    return packed({**members, "twice": members[other]}, [*members, name])


def _swapped(rng, members, file):
    one, other = _one(rng, [*members]), _one(rng, [*members])
    members[one], members[other] = members[other], members[one]
    return packed(members)


def _nested(rng, members, file):
    content = packed(members)
    for _ in range(int(rng.integers(1, 4))):
        content = packed({file if rng.random() < 0.5 else "inner.zip": content})
    return content


def _field(at_local, at_central, form, values):
    """Damage to a field of one member in both of a zip's tables."""

    def change(rng, members, file):
        out, value = bytearray(packed(members)), _one(rng, values)
        for mark, at in ((b"PK\x03\x04", at_local), (b"PK\x01\x02", at_central)):
            found = [m.start() for m in re.finditer(re.escape(mark), bytes(out))]
            struct.pack_into(form, out, found[len(found) // 2] + at, value)
        return bytes(out)

    return change


@functools.cache
def blanks():
    """(deflated, checksum) of BLANKS blanks."""
    deflate, checksum, out = zlib.compressobj(9, zlib.DEFLATED, -15), 0, []
    for _ in range(BLANKS >> 24):
        piece = b" " * (1 << 24)
        checksum = zlib.crc32(piece, checksum)
        out.append(deflate.compress(piece))
    return b"".join([*out, deflate.flush()]), checksum


def _bomb(rng, members, file):
    """One member is a gigabyte of blanks."""
    name, stream = _one(rng, [*members]), io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for key, content in members.items():
            zipped.writestr(key, blanks()[0] if key == name else content)
        info = zipped.getinfo(name)
        info.compress_type, info.file_size, info.CRC = zipfile.ZIP_DEFLATED, BLANKS, blanks()[1]
    return stream.getvalue()


WHOLE = {"cut": _cut, "flipped": _flipped, "zeroed": _zeroed, "spliced": _spliced}
CONTENT = {
    "cut inside": _cut, "flipped inside": _flipped, "zeroed inside": _zeroed,
    "spliced inside": _spliced, "odd number": _odd_number, "odd numbers": lambda rng, content: (
        functools.reduce(lambda x, _: _odd_number(rng, x), range(5), content)),
    "odd value": _odd_value, "odd array": _odd_array,
    "columns": _lines(_columns), "shuffled": _lines(_shuffled), "halved": _lines(_halved),
    "empty": lambda rng, content: b"", "deep": lambda rng, content: b"[" * 200_000,
    "blank": lambda rng, content: b" \n" * (1 << 20), "noise": lambda rng, content: rng.bytes(500),
    "program": _program,
}  # fmt: skip
ZIPPED = {
    "renamed": _renamed, "gone": _gone, "twice": _twice, "swapped": _swapped, "nested": _nested,
    "encrypted": _field(6, 8, "<H", [1, 0x41]), "method": _field(8, 10, "<H", [9, 12, 14, 99]),
    "size": _field(22, 24, "<I", [0, 7, 1 << 20, 0xFFFFFFF0]), "bomb": _bomb,
}  # fmt: skip

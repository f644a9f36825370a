"""The instructions of a pickle, walked through before any is carried out."""

import pickle
import pickletools

_COUNTED = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}
# code -> (bytes of its argument, below 0 as pickletools has it; lines of it)
_ARGUMENTS = {
    ord(op.code): (op.arg.n, 2 if op.arg.name == "stringnl_noescape_pair" else 1)
    if op.arg
    else (0, 0)
    for op in pickletools.opcodes
}
_PUT = {ord("p"): False, ord("q"): True, ord("r"): True}  # keeps under a number; whether binary
_UNUSED = 1_000_000  # numbers that nothing is kept under: optimised pickles leave some out
_OUT_OF_BAND = 0x97
_STOP = ord(".")


def check(content: bytes) -> None:
    """Raises UnpicklingError for instructions that ask for what is not in the pickle.

    The unpickler makes room for as many bytes as an instruction says follow, and for as many kept
    things as the highest number says there are: a damaged byte may ask for all memory.
    """
    at, kept = 0, 1
    while at < len(content):
        code = content[at]
        if code not in _ARGUMENTS:
            raise pickle.UnpicklingError(f"byte {at} is no instruction")
        if code == _OUT_OF_BAND:
            raise pickle.UnpicklingError(
                "its arrays are kept apart from it (protocol 5, out of band): pickle it again, by "
                "protocol 4"
            )
        size, lines = _ARGUMENTS[code]
        begin, at = at + 1, at + 1
        if size == pickletools.UP_TO_NEWLINE:
            for _ in range(lines):
                at = content.find(b"\n", at) + 1 or len(content) + 1
        elif size < 0:
            width, signed = _COUNTED[size]
            count = int.from_bytes(content[at : at + width], "little", signed=signed)
            if count < 0:
                raise pickle.UnpicklingError(f"byte {begin} says that {count} bytes follow")
            at += width + count
        else:
            at += size
        if at > len(content):
            raise pickle.UnpicklingError(f"more is to follow byte {begin} than there is")
        if code in _PUT:
            given = content[begin:at]
            if (int.from_bytes(given, "little") if _PUT[code] else int(given)) > kept + _UNUSED:
                raise pickle.UnpicklingError(f"byte {begin} numbers what was not made")
            kept += 1
        if code == _STOP:
            return
    raise pickle.UnpicklingError("it has no end")

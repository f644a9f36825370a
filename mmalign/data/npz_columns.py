"""What a user's file says of each window: its labels and targets, its person, its split."""

import pathlib

import numpy as np

from mmalign.data.dataset import LABEL, SPLITS, UNKNOWN

COLUMNS = (LABEL, "group", "split", "recording", "position")  # [n], all optional
LARGEST = 2**31 - 1
LOWEST = {LABEL: UNKNOWN, "group": UNKNOWN}  # 0 for the others
HIGHEST = {"split": max(SPLITS.values())}


def read_column(file: pathlib.Path, key: str, x: np.ndarray, n: int) -> np.ndarray:
    """[n] integers, or strings for `group` and `label`; ValueError names the first bad window."""
    if x.shape != (n,):
        raise ValueError(f"{file}: {key!r} must be [{n}], one entry a window, got {x.shape}")
    if x.dtype.kind in "US" and key in (LABEL, "group"):
        return read_words(file, key, x)
    if x.dtype.kind in "US" and key == "split":
        words = read_words(file, key, x).tolist()
        if wrong := sorted(set(words) - set(SPLITS)):
            raise ValueError(
                f"{file}: 'split' must be 'train', 'test' or 'validation', got {wrong[0]!r}"
            )
        return np.array([SPLITS[word] for word in words])
    if x.dtype.kind not in "iu" and not (key == "split" and x.dtype.kind == "b"):
        raise ValueError(f"{file}: {key!r} must be integers, got {x.dtype}{_hint(x)}")
    return _in_range(file, key, x, LOWEST.get(key, 0), HIGHEST.get(key, LARGEST))


def _hint(x):
    """What would make integers of what is none."""
    if x.dtype.kind in "US":
        return "; number strings by np.unique(x, return_inverse=True)"
    if x.dtype.kind != "f":
        return ""
    broken = ~np.isfinite(x) | (x != np.rint(x))
    if not broken.any():
        return "; save it as .astype(int)"
    return f" and {x[broken][0]} in window {broken.argmax()}; number what is no whole number"


def read_words(file: pathlib.Path, key: str, x: np.ndarray) -> np.ndarray:
    """An array of strings, if every one of them can be written and shown.

    Raises: ValueError that names the first that is not text: bytes beyond ASCII, half of a
      surrogate pair, a control character.
    """
    if x.dtype.kind not in "US":
        raise ValueError(f"{file}: {key!r} must be strings, got {x.dtype}")
    if not x.dtype.itemsize:
        return x.astype(str)
    code = np.uint32 if x.dtype.kind == "U" else np.uint8
    codes = np.ascontiguousarray(x.ravel(), x.dtype.newbyteorder("=")).view(code)
    codes = codes.reshape(x.size, -1)
    inside = np.pad(codes[:, 1:] > 0, ((0, 0), (0, 1)))  # zeros at the end are no characters
    odd = (codes < 32) & ((codes > 0) | inside) | (codes >= 127) & (codes < 160)
    odd |= (codes >= 0xD800) & (codes < 0xE000) | (codes > 0x10FFFF)
    if code is np.uint8:
        odd |= codes > 127
    if odd.any():
        raise ValueError(
            f"{file}: entry {odd.any(axis=1).argmax()} of {key!r} is no text that can be shown: it "
            f"holds the character {codes[odd][0]:#x}"
        )
    return x.astype(str)


def check_label(file: pathlib.Path, label: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Raises ValueError where a label is beyond the classes that are named, if they are.

    A label in words has to be one of them, or empty: unknown.
    """
    if label.dtype.kind == "U":
        bad = ~np.isin(label, [*class_names, ""]) & bool(class_names)
        if bad.any():
            raise ValueError(
                f"{file}: 'label' {str(label[bad][0])!r} in window {bad.argmax()} is none of "
                f"'class_names': {', '.join(class_names)}"
            )
        return
    bad = label >= (len(class_names) or np.inf)
    if bad.any():
        raise ValueError(
            f"{file}: 'label' {label[bad][0]} in window {bad.argmax()} is out of range: "
            f"'class_names' names {len(class_names)} classes, 0..{len(class_names) - 1}"
        )


def number_labels(
    words: np.ndarray, class_names: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(int [n], class names) of labels in words: as they are named, or else as sorted; "" is -1."""
    names = class_names or tuple(sorted(set(words.tolist()) - {""}))
    codes = {name: code for code, name in enumerate(names)} | {"": UNKNOWN}
    return np.array([codes[word] for word in words.tolist()], int), names


def read_target(file: pathlib.Path, key: str, x: np.ndarray, n: int) -> np.ndarray:
    """A target as `dataset.Task` takes it; its type and rank say which kind it is.

    Returns: int32 [n] of classes, float32 [n] or [n, k] of real numbers, or int8 [n, k] of several
      labels at once.
    """
    if x.ndim not in (1, 2) or len(x) != n or 0 in x.shape:
        raise ValueError(f"{file}: {key!r} must be [{n}] or [{n}, k], got {x.shape}")
    if x.dtype.kind in "iu" and x.ndim == 1:
        return _in_range(file, key, x, UNKNOWN, LARGEST).astype(np.int32)
    if x.dtype.kind == "f":
        with np.errstate(over="ignore"):
            x = x.astype(np.float32)
        if np.isinf(x).any():
            raise ValueError(f"{file}: {key!r} holds infinite values in float32; NaN = unknown")
        return x
    if x.dtype in (np.bool_, np.int8) and x.ndim == 2:
        return _in_range(file, key, x.astype(np.int8), UNKNOWN, 1).astype(np.int8)
    raise ValueError(
        f"{file}: {key!r} must be integers [n] (classes), floats [n] or [n, k] (real numbers), or "
        f"bool or int8 [n, k] (several labels at once), got {x.dtype} {x.shape}"
    )


def _in_range(file, key, x, low, high):
    bad = (x < low) | (x > high)
    if bad.any():
        raise ValueError(
            f"{file}: {key!r} must be in {low}..{high}{' (-1 = unknown)' if low < 0 else ''}, "
            f"got {x[bad][0]} in window {np.argwhere(bad)[0, 0]}"
        )
    return x.astype(np.int64)

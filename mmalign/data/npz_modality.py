"""One modality of a user's windows: its kind, where it is present, and which samples are valid."""

import pathlib
from typing import NamedTuple

import numpy as np

from mmalign import options
from mmalign.data.dataset import RANKS

BY_RANK = {2: "vector", 3: "series", 4: "image"}
SHAPES = {
    "series": "[n, time, channels]",
    "image": "[n, height, width, channels]",
    "vector": "[n, features]",
    "sequence": "[n, tokens, features]",
}
# Products of values, and their ratios, have to be numbers of float32.
SMALLEST, LARGEST = 1e-18, 1e18
RATES_HZ = (1e-9, 1e9)


class NpzModality(NamedTuple):
    """A modality, checked.

    values: float32 [n, ...], zeros where absent or not valid.
    present: bool [n].
    valid: bool [n, time] of a series, False throughout where absent; None for other kinds.
    kind: of RANKS. rate_hz: of a series; None for other kinds.
    """

    values: np.ndarray
    present: np.ndarray
    valid: np.ndarray | None
    kind: str
    rate_hz: float | None


def read_modality(
    file: pathlib.Path,
    name: str,
    x: np.ndarray,
    given: np.ndarray | None = None,
    rate_hz: np.ndarray | None = None,
    kind: np.ndarray | None = None,
) -> NpzModality:
    """`NpzModality` of an array and what the file says of it.

    Args:
      file, name: for the messages.
      x: [n, ...] numbers.
      given, rate_hz, kind: under present_<name>, rate_hz_<name>, kind_<name>; None: not there.
    Raises: ValueError that names the key and the first bad window.
    """
    found = _kind(file, name, x, kind)
    if x.dtype.kind not in "fiu":
        raise ValueError(f"{file}: modality {name!r} must be real numbers, got {x.dtype}")
    rate = _rate(file, name, x, found, rate_hz)
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    flat = x.reshape(len(x), -1)
    present = _present(file, name, flat, given)
    bad = present & np.isinf(flat).any(axis=1)
    if bad.any():
        raise ValueError(f"{file}: modality {name!r} has infinite values in window {bad.argmax()}")
    if found == "series":
        valid = ~np.isnan(x).any(axis=2) & present[:, None]
        lost, where = present & ~valid.any(axis=1), "every sample of window"
        observed = valid[:, :, None]
    else:
        valid, lost, where = None, present & np.isnan(flat).any(axis=1), "window"
        observed = present.reshape(-1, *[1] * (x.ndim - 1))
    if lost.any():
        raise ValueError(
            f"{file}: modality {name!r} has NaN in {where} {lost.argmax()} ({lost.sum()} such "
            f"windows), which counts as present: fill the gap, or mark the window missing by "
            f"present_{name} False or NaN throughout"
        )
    x = np.where(observed, x, np.float32(0))
    _check_sizes(file, name, x)
    return NpzModality(x, present, valid, found, rate)


def shapes() -> str:
    """What an array of windows may be."""
    return ", ".join(f"{SHAPES[kind]} ({kind})" for kind in BY_RANK.values())


def _kind(file, name, x, given):
    """What the file calls the modality, else what its rank says."""
    if 0 in x.shape or x.ndim not in BY_RANK:
        raise ValueError(
            f"{file}: modality {name!r} must be one of {shapes()}, no axis 0, got {x.shape}"
        )
    if given is None:
        return BY_RANK[x.ndim]
    kind = options.one_of(f"{file}: 'kind_{name}'", str(given), RANKS)
    if x.ndim != RANKS[kind]:
        raise ValueError(
            f"{file}: modality {name!r} must be {SHAPES[kind]}, as 'kind_{name}' calls it a "
            f"{kind}, got {x.shape}{_one_channel(name, x)}"
        )
    return kind


def _rate(file, name, x, kind, value):
    """Samples a second of a series; None for other kinds."""
    if kind != "series":
        if value is not None:
            raise ValueError(
                f"{file}: 'rate_hz_{name}' belongs to a series, {SHAPES['series']}, and {name!r} "
                f"is a {kind}, {x.shape}{_one_channel(name, x)}"
            )
        return None
    if value is None:
        raise ValueError(
            f"{file}: {name!r} is a series {x.shape} and has no rate: add 'rate_hz_{name}', its "
            f"samples a second, or kind_{name}='sequence' if its rows are no samples in time"
        )
    value = np.asarray(value)
    low, high = RATES_HZ
    if value.size != 1 or value.dtype.kind not in "fiu" or not low <= value.item() <= high:
        got = value.item() if value.size == 1 else f"{value.dtype} {value.shape}"
        raise ValueError(
            f"{file}: 'rate_hz_{name}' must be one positive number, got {got}: samples a second, "
            f"from {low:g} to {high:g}"
        )
    return float(value.item())


def _check_sizes(file, name, x):
    """Raises ValueError for a channel whose values float32 cannot square."""
    axes = tuple(range(x.ndim - 1))
    size = np.maximum(x.max(axis=axes), -x.min(axis=axes))
    bad = (size > LARGEST) | (size > 0) & (size < SMALLEST)
    if bad.any():
        raise ValueError(
            f"{file}: channel {bad.argmax()} of modality {name!r} has values up to "
            f"{size[bad][0]:.3g}, and float32 computes with sizes from {SMALLEST:g} to "
            f"{LARGEST:g}: take another unit, or look for a broken window"
        )


def _one_channel(name, x):
    return f"; for a series of one channel save {name}[:, :, None]" if x.ndim == 2 else ""


def _present(file, name, flat, given):
    """Bool [n], from the file or from where windows [n, values] are NaN throughout."""
    if given is None:
        return ~np.isnan(flat).all(axis=1)
    if given.shape != (len(flat),) or given.dtype.kind not in "biuf" or set(given) - {0, 1}:
        raise ValueError(
            f"{file}: 'present_{name}' must be bool [{len(flat)}], got {given.dtype} {given.shape}"
        )
    return given.astype(bool)

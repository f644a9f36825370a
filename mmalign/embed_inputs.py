"""Windows that a user gives to a trained model: checked, at its rates, absent ones filled."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmalign.data.resampling import resample_windows
from mmalign.methods import Modality

Windows = Mapping[str, np.ndarray]


def checked(
    inputs: Any, modalities: Mapping[str, Modality], rate_hz: Mapping[str, float] | None = None
) -> tuple[dict, dict, dict]:
    """(inputs, present, valid) of all modalities of a model, zeros where nothing was given.

    inputs: {modality: [n, *shape] or None}. rate_hz: {series: its rate}, where it is not the
    model's.
    Raises: ValueError that names what does not fit and what would do.
    """
    known = ", ".join(map(repr, modalities))
    if not isinstance(inputs, Mapping):
        first = next(iter(modalities))
        raise ValueError(
            f"inputs must be windows by modality, {{{first!r}: [n, ...], ...}}, got a "
            f"{type(inputs).__name__}; the model knows {known}"
        )
    given = {m: x for m, x in inputs.items() if x is not None}
    unknown = sorted(map(str, set(inputs) - set(modalities)))
    if unknown or not given:
        raise ValueError(
            f"inputs has {', '.join(map(repr, unknown)) or 'no modality'}; the model knows {known}"
        )
    arrays = {m: _numbers(m, x) for m, x in given.items()}
    if not isinstance(rate_hz or {}, Mapping) or set(rate_hz or ()) - set(modalities):
        raise ValueError(f"rate_hz must be {{modality: hertz}} of {known}, got {rate_hz!r}")
    for m, hertz in (rate_hz or {}).items():
        if m in arrays:
            arrays[m] = at_rate(m, arrays[m], hertz, modalities[m])
    n = len(next(iter(arrays.values()))) if next(iter(arrays.values())).ndim else 0
    if not n:
        raise ValueError("inputs hold no window; give at least one")
    filled, present, valid = {}, {}, {}
    for m, modality in modalities.items():
        shape = (n, *modality.shape)
        x = arrays.get(m)
        x = np.full(shape, np.nan, np.float32) if x is None else x
        if x.shape != shape:
            raise ValueError(_other_shape(m, x.shape, shape, modality.kind))
        filled[m], present[m], gaps = _gaps_apart(m, x, modality.kind)
        if gaps is not None:
            valid[m] = gaps
    if not np.any([*present.values()]):
        raise ValueError("no window has any modality: all that is given is NaN")
    return filled, present, valid


def at_rate(m: str, x: np.ndarray, hertz: float, modality: Modality) -> np.ndarray:
    """Windows of a series at a model's rate, cut to its length; they must be as long in seconds.

    x: [n, time, channels], NaN where a sample is lost; so is what is returned.
    """
    if modality.rate_hz is None or x.ndim != 3:
        raise ValueError(f"rate_hz[{m!r}] is given, and {m!r} is {modality.kind}, no series")
    if hertz == modality.rate_hz:
        return x
    time = modality.shape[0]
    needed = int(np.ceil((time - 1) / modality.rate_hz * hertz)) + 1
    if x.shape[1] < needed:
        raise ValueError(
            f"inputs[{m!r}] has {x.shape[1]} samples at {hertz:g} Hz; windows of the model, "
            f"{time} at {modality.rate_hz:g} Hz, need {needed}"
        )
    times_s = np.arange(time) / modality.rate_hz
    there = np.asarray(~np.isnan(x).any(axis=2))
    made, there = resample_windows(x, there, hertz, times_s, modality.rate_hz)
    return np.where(there[..., None], made, np.float32(np.nan))


def _numbers(m, x):
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise ValueError(f"inputs[{m!r}] must be real numbers, got {x.dtype}")
    x = x.astype(np.float32, copy=False)
    infinite = np.flatnonzero(np.isinf(x).any(axis=tuple(range(1, x.ndim))))
    if infinite.size:  # before another rate spreads them
        raise ValueError(f"inputs[{m!r}] is not finite in window {infinite[0]}: repair it")
    return x


def _other_shape(m, have, want, kind):
    axes = "time, channels" if kind == "series" else "..."
    one = "; for a single window give x[None]" if have == want[1:] else ""
    return (
        f"inputs[{m!r}] has shape {have}, expected {want}: [windows, {axes}] as in training, the "
        f"same windows in every modality{one}"
    )


def _gaps_apart(m, x, kind):
    """(x, present [n], valid [n, time] or None where there are no gaps) of a modality's windows."""
    within = tuple(range(1, x.ndim))
    missing = np.isnan(x)
    present = ~missing.all(axis=within)
    partly = np.flatnonzero(present & missing.any(axis=within))
    if not partly.size:
        return x, present, None
    if kind != "series":
        raise ValueError(
            f"inputs[{m!r}] is not finite in window {partly[0]}: repair it, or set the whole "
            f"window to NaN to mark it absent"
        )
    valid = ~missing.any(axis=2)
    return np.where(valid[..., None], x, np.float32(0)), present, valid

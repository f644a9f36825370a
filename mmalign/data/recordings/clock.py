"""Time stamps in any common form, and the even clock behind them."""

import itertools
import re
import warnings
from typing import NamedTuple

import numpy as np

from mmalign import options
from mmalign.data.resampling import JITTER_S, even_clock

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
NAMES = ("time", "timestamp", "time_stamp", "datetime", "date_time", "date", "t", "unix", "ts",
         "epoch", "seconds")  # fmt: skip
_EPOCH_S = (1e8, 5e9)  # stamps since 1970 are in it, 1973 to 2128; of other units by a factor
_SLOWEST_S = 2.0  # from stamp to stamp of an epoch: above, it may be 500 Hz or less since a boot in
# the next unit: 20 ms in nanoseconds, after days, look like 20 s in microseconds since 1970
_LEAST = 16  # samples of a stretch: `even_clock` needs them
_BACK_S = 5.0  # stamps that go back by more are of another clock
_JUMP_S = 7 * 86400.0  # a day after a day is a month after a month where they are mistaken
_DAY_OR_MONTH = re.compile(r"\s*\d{1,2}[/.-]\d{1,2}[/.-]\d")
_UNSORTED = 0.25  # of the steps go back: rows are in disorder, as being late is short, and clocks
# that begin anew do it seldom
_FASTEST_HZ = 1e6  # of a sensor; above 1e11 no filter can be computed
_REGULAR = 0.9  # of the steps from stamp to stamp, within a fifth of their median: stamps are true


class Stretch(NamedTuple):
    """Samples without a long gap between them.

    times_s: [k] of samples that are evenly spaced but for the drift of a clock.
    rate_hz: of them. rows: int [k] of the file, -1 where a sample was lost.
    """

    times_s: np.ndarray
    rate_hz: float
    rows: np.ndarray


def time_column(columns: dict[str, np.ndarray], named: str | None, file: object) -> str | None:
    """Name of the column that holds stamps; None where there is none."""
    if named is not None:
        return options.known(f"column of {file}", named, columns)
    by_name = {re.sub(r"\W*\(.*\)|\W*\[.*\]", "", name).strip().lower().replace(" ", "_"): name
               for name in columns}  # "Time (s)" is time, too  # fmt: skip
    return next((by_name[name] for name in NAMES if name in by_name), None)


def seconds(stamps: np.ndarray, unit: str | None, file: object) -> np.ndarray:
    """float64 [n] seconds of stamps: dates, text of dates, or numbers.

    Numbers are of a `unit` of UNITS. Without one, those since 1970 are told by their size where
    they grow by less than two seconds from sample to sample; those below 1e8 are seconds where they
    grow by less than one.
    Raises: ValueError that names the file, and asks for the unit where it cannot be told.
    """
    if stamps.dtype.kind == "M":
        return stamps.astype("datetime64[ns]").astype(np.int64) / 1e9
    if stamps.dtype.kind == "U":
        return _of_text(stamps, file)
    numbers = stamps.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{file}: the stamp in row {np.isfinite(numbers).argmin()} is no number")
    if unit is None:
        unit = _told(numbers, file)
    scale = UNITS[options.known("time_unit", unit, UNITS)]
    whole = numbers[0] if unit != "s" else 0.0  # epochs in ns would cost their digits
    return (numbers - whole) * scale + whole * scale


def _of_text(stamps, file):
    if (parsed := _parsed(stamps, format="ISO8601")) is not None:
        return parsed
    read = [_parsed(stamps)]
    if _DAY_OR_MONTH.match(stamps[0]):  # of year first, `dayfirst` would be year, day, month
        read.append(_parsed(stamps, dayfirst=True))
    read = [x for x in read if x is not None]
    if not read:
        raise ValueError(
            f"{file}: the stamps, such as {str(stamps[0])!r}, are no dates of one form"
        )
    if (read[0] == read[-1]).all():
        return read[0]
    steps = [np.diff(x) for x in read]
    steady = [x for x, by in zip(read, steps) if ((by >= -_BACK_S) & (by < _JUMP_S)).all()]
    if len(steady) != 1:
        raise ValueError(
            f"{file}: the date {str(stamps[0])!r} may begin with its day or its month: write dates "
            "as year-month-day, such as 2024-02-01 12:00:00"
        )
    return steady[0]


def _parsed(stamps, **how):
    """Seconds of text read in one way; None where it is not written so."""
    import pandas

    try:
        with warnings.catch_warnings():  # of what is read word by word
            warnings.simplefilter("ignore", UserWarning)
            parsed = pandas.to_datetime(stamps, utc=True, **how)
    except (ValueError, TypeError):
        return None
    return parsed.tz_localize(None).to_numpy("datetime64[ns]").astype(np.int64) / 1e9


def epoch_unit(stamp: float) -> str | None:
    """The unit of UNITS in which a number is a time since 1970; None where it is none."""
    low, high = _EPOCH_S
    return next((unit for unit, scale in UNITS.items() if low <= stamp * scale <= high), None)


def _told(numbers, file):
    """The unit of stamps that nobody named."""
    steps = np.diff(numbers)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    step = min(usual, float(steps.mean())) if len(steps) else 0.0  # of bursts, and beside gaps
    unit = epoch_unit(numbers[0])
    if unit is not None and step * UNITS[unit] < _SLOWEST_S:
        return unit
    if numbers[0] < _EPOCH_S[0] and step < 1:
        return "s"
    raise ValueError(
        f"{file}: the time begins at {numbers[0]:g} and grows by {step:g} from sample to sample: "
        "say whether that is seconds, milliseconds or less by options.time_unit='s', 'ms', 'us' or "
        "'ns'"
    )


def stretches(times_s: np.ndarray, file: object, gap_s: float | None = None) -> list[Stretch]:
    """The samples of a file on even clocks, cut where samples are lost for longer.

    Where most stamps are a period apart they are true: what is lost is told by them. Where they
    come in bursts (see `even_clock`), stretches between gaps have a clock fitted to them. A stamp
    is written late and never early, so one that is behind the next is as late as that.

    times_s: [n], of samples in the order in which they were taken.
    gap_s: from which time on without a stamp a stretch ends; None: half a second, or ten samples
      where that is longer. Shorter stretches than 16 samples are left out.
    Raises: ValueError that names the file for rows that are not in order of time, stamps that go
      back by seconds, none that lasts, or a rate that no sensor has.
    """
    if len(times_s) < _LEAST:
        raise ValueError(f"{file} has {len(times_s)} samples: too few to tell a clock by")
    back = np.diff(times_s).min(initial=0.0)
    share = np.mean(np.diff(times_s) < 0)
    if share > _UNSORTED and (back < -JITTER_S or times_s[-1] < times_s[0]):
        raise ValueError(
            f"{file}: the rows are not in order of time, {share:.0%} are before the one above: "
            "sort them by their stamps"
        )
    if back < -_BACK_S:
        row = int(np.diff(times_s).argmin()) + 1
        raise ValueError(f"{file}: time goes back by {-back:.1f} s in row {row}: cut it there")
    times_s = np.minimum.accumulate(times_s[::-1])[::-1]
    steps = np.diff(times_s)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if not usual:
        raise ValueError(f"{file}: all samples have the same stamp, {times_s[0]:g}")
    regular = np.mean(np.abs(steps - usual) <= usual / 5) >= _REGULAR
    rough = usual if regular else float((times_s[-1] - times_s[0]) / (len(times_s) - 1))
    if regular:  # what is lost is filled by periods, any number of them
        _check_rate(1 / usual, file)
    gap = max(JITTER_S, 10 * rough) if gap_s is None else gap_s
    edges = [0, *(np.flatnonzero(steps > gap) + 1).tolist(), len(times_s)]
    out = []
    for start, end in itertools.pairwise(edges):
        if end - start >= _LEAST:
            own = times_s[start:end]
            out += [_regular(own, start, usual)] if regular else _bursty(own, start)
    if not out:
        raise ValueError(
            f"{file}: no {_LEAST} samples follow each other without a gap of {gap:g} s"
        )
    for made in out:
        _check_rate(made.rate_hz, file)
    return out


def _check_rate(rate_hz, file):
    if not 0 < rate_hz <= _FASTEST_HZ:
        raise ValueError(
            f"{file}: by the stamps {rate_hz:.3g} samples a second: mend them, or say their unit "
            "by options.time_unit"
        )


def _regular(times_s, start, period):
    """By true stamps: a row for each period, -1 where none was sampled."""
    ahead = np.maximum(np.rint(np.diff(times_s) / period).astype(int), 0)
    number = np.concatenate([[0], np.cumsum(ahead)])
    first = np.unique(number, return_index=True)[1]  # of samples with one stamp the first counts
    rows = np.full(number[-1] + 1, -1)
    rows[number[first]] = start + first
    times = np.interp(np.arange(len(rows)), number[first], times_s[first])
    rate = (len(rows) - 1) / (times[-1] - times[0])
    return Stretch(times, float(rate), rows)


def _bursty(times_s, start):
    """By an even clock; where none fits, samples are lost somewhere: halves are tried."""
    try:
        begin, rate = even_clock(times_s)
    except ValueError:
        middle = len(times_s) // 2
        if middle < 4 * _LEAST:
            return []
        return _bursty(times_s[:middle], start) + _bursty(times_s[middle:], start + middle)
    rows = np.arange(len(times_s))
    return [Stretch(begin + rows / rate, rate, start + rows)]

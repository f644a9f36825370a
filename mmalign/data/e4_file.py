"""One file of an Empatica E4: when it starts, its rate, its samples."""

import numpy as np

from mmalign.data.archive import Archive
from mmalign.data.tables import numbers

# sensor -> file, rate [Hz], channels, unit, and what a stored number is in that unit
STREAMS = {
    "bvp": ("BVP.csv", 64.0, ("bvp",), "a.u.", 1.0),
    "eda": ("EDA.csv", 4.0, ("eda",), "uS", 1.0),
    "temp": ("TEMP.csv", 4.0, ("temp",), "degC", 1.0),
    "acc": ("ACC.csv", 32.0, ("x", "y", "z"), "g", 1 / 64),
}


def read_stream(
    archive: Archive, member: str, sensor: str, rate_hz: float | None = None
) -> tuple[float, float, np.ndarray]:
    """(UNIX time of the first sample, rate in Hz, [n, channels] in the sensor's unit) of a file.

    rate_hz: the only one that will do; None: any.
    Raises: ValueError that names the file if it is anything else.
    """
    _, _, channels, _, scale = STREAMS[sensor]
    table = numbers(
        archive, member, columns=len(channels), delimiter=",", missing=True, dtype=np.float64
    )
    alike = len(table) > 2 and not np.ptp(table[:2], axis=1).any()
    rate = table[1, 0] if alike else 0.0
    if not rate > 0 or rate != (rate_hz or rate):
        wanted = "its rate in Hz" if rate_hz is None else f"the rate {rate_hz:g} Hz"
        raise ValueError(
            f"{archive.path}: {member} must hold a start time, {wanted} and samples,"
            f" got {len(table)} rows that begin with {table[:2].tolist()}"
        )
    return float(table[0, 0]), float(rate), table[2:] * scale

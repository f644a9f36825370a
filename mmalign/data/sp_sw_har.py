"""sp-sw-har: a phone and a watch worn together, 23 people stand up, walk, turn and sit down."""

import io
import re
from typing import Any

import numpy as np

from mmalign.data.archive import AnyPath, Archive, Origin
from mmalign.data.dataset import LABEL, TEST, TRAIN, Dataset, Description
from mmalign.data.original import open_archive
from mmalign.data.prepared import through_cache
from mmalign.data.resampling import even_clock, resample
from mmalign.data.windows import cut, majority

VERSION = "1.1.0"  # of this reader: a change of what it returns needs a new one
RATE_HZ = 50.0
STORED_HZ = (50.0, 200.0)  # in which the rates of all devices are; published are 102 to 105
SHARED = 0.9  # of a device's time that the other has to cover; published is 0.998
EXECUTIONS = 223
CLASS_NAMES = ("SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN")
LARGEST = 1e15  # of any number, stamps in milliseconds among them
DEVICES = {"phone": "sp", "watch": "sw"}
SENSORS = {"acc": ("x_acc", "y_acc", "z_acc"), "gyro": ("x_gyro", "y_gyro", "z_gyro")}
MODALITIES = tuple(f"{device}_{sensor}" for device in DEVICES for sensor in SENSORS)
COLUMNS = np.dtype(
    [(name, np.float32) for names in SENSORS.values() for name in names]
    + [("timestamp", np.float64), ("label", "U16")]
)
NAMES = COLUMNS.names or ()
_COMMIT = "1408d85a512a53861de7bc4729dee283fff2ea9d"
ORIGIN = Origin(
    name="sp_sw_har",
    file="sp-sw-har-dataset.zip",
    home="https://doi.org/10.5281/zenodo.8398688",
    url=f"https://github.com/GeoTecINIT/sp-sw-har-dataset/archive/{_COMMIT}.zip",
    marker="DATA/executions_info.csv",
    aliases=("*sp-sw-har-dataset*.zip",),
)
CITATION = (
    "M. Matey-Sanz, S. Casteleyn, C. Granell. Dataset of inertial measurements of smartphones and "
    "smartwatches for human activity recognition. Data in Brief, 109809, 2023. "
    "doi:10.1016/j.dib.2023.109809, data doi:10.5281/zenodo.8398688"
)


def load(
    *,
    dir: AnyPath | None = None,
    cache_dir: AnyPath | None = None,
    steps: int = 128,
    purity: float = 0.0,
) -> Dataset:
    """Phone and watch on one 50 Hz clock, in half overlapping windows.

    phone_acc, watch_acc: acceleration with gravity in m/s^2; phone_gyro, watch_gyro: rotation in
    rad/s; each [n, steps, 3]. Windows lie in the time that both devices recorded. A window's label
    is its most frequent activity, counted over both devices: standing up, turning and sitting down
    take about 1.2 s each, so with 128 steps (2.56 s) most windows hold several activities.

    No split is published. Every third person (3, 6, ..., 21: 7 of 23) is kept for the test.

    Args:
      dir: folder with the original zip, the zip, or its unzipped folder; None downloads it.
      cache_dir: where downloaded and prepared data are kept; None is the user's cache folder.
      steps: length of a window, even; 128 is 2.56 s.
      purity: windows are dropped whose label covers less than this share of them.
    Returns: Dataset; group is the published number of the person, recording an execution, position
      counts the windows of an execution, dropped ones included.
    Raises: FileNotFoundError, ValueError where the files are missing or broken.
    """
    if steps < 2 or steps % 2:
        raise ValueError(f"steps must be an even number, got {steps}")
    if not 0 <= purity <= 1:
        raise ValueError(f"purity must be in [0, 1], got {purity}")
    with open_archive(ORIGIN, dir, cache_dir) as archive:
        members = [member for pair in _executions(archive).values() for member in pair]
        archive.tell_missing(len(members) // 2, EXECUTIONS, "published executions")
        return through_cache(
            lambda: read(archive, steps=steps, purity=purity),
            name="sp_sw_har",
            version=VERSION,
            key=[steps, float(purity), *[(m, archive.checksum(m)) for m in members]],
            cache_dir=cache_dir,
        )


def read(archive: Archive, *, steps: int, purity: float) -> Dataset:
    """The Dataset from the CSV files of an `Archive`; arguments as of `load`."""
    parts = []
    for number, (execution, members) in enumerate(_executions(archive).items()):
        recordings = [_recording(archive, member) for member in members]
        _check_shared(archive, members, recordings)
        values, labels = align(*recordings)
        part = _windows(values, labels, steps, purity)
        person = int(execution[1:3])
        kept = len(part["label"])
        part["group"] = np.full(kept, person, np.int32)
        part["split"] = np.full(kept, TRAIN if person % 3 else TEST, np.int8)
        part["recording"] = np.full(kept, number, np.int32)
        parts.append(part)
    filled = sum(len(part["label"]) > 0 for part in parts)
    archive.tell_missing(filled, len(parts), f"executions with a window (steps={steps})")
    columns: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    if len(np.unique(columns["split"])) < 2:
        raise ValueError(
            f"{archive.path}: no window is left for training or test with steps={steps}, "
            f"purity={purity}: take less"
        )
    return Dataset(
        inputs={m: columns.pop(m) for m in MODALITIES},
        present={m: np.ones(len(columns["label"]), bool) for m in MODALITIES},
        targets={LABEL: columns.pop("label")},
        description=Description(
            name="sp_sw_har",
            rate_hz=dict.fromkeys(MODALITIES, RATE_HZ),
            unit={m: "m/s^2" if m.endswith("acc") else "rad/s" for m in MODALITIES},
            channels=dict.fromkeys(MODALITIES, ("x", "y", "z")),
            class_names=CLASS_NAMES,
            citation=CITATION,
            licence="CC BY 4.0",
            stride_s=steps / 2 / RATE_HZ,
        ),
        **columns,
    )


def align(*recordings: tuple) -> tuple[list[np.ndarray], np.ndarray]:
    """Recordings of one execution on one clock of RATE_HZ, in the time that all of them cover.

    Args:
      recordings: (array of COLUMNS, start_s, rate_hz), one a device.
    Returns: (values, labels): float32 [n, 3] of each device and sensor, in the order of MODALITIES;
      int [devices, n] the class at the nearest sample.
    """
    first = max(start for _, start, _ in recordings)
    last = min(start + (len(table) - 1) / rate_hz for table, start, rate_hz in recordings)
    times = first + np.arange(max(0, int((last - first) * RATE_HZ) + 1)) / RATE_HZ
    values, labels = [], []
    for table, start, rate_hz in recordings:
        for names in SENSORS.values():
            samples = np.stack([table[name] for name in names], axis=-1)
            values.append(resample(samples, start, rate_hz, times, RATE_HZ))
        nearest = np.rint((times - start) * rate_hz).astype(int).clip(0, len(table) - 1)
        labels.append(_codes(table["label"])[nearest])
    return values, np.stack(labels)


def _windows(values, labels, steps, purity):
    """{modality or column: array} of the windows of one execution."""
    at = cut(labels.shape[1], steps, steps // 2)
    label, share = majority(labels.T[at], len(CLASS_NAMES))
    kept = share >= purity
    part = {m: x[at[kept]] for m, x in zip(MODALITIES, values)}
    part["label"] = label[kept]
    part["position"] = np.flatnonzero(kept).astype(np.int32)
    return part


def _executions(archive):
    """{"s01_02": (phone file, watch file)} in the order of the archive's own list."""
    names = [line.split(",")[0].strip() for line in archive.text("DATA/executions_info.csv")][1:]
    wrong = [name for name in names if not re.fullmatch(r"s\d\d_\d\d", name)]
    if wrong or not names:
        raise ValueError(
            f"{archive.path}: DATA/executions_info.csv must list executions like s01_02, "
            f"got {wrong[:1] or 'none'}"
        )
    found = {
        name: tuple(f"DATA/{name[:3]}/{name}_{device}.csv" for device in DEVICES.values())
        for name in names
    }
    listed = {member for members in found.values() for member in members}
    if others := sorted(set(archive.names(r"DATA/s\d\d/s\d\d_\d\d_s[pw]\.csv")) - listed):
        raise ValueError(
            f"{archive.path}: {others[0]} is no execution of DATA/executions_info.csv "
            f"({len(others)} files are not)"
        )
    return found


def _check_shared(archive, members, recordings):
    """Raises ValueError where the devices' clocks say that they did not record together."""
    ends = [(start, start + (len(table) - 1) / rate_hz) for table, start, rate_hz in recordings]
    shared = min(end for _, end in ends) - max(start for start, _ in ends)
    shortest = min(end - start for start, end in ends)
    if shared < SHARED * shortest:
        raise ValueError(
            f"{archive.path}: the clocks of {' and '.join(members)} share {max(shared, 0):.4g} s "
            f"of {shortest:.4g} s: one of them is off"
        )


def _recording(archive, member):
    """(array of COLUMNS, start_s, rate_hz) of one device, checked."""
    text = archive.read(member).decode("utf-8", errors="replace")
    header, _, body = text.partition("\n")
    if tuple(header.strip().split(",")) != NAMES:
        raise ValueError(
            f"{archive.path}: {member} must have the columns {', '.join(NAMES)}, "
            f"got {header.strip()[:200]}"
        )
    try:
        if not body.strip():
            raise ValueError("it has no rows")
        table = np.loadtxt(io.StringIO(body), dtype=COLUMNS, delimiter=",", ndmin=1, comments=None)
    except ValueError as error:
        raise ValueError(f"{archive.path}: {member} cannot be read: {error}") from error
    unknown = set(table["label"]) - set(CLASS_NAMES)
    numbers = [table[name] for name in NAMES[:-1]]
    if unknown or not (np.abs(numbers) < LARGEST).all():
        raise ValueError(
            f"{archive.path}: {member} must hold finite numbers and the labels "
            f"{', '.join(CLASS_NAMES)}, got {', '.join(sorted(unknown)) or 'numbers not finite'}"
        )
    try:
        start, rate_hz = even_clock(table["timestamp"] / 1000)
        if not STORED_HZ[0] <= rate_hz <= STORED_HZ[1]:
            raise ValueError(
                f"time stamps tell {rate_hz:.4g} Hz, expected {STORED_HZ[0]:g} to {STORED_HZ[1]:g}"
            )
        return table, start, rate_hz
    except (ValueError, np.linalg.LinAlgError) as error:
        raise ValueError(f"{archive.path}: {member}: {error}") from error


def _codes(labels):
    return (labels[:, None] == np.array(CLASS_NAMES)).argmax(axis=1)

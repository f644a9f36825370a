"""EMG and motion of a forearm that spells the alphabet of Italian Sign Language."""

import datetime
import json
import string

import numpy as np

from mmalign.data import gaps
from mmalign.data.archive import AnyPath, Archive, Origin
from mmalign.data.dataset import TEST, TRAIN, UNKNOWN, Dataset, Description
from mmalign.data.original import open_archive
from mmalign.data.prepared import through_cache
from mmalign.data.windows import Part, cut, joined

VERSION = "1.0.0"  # of this reader: a change of what it returns needs a new one
RATE_HZ = 200.0
STEPS = 400
GESTURES = 780
_LARGEST = 1 << 20  # bytes of a gesture; those published have up to 90,000
CLASS_NAMES = tuple(string.ascii_uppercase)
# modality -> key of an IMU sample (None: the EMG), unit, channels
STREAMS = {
    "emg": (None, "a.u.", tuple(f"electrode {i}" for i in range(1, 9))),
    "acc": ("acceleration", "g", ("x", "y", "z")),
    "gyro": ("gyroscope", "deg/s", ("x", "y", "z")),
    "orientation": ("orientation", "", ("q0", "q1", "q2", "q3")),
}
_COMMIT = "86d59a12bff8629201f5a7c9cd498ad93299ac9e"
_PROJECT = (
    "https://github.com/airtlab/An-EMG-and-IMU-Dataset-for-the-Italian-Sign-Language-Alphabet"
)
ORIGIN = Origin(
    name="emg_imu_lis",
    file="emg-imu-lis-dataset.zip",
    home=_PROJECT,
    url=f"{_PROJECT}/archive/{_COMMIT}.zip",
    marker="Dataset/A/015c05a7-3838-431a-82d8-9a55a8e0d1b4.json",
    aliases=("*EMG-and-IMU-Dataset-for-the-Italian-Sign-Language-Alphabet*.zip",),
)
CITATION = (
    "I. Pacifici, P. Sernani, N. Falcionelli, S. Tomassini, A. F. Dragoni. A surface "
    "electromyography and inertial measurement unit dataset for the Italian Sign Language "
    "alphabet. Data in Brief 33, 106455, 2020. doi:10.1016/j.dib.2020.106455"
)


def load(
    *, dir: AnyPath | None = None, cache_dir: AnyPath | None = None, most_lost: float = 0.0
) -> Dataset:
    """780 gestures of 2 s, 30 of each letter, all streams stored at 200 Hz.

    emg: eight electrodes of an armband, 8-bit numbers without a unit [n, 400, 8]; acc:
    acceleration with gravity in g [n, 400, 3]; gyro: rotation in deg/s [n, 400, 3]; orientation: a
    unit quaternion [n, 400, 4]. Motion was sampled more slowly and each value held.

    No signer is named: group is -1 throughout. Instead of people the sessions are split: the last
    day (three of each letter, two weeks after the others) is kept for the test. On the days before,
    the letters were recorded one after the other, so a letter and the state of the armband go
    together, and nothing learned here is known to hold for another arm.

    Args:
      dir: folder with the original zip, the zip, or its unzipped folder; None downloads it.
      cache_dir: where downloaded and prepared data are kept; None is the user's cache folder.
      most_lost: share of a gesture's samples that a stream may have lost and still be used there,
        with `valid` saying which are real; 0: a stream with a missing number is absent.
    Returns: Dataset; label is the letter, every gesture is a recording of its own.
    Raises: FileNotFoundError, ValueError where the files are missing or broken.
    """
    gaps.checked(most_lost)
    with open_archive(ORIGIN, dir, cache_dir) as archive:
        archive.tell_missing(len(_members(archive)), GESTURES, "published gestures")
        return through_cache(
            lambda: read(archive, most_lost=most_lost),
            name="emg_imu_lis",
            version=VERSION,
            key=[float(most_lost), [(m, archive.checksum(m)) for m in _members(archive)]],
            cache_dir=cache_dir,
        )


def read(archive: Archive, *, most_lost: float) -> Dataset:
    """The Dataset from the JSON files of an `Archive`; arguments as of `load`."""
    members = _members(archive)
    gestures = [_gesture(archive, member) for member in members]
    days = [day for day, _ in gestures]
    if len(set(days)) < 2:
        raise ValueError(
            f"{archive.path} holds gestures of one day only, {days[0]}: another is needed to test"
        )
    at = cut(STEPS, STEPS, STEPS)
    parts = [
        Part(
            windows={m: gaps.cut_out(x, at, most_lost=most_lost) for m, x in streams.items()},
            label=np.array([CLASS_NAMES.index(member.split("/")[1])]),
            group=UNKNOWN,
            split=TEST if day == max(days) else TRAIN,
        )
        for member, (day, streams) in zip(members, gestures)
    ]
    description = Description(
        name="emg_imu_lis",
        rate_hz=dict.fromkeys(STREAMS, RATE_HZ),
        unit={m: unit for m, (_, unit, _) in STREAMS.items()},
        channels={m: channels for m, (_, _, channels) in STREAMS.items()},
        class_names=CLASS_NAMES,
        citation=CITATION,
        licence="Released for research and educational purposes, to be cited",
    )
    return joined(archive.path, parts, description)


def _gesture(archive, member):
    """(day, {modality: float32 [400, channels]}) of one file, checked."""
    try:
        stored = json.loads(archive.read(member, most=_LARGEST))
        day = datetime.datetime.strptime(stored["timestamp"], "%d/%m/%y/%H:%M:%S").date()
        rates = stored["emg"]["frequency"], stored["imu"]["frequency"]
        rows = {None: stored["emg"]["data"]}
        for key, _, _ in list(STREAMS.values())[1:]:
            rows[key] = [sample[key] for sample in stored["imu"]["data"]]
        with np.errstate(over="ignore"):
            streams = {m: np.array(rows[key], np.float32) for m, (key, _, _) in STREAMS.items()}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"{archive.path}: {member} is not a gesture with a timestamp, EMG and motion "
            f"({type(error).__name__}: {error})"
        ) from error
    shapes = {m: x.shape for m, x in streams.items()}
    want = {m: (STEPS, len(channels)) for m, (_, _, channels) in STREAMS.items()}
    if shapes != want or rates != (RATE_HZ, RATE_HZ):
        raise ValueError(
            f"{archive.path}: {member} must hold {want} at {RATE_HZ:g} Hz, got {shapes} at {rates}"
        )
    for m, x in streams.items():
        if np.isinf(x).any():
            raise ValueError(f"{archive.path}: {member} holds infinite values of {m}")
    return day, streams


def _members(archive):
    """Paths of the gestures, by letter."""
    return archive.names(r"Dataset/[A-Z]/[^/]+\.json")

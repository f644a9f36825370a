"""IPOL gait: three wireless sensors on 19 people who stand, walk, turn round and walk back."""

import json

import numpy as np

from mmalign.data import gaps
from mmalign.data.archive import AnyPath, Archive, Origin
from mmalign.data.dataset import TEST, TRAIN, UNKNOWN, Dataset, Description
from mmalign.data.original import open_archive
from mmalign.data.prepared import through_cache
from mmalign.data.tables import numbers
from mmalign.data.windows import Part, cut, hop, joined, majority

VERSION = "1.1.0"  # of this reader: a change of what it returns needs a new one
RATE_HZ = 100.0
TRIALS = 110
_LARGEST = 1 << 20  # bytes of a .json; those published have less than 1,000
CLASS_NAMES = ("standing", "walking_out", "turning", "walking_back")
PLACES = {"back": "lb", "left_foot": "lf", "right_foot": "rf"}
SENSORS = {"acc": "m/s^2", "gyro": "rad/s", "mag": "a.u."}
MODALITIES = tuple(f"{place}_{sensor}" for place in PLACES for sensor in SENSORS)
HEADER = (
    "Acquisition frequency: 100 Hz",
    "\t".join(["PacketCounter", *(f"{s}_{axis}" for s in ("Acc", "Gyr", "Mag") for axis in "XYZ")]),
)
COUNTER_END = 1 << 16  # of the packets: 16 bits
_COMMIT = "b9f4bbb3758135b877acf1676da3e5bae527314b"
ORIGIN = Origin(
    name="ipol_gait",
    file="GaitData.zip",
    home="https://www.ipol.im/pub/art/2023/497/",
    url=f"https://github.com/CyrilVoisard/ipol_dataset_1/archive/{_COMMIT}.zip",
    marker="1-1.json",
    aliases=("*ipol_dataset_1*.zip",),
)
CITATION = (
    "C. Voisard et al. A Reference Data Set for the Study of Healthy Subject Gait with Inertial "
    "Measurements Units. Image Processing On Line, 2023. https://www.ipol.im/pub/art/2023/497/"
)


def load(
    *,
    dir: AnyPath | None = None,
    cache_dir: AnyPath | None = None,
    steps: int = 128,
    overlap: float = 0.5,
    most_lost: float = 0.0,
) -> Dataset:
    """Acceleration, rotation and magnetic field at the lower back and both feet: nine streams.

    back_acc, left_foot_acc, right_foot_acc: with gravity in m/s^2; *_gyro: rad/s; *_mag: magnetic
    field, unit not published; each [n, steps, 3] at 100 Hz. The default of 1.28 s is a bit more
    than a stride (two steps) and less than a turn.

    The three sensors of a trial share one packet counter, which is the clock here (the published
    boundaries are counted in it, too). Packets were lost, often many at once. Gaps of up to 5
    packets are filled on straight lines. A window is not whole at a place, in its three streams, if
    a longer gap or an end of its recording lies in it, or if more than a tenth of its packets were
    lost: the place is absent from it, unless `most_lost` allows.

    A window's label is its most frequent phase. After the walk people stand; from the first step
    that was marked after that the label is -1, as they then stroll about.

    No split is published. Every third person (3, 6, ..., 18: 6 of 19) is kept for the test.

    Args:
      dir: folder with the original zip, the zip, or its unzipped folder; None downloads it.
      cache_dir: where downloaded and prepared data are kept; None is the user's cache folder.
      steps: length of a window.
      overlap: share of a window that the next one holds, too.
      most_lost: share of its samples that a window which is not whole may have lost and still be
        used, with `valid` saying which are real; 0: such a window is absent.
    Returns: Dataset; group is the published number of the person, recording a trial.
    Raises: FileNotFoundError, ValueError where the files are missing or broken.
    """
    hop(steps, overlap)
    options = {"steps": steps, "overlap": float(overlap), "most_lost": gaps.checked(most_lost)}
    with open_archive(ORIGIN, dir, cache_dir) as archive:
        trials = _trials(archive)
        archive.tell_missing(len(trials), TRIALS, "published trials")
        members = [member for trial in trials for member in _members(trial)]
        return through_cache(
            lambda: read(archive, **options),
            name="ipol_gait",
            version=VERSION,
            key=[options, [(m, archive.checksum(m)) for m in members]],
            cache_dir=cache_dir,
        )


def read(archive: Archive, *, steps: int, overlap: float, most_lost: float) -> Dataset:
    """The Dataset from the text files of an `Archive`; arguments as of `load`."""
    parts = [_part(archive, trial, steps, overlap, most_lost) for trial in _trials(archive)]
    description = Description(
        name="ipol_gait",
        rate_hz=dict.fromkeys(MODALITIES, RATE_HZ),
        unit={m: SENSORS[m.rsplit("_", 1)[1]] for m in MODALITIES},
        channels=dict.fromkeys(MODALITIES, ("x", "y", "z")),
        class_names=CLASS_NAMES,
        citation=CITATION,
        licence="AGPL-3.0 (of the repository that holds it)",
        stride_s=hop(steps, overlap) / RATE_HZ,
    )
    return joined(archive.path, parts, description)


def _part(archive, trial, steps, overlap, most_lost):
    """`Part` of one trial, from its first packet to its last, whichever sensor sent it."""
    about, *members = _members(trial)
    tables = [_sensor(archive, member) for member in members]
    length = int(max(counter.max() for counter, _ in tables)) + 1
    at = cut(length, steps, hop(steps, overlap))
    windows = {}
    for place, (counter, values) in zip(PLACES, tables):
        stream = np.full((length, values.shape[1]), np.nan, np.float32)
        stream[counter] = values  # a packet that came twice counts once
        stream, lost = gaps.mend(stream)
        of_place = gaps.cut_out(stream, at, lost, most_lost=most_lost)
        for i, sensor in enumerate(SENSORS):
            axes = of_place.values[:, :, 3 * i : 3 * i + 3]
            windows[f"{place}_{sensor}"] = of_place._replace(values=axes)
    person = int(trial.split("-")[0])
    return Part(
        windows=windows,
        label=majority(phases(_boundaries(archive, about), length)[at], len(CLASS_NAMES))[0],
        group=person,
        split=TRAIN if person % 3 else TEST,
    )


def phases(boundaries: tuple[int, ...], length: int) -> np.ndarray:
    """Code of the phase at each packet number, int [length]; `boundaries` as of `_boundaries`."""
    start, turn, back, stop, next_step = boundaries
    codes = np.full(length, UNKNOWN)
    codes[:next_step] = 0
    codes[start:turn], codes[turn:back], codes[back:stop] = 1, 2, 3
    return codes


def _boundaries(archive, member):
    """Packet numbers: walk begins, turn begins and ends, walk ends, the next step after that."""
    try:
        about = json.loads(archive.read(member, most=_LARGEST))
        start, stop = map(int, about["TrialBoundaries"])
        turn, back = map(int, about["UTurnBoundaries"])
        steps = [
            int(begin) for foot in ("Left", "Right") for begin, _ in about[f"{foot}FootEvents"]
        ]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"{archive.path}: {member} must hold TrialBoundaries, UTurnBoundaries, LeftFootEvents "
            f"and RightFootEvents ({type(error).__name__}: {error})"
        ) from error
    if not 0 <= start <= turn <= back <= stop:
        raise ValueError(
            f"{archive.path}: {member} must have its turn {turn, back} inside its walk "
            f"{start, stop}"
        )
    return start, turn, back, stop, min((s for s in steps if s > stop), default=COUNTER_END)


def _sensor(archive, member):
    """(packet numbers int [n], float32 [n, 9]) of one sensor."""
    table = numbers(archive, member, columns=10, header=HEADER, delimiter="\t", missing=True)
    counter = table[:, 0]
    if not ((counter >= 0) & (counter < COUNTER_END) & (counter == np.rint(counter))).all():
        raise ValueError(
            f"{archive.path}: {member} must count its packets in whole numbers below {COUNTER_END}"
        )
    return counter.astype(int), table[:, 1:]


def _trials(archive):
    """Names of the trials, such as 1-1, in the order of people and trials."""
    names = [name.removesuffix(".json") for name in archive.names(r"\d+-\d+\.json")]
    for member in archive.names(r"\d+-\d+_(lb|lf|rf)\.txt"):
        if member[: member.index("_")] not in names:
            raise ValueError(
                f"{archive.path} holds {member} without its .json: not the whole data set. "
                f"{ORIGIN.remedy}"
            )
    return sorted(names, key=lambda name: [int(number) for number in name.split("-")])


def _members(trial):
    return f"{trial}.json", *(f"{trial}_{place}.txt" for place in PLACES.values())

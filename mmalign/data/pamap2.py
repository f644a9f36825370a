"""PAMAP2: three inertial sensors and a heart rate monitor on 8 people, 12 activities."""

from collections.abc import Sequence

import numpy as np

from mmalign import options
from mmalign.data import gaps
from mmalign.data.archive import AnyPath, Archive, Origin
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description
from mmalign.data.original import open_archive
from mmalign.data.prepared import through_cache
from mmalign.data.tables import numbers
from mmalign.data.windows import Part, cut, hop, joined, segments

VERSION = "1.1.0"  # of this reader: a change of what it returns needs a new one
RATE_HZ = 100.0
COLUMNS = 54
TIME, ACTIVITY, HEART_RATE = 0, 1, 2
PLACES = {"hand": 3, "ankle": 37, "chest": 20}  # first of the 17 columns of each
# sensor -> first of its three columns there, unit; acc is the one of 16 g, that of 6 g saturates
SENSORS = {"acc": (1, "m/s^2"), "gyro": (7, "rad/s"), "mag": (10, "uT")}
ACTIVITIES = {
    1: "lying", 2: "sitting", 3: "standing", 4: "walking", 5: "running", 6: "cycling",
    7: "nordic_walking", 12: "ascending_stairs", 13: "descending_stairs", 16: "vacuum_cleaning",
    17: "ironing", 24: "rope_jumping",
}  # fmt: skip
MOST_ACTIVITIES = 24  # numbers of those that were recorded; 0 is in between
LONGEST_S = 1e5  # more than a day
PEOPLE = tuple(range(101, 109))  # 109 did no more than jump rope
LONGEST_BEAT_GAP = 100  # samples between two heart rates, which come about nine times a second
JUMP_S = 0.05  # rows further apart than this do not follow each other
ORIGIN = Origin(
    name="pamap2",
    file="PAMAP2_Dataset.zip",
    home="https://archive.ics.uci.edu/dataset/231",
    url="https://archive.ics.uci.edu/static/public/231/pamap2+physical+activity+monitoring.zip",
    marker="Protocol/subject101.dat",
    aliases=("PAMAP2*.zip", "pamap2*physical*activity*monitoring*.zip"),
)
CITATION = (
    "A. Reiss, D. Stricker. Introducing a New Benchmarked Dataset for Activity Monitoring. ISWC "
    "2012. doi:10.1109/ISWC.2012.13, data doi:10.24432/C5NW2H"
)


def load(
    *,
    dir: AnyPath | None = None,
    cache_dir: AnyPath | None = None,
    fold: int = 0,
    heart_rate: bool = False,
    places: Sequence[str] = ("hand", "ankle", "chest"),
    sensors: Sequence[str] = ("acc", "gyro"),
    steps: int = 512,
    overlap: float = 0.0,
    most_lost: float = 0.0,
) -> Dataset:
    """PAMAP2's protocol recordings as CroSSL takes them: six streams, 5.12 s, one person to test.

    hand_acc, ankle_acc, chest_acc: acceleration with gravity in m/s^2 (the sensor of 16 g); *_gyro:
    rotation in rad/s; *_mag: magnetic field in microtesla; each [n, steps, 3] at 100 Hz.
    heart_rate: beats a minute [n, steps, 1], on straight lines between the values that the monitor
    sent. Windows lie within one activity; what is labelled "transient" is left out.

    A sensor's gaps of up to 5 samples are filled on straight lines. A window is not whole in which
    a longer one lies or more than a tenth was lost (for the heart rate, in which a second passed
    without a value): the sensor is absent from it, unless `most_lost` allows.

    CroSSL's code reads windows cut before, so that overlap, filters and the treatment of missing
    samples are choices made here. It tests on one person, `fold`, and keeps another for validation;
    that one is among the training people here, who are divided where a choice is made.

    Args:
      dir: folder with the original zip, the zip, or its unzipped folder; None downloads it.
      cache_dir: where downloaded and prepared data are kept; None is the user's cache folder.
      fold: 0 to 7, the person kept for the test is number 101 + fold.
      heart_rate: whether it is a modality, too.
      places, sensors: whose products are the modalities; of PLACES and SENSORS.
      steps: length of a window.
      overlap: share of a window that the next one of the same activity holds, too.
      most_lost: share of its samples that a window which is not whole may have lost and still be
        used, with `valid` saying which are real; 0: such a window is absent.
    Returns: Dataset; group is the published number of the person, recording a stretch of one
      activity.
    Raises: FileNotFoundError, ValueError where the files are missing or broken.
    """
    if fold not in range(len(PEOPLE)):
        raise ValueError(f"fold must be in 0..{len(PEOPLE) - 1}, got {fold}")
    for what, given, there_is in (("place", places, PLACES), ("sensor", sensors, SENSORS)):
        for name in given:
            options.known(what, name, there_is)
        if not given:
            raise ValueError(f"{what}s is empty; there is {options.listed(there_is)}")
    hop(steps, overlap)
    choices = {
        "fold": fold,
        "heart_rate": bool(heart_rate),
        "places": list(places),
        "sensors": list(sensors),
        "steps": steps,
        "overlap": float(overlap),
        "most_lost": gaps.checked(most_lost),
    }
    with open_archive(ORIGIN, dir, cache_dir) as archive:
        return through_cache(
            lambda: read(archive, **choices),
            name="pamap2",
            version=VERSION,
            key=[choices, [archive.checksum(_member(person)) for person in PEOPLE]],
            cache_dir=cache_dir,
        )


def read(
    archive: Archive,
    *,
    fold: int,
    heart_rate: bool,
    places: Sequence[str],
    sensors: Sequence[str],
    steps: int,
    overlap: float,
    most_lost: float,
) -> Dataset:
    """The Dataset from the text files of an `Archive`; arguments as of `load`."""
    columns = {
        f"{place}_{sensor}": [PLACES[place] + SENSORS[sensor][0] + axis for axis in range(3)]
        for place in places
        for sensor in sensors
    }
    unit = {m: SENSORS[m.split("_")[1]][1] for m in columns}
    channels: dict[str, tuple[str, ...]] = dict.fromkeys(columns, ("x", "y", "z"))
    if heart_rate:
        columns["heart_rate"] = [HEART_RATE]
        unit["heart_rate"], channels["heart_rate"] = "1/min", ("heart_rate",)
    parts = []
    for i, person in enumerate(PEOPLE):
        split = TEST if i == fold else TRAIN
        parts += _parts(archive, person, split, columns, steps, overlap, most_lost)
    description = Description(
        name="pamap2",
        rate_hz=dict.fromkeys(columns, RATE_HZ),
        unit=unit,
        channels=channels,
        class_names=tuple(ACTIVITIES.values()),
        citation=CITATION,
        licence="CC BY 4.0",
        stride_s=hop(steps, overlap) / RATE_HZ,
    )
    return joined(archive.path, parts, description)


def _parts(archive, person, split, columns, steps, overlap, most_lost):
    """`Part` of each stretch of one activity of one person."""
    time, activity, streams = _recording(archive, person, columns)
    jump = np.diff(time, prepend=time[:1])
    run = np.cumsum((jump > JUMP_S) | (jump < 0))
    mended = {m: _mended(m, stream, run) for m, stream in streams.items()}
    codes, parts = list(ACTIVITIES), []
    for first, last in segments(run, activity):
        if activity[first] not in ACTIVITIES or last - first < steps:
            continue
        at = first + cut(last - first, steps, hop(steps, overlap))
        parts.append(
            Part(
                windows={
                    m: gaps.cut_out(x, at, lost, most_lost=most_lost)
                    for m, (x, lost) in mended.items()
                },
                label=np.full(len(at), codes.index(activity[first])),
                group=person,
                split=split,
            )
        )
    return parts


def _mended(modality, stream, run):
    """(float32 [n, channels], bool [n] lost or None) of a stream, each run of rows on its own."""
    beats = modality == "heart_rate"
    longest = LONGEST_BEAT_GAP if beats else gaps.LONGEST_GAP
    pieces = [gaps.mend(stream[a:b], longest) for a, b in segments(run)]
    values, lost = (np.concatenate(piece) for piece in zip(*pieces))
    return values, None if beats else lost  # most samples of it lie between two values


def _recording(archive, person, columns):
    """(seconds [n], activity int [n], {modality: float32 [n, channels]}) of one person."""
    member = _member(person)
    wanted = [TIME, ACTIVITY, *(c for places in columns.values() for c in places)]
    table = numbers(archive, member, columns=COLUMNS, only=wanted, missing=True)
    time, activity = table[:, 0], table[:, 1]
    known = np.isin(activity, range(MOST_ACTIVITIES + 1))
    if not (known & (time >= 0) & (time <= LONGEST_S)).all():
        raise ValueError(
            f"{archive.path}: {member} must give every row a time and the number of an activity, "
            f"within {LONGEST_S:g} s and {MOST_ACTIVITIES}"
        )
    ends = 2 + np.cumsum([0, *map(len, columns.values())])
    streams = {m: table[:, a:b] for m, a, b in zip(columns, ends[:-1], ends[1:])}
    return time, activity.astype(int), streams


def _member(person):
    return f"Protocol/subject{person}.dat"

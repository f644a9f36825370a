"""UCI HAR: acceleration and rotation of a phone at the waist, 30 people, 6 activities."""

from typing import Any

import numpy as np

from mmalign.data.archive import AnyPath, Archive, Origin
from mmalign.data.dataset import LABEL, TEST, TRAIN, Dataset, Description
from mmalign.data.original import open_archive
from mmalign.data.prepared import through_cache
from mmalign.data.tables import numbers

VERSION = "1.1.0"  # of this reader: a change of what it returns needs a new one
STEPS = 128
ORIGIN = Origin(
    name="uci_har",
    file="UCI HAR Dataset.zip",
    home="https://archive.ics.uci.edu/dataset/240",
    url="https://archive.ics.uci.edu/static/public/240/"
    "human+activity+recognition+using+smartphones.zip",
    marker="activity_labels.txt",
    aliases=("UCI?HAR?Dataset*.zip", "human*activity*recognition*smartphones*.zip"),
)
SIGNALS = {"acc": "total_acc", "gyro": "body_gyro"}
MOVEMENT = "body_acc"  # the published acceleration without gravity, a low pass at 0.3 Hz
UNITS = {"acc": "g", "movement": "g", "gravity": "g", "gyro": "rad/s"}
SPLITS = {"train": TRAIN, "test": TEST}
PEOPLE = tuple(range(1, 31))
CITATION = (
    "D. Anguita, A. Ghio, L. Oneto, X. Parra, J. L. Reyes-Ortiz. A Public Domain Dataset for Human "
    "Activity Recognition Using Smartphones. ESANN 2013. doi:10.24432/C54S4K"
)
LICENCE = (
    "To be acknowledged by citing the paper; its README prohibits commercial use "
    "(the page of the UCI repository says CC BY 4.0)"
)


def load(
    *, dir: AnyPath | None = None, cache_dir: AnyPath | None = None, gravity: bool = False
) -> Dataset:
    """UCI HAR with its official split by people (21 train, 9 test).

    acc: total acceleration [n, 128, 3] in g; gyro: rotation [n, 128, 3] in rad/s; both at 50 Hz,
    windows of 2.56 s, half overlapping. The first call reads the text files of the zip, later ones
    what it kept in the cache folder.

    Args:
      dir: folder with the original zip, the zip, or its unzipped folder; None downloads it.
      cache_dir: where downloaded and prepared data are kept; None is the user's cache folder.
      gravity: whether acceleration comes in two parts in place of acc: movement, the published
        body acceleration, and gravity, the rest of the total. Three modalities are then there.
    Returns: Dataset; group is the published number of the person, 1 to 30.
    Raises: FileNotFoundError, ValueError where the files are missing or broken.
    """
    with open_archive(ORIGIN, dir, cache_dir) as archive:
        return through_cache(
            lambda: read(archive, gravity=gravity),
            name="uci_har",
            version=VERSION,
            key=[bool(gravity), *map(archive.checksum, _members(_signals(gravity)))],
            cache_dir=cache_dir,
        )


def read(archive: Archive, *, gravity: bool = False) -> Dataset:
    """The Dataset from the text files of an `Archive`; `gravity` as of `load`."""
    class_names, signals = _class_names(archive), _signals(gravity)
    parts = [_read_split(archive, split, signals, len(class_names)) for split in SPLITS]
    columns: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    if both := set(parts[0]["group"].tolist()) & set(parts[1]["group"].tolist()):
        raise ValueError(
            f"{archive.path}: person {min(both)} is in train/subject_train.txt and in "
            "test/subject_test.txt, and the published split cuts through nobody"
        )
    inputs = {m: columns.pop(m) for m in signals}
    label = columns.pop("label")
    recording, position = runs(inputs["acc"], columns["group"], label)
    if gravity:
        inputs["gravity"] = inputs.pop("acc") - inputs["movement"]
    return Dataset(
        inputs=inputs,
        present={m: np.ones(len(recording), bool) for m in inputs},
        targets={LABEL: label},
        recording=recording,
        position=position,
        description=Description(
            name="uci_har",
            rate_hz=dict.fromkeys(inputs, 50.0),
            unit={m: UNITS[m] for m in inputs},
            channels=dict.fromkeys(inputs, ("x", "y", "z")),
            class_names=class_names,
            citation=CITATION,
            licence=LICENCE,
            stride_s=STEPS / 2 / 50.0,
        ),
        **columns,
    )


def runs(windows: np.ndarray, *same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which windows follow each other half overlapping: int32 (run, position in it) of each.

    A window continues a run if its first half is the second half of the window before, sample by
    sample, and all of `same` ([n] arrays) are unchanged.
    """
    half = windows.shape[1] // 2
    follows = (windows[:-1, half:] == windows[1:, :half]).all(axis=(1, 2))
    for column in same:
        follows &= column[:-1] == column[1:]
    starts = np.concatenate([[True], ~follows])
    run = np.cumsum(starts) - 1
    position = np.arange(len(run)) - np.flatnonzero(starts)[run]
    return run.astype(np.int32), position.astype(np.int32)


def _signal(split, name, axis):
    return f"{split}/Inertial Signals/{name}_{axis}_{split}.txt"


def _signals(gravity):
    """{modality: name in the files} of what is read."""
    return SIGNALS | ({"movement": MOVEMENT} if gravity else {})


def _members(signals):
    """Every file that is read."""
    yield "activity_labels.txt"
    for split in SPLITS:
        yield from (f"{split}/y_{split}.txt", f"{split}/subject_{split}.txt")
        yield from (_signal(split, name, axis) for name in signals.values() for axis in "xyz")


def _class_names(archive):
    lines = [line.split() for line in archive.text("activity_labels.txt") if line.strip()]
    numbered = [str(i + 1) for i in range(len(lines))]
    if [line[0] for line in lines] != numbered or any(len(line) != 2 for line in lines):
        raise ValueError(
            f"{archive.path}: activity_labels.txt must number its classes 1, 2, ... and give each "
            f"one name, got {lines[:20]}"
        )
    return tuple(name for _, name in lines)


def _read_split(archive, split, signals, classes):
    """{modality or column: array} of "train" or "test"."""
    label = numbers(archive, f"{split}/y_{split}.txt", columns=1)[:, 0] - 1
    if not np.isin(label, np.arange(classes)).all():
        wrong = label[~np.isin(label, np.arange(classes))][0] + 1
        raise ValueError(
            f"{archive.path}: label {wrong:g} in {split}/y_{split}.txt, expected 1..{classes}"
        )
    member = f"{split}/subject_{split}.txt"
    subject = numbers(archive, member, columns=1, rows=len(label))[:, 0]
    if not np.isin(subject, PEOPLE).all():
        wrong = subject[~np.isin(subject, PEOPLE)][0]
        raise ValueError(f"{archive.path}: person {wrong:g} in {member}, expected 1..{PEOPLE[-1]}")
    part = {
        "label": label.astype(np.int32),
        "group": subject.astype(np.int32),
        "split": np.full(len(label), SPLITS[split], np.int8),
    }
    for modality, name in signals.items():
        members = [_signal(split, name, axis) for axis in "xyz"]
        axes = [numbers(archive, member, columns=STEPS, rows=len(label)) for member in members]
        part[modality] = np.stack(axes, axis=-1)
    return part

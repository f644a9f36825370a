"""What a data set is: aligned windows per modality, what is known of each, a description."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmalign.data.names import check_key, check_text

TRAIN, TEST, VALIDATION, COMPLETE = 0, 1, 2, 3  # values of `split`
SPLITS = {"train": TRAIN, "test": TEST, "validation": VALIDATION}
UNKNOWN = -1  # of `group` and of targets but real ones; also the row of an absent window
LABEL = "label"  # the task that is meant where none is named
RANKS = {"series": 3, "image": 4, "vector": 2, "sequence": 3}  # of a modality's array, by its kind


class Task(NamedTuple):
    """What a target says of a window.

    kind: "classes" (int32 [n], -1 = unknown), "real" (float32 [n] or [n, size], NaN = unknown) or
      "multi_hot" (int8 [n, size] of 0 and 1, -1 = unknown).
    size: number of classes, or of numbers a window.
    names: of the classes or numbers; empty where they have none.
    """

    kind: str
    size: int
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Description:
    """What a reader of the numbers must know.

    rate_hz: of each series; the other kinds have none. unit, channels: of each modality.
    class_names: of the target "label".
    kind: {modality: one of RANKS}, those left out are series.
    targets: {task: Task} of the targets beside "label".
    sources: names of the data sets that windows came from, of `Dataset.source`.
    stride_s: seconds from the start of a window to that of the next position of its recording; None
      where that is not known.
    """

    name: str
    rate_hz: Mapping[str, float]
    unit: Mapping[str, str]
    channels: Mapping[str, tuple[str, ...]]
    class_names: tuple[str, ...] = ()
    citation: str = ""
    licence: str = ""
    kind: Mapping[str, str] = dataclasses.field(default_factory=dict)
    targets: Mapping[str, Task] = dataclasses.field(default_factory=dict)
    sources: tuple[str, ...] = ()
    stride_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Windows of several modalities; row i of every array belongs to window i.

    inputs: {modality: float32 [n, *shape]}, a series [n, time, channels], an image [n, height,
      width, channels], a vector [n, features] or a sequence [n, tokens, features]; time may differ
      between modalities.
    present: {modality: bool [n]}; where False the input is zeros and must not be read.
    targets: {task: [n, ...]}, as `Task` says; "label" is the default one.
    group: int32 [n], the subject; splits cut through none but a single one. -1 = unknown.
    split: int8 [n], TRAIN, TEST, VALIDATION, or COMPLETE: copies of training windows with sensors
      that those lack, see `parties.dealt`.
    recording, position: int32 [n], the recording a window was cut from and its place in time there;
      consecutive windows of one recording are neighbours.
    valid: {modality: bool [n, time]} of series with gaps inside their windows; where False the
      sample is zeros and must not be read. False throughout where the modality is absent.
    source: int32 [n], which data set a window came from, -1 = none; None: all from one.
    untold: int32 [n], labels that are kept from trainings and probes, -1 elsewhere: what is found
      without labels is judged by them. None: there are none.
    factors: {name: float32 [n, k]}, the generating factors where they are known (synthetic data).
    """

    inputs: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]
    targets: Mapping[str, np.ndarray]
    group: np.ndarray
    split: np.ndarray
    recording: np.ndarray
    position: np.ndarray
    description: Description
    valid: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    source: np.ndarray | None = None
    untold: np.ndarray | None = None
    factors: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.group)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names, in the order in which joint embeddings concatenate them."""
        return tuple(self.inputs)

    @property
    def kinds(self) -> dict[str, str]:
        """{modality: its kind}, of all modalities."""
        return {m: self.description.kind.get(m, "series") for m in self.inputs}

    @property
    def label(self) -> np.ndarray:
        """The target "label", int32 [n]; all -1 where there is none."""
        label = self.targets.get(LABEL)
        return np.full(len(self), UNKNOWN, np.int32) if label is None else label

    @property
    def num_classes(self) -> int:
        """Number of classes of "label"; 0 where nothing is labelled."""
        return len(self.description.class_names) or int(self.label.max(initial=-1)) + 1

    @property
    def tasks(self) -> dict[str, Task]:
        """{task: Task} of all targets."""
        label = Task("classes", self.num_classes, tuple(self.description.class_names))
        return {
            task: label if task == LABEL else self.description.targets[task]
            for task in self.targets
        }

    def source_numbers(self) -> np.ndarray:
        """Int32 [n], `source`, zeros where all windows are from one."""
        return np.zeros(len(self), np.int32) if self.source is None else self.source

    def sources(self, named: str | int | Sequence[str | int], what: str) -> list[int]:
        """Numbers of sources that are given by name or number, one or several.

        what: the option that names them.
        Raises: ValueError for one without a training window.
        """
        names, there = self.description.sources, self.source_numbers()[self.split == TRAIN]
        found = [n for n in np.unique(there).tolist() if n != UNKNOWN]
        out = []
        for name in [named] if isinstance(named, str | int) else named:
            number = names.index(name) if name in names else name
            if number not in found:
                shown = [names[n] if names else n for n in found]
                raise ValueError(f"{what} must be one of {shown}, got {name!r}")
            out.append(number)
        return out

    def select(self, rows: np.ndarray) -> "Dataset":
        """The data set of some rows alone, in their order; `rows`: ints [k] or bool [n]."""
        columns = {}
        for field in dataclasses.fields(self):
            column = getattr(self, field.name)
            if isinstance(column, Mapping):
                columns[field.name] = {key: x[rows] for key, x in column.items()}
            elif isinstance(column, np.ndarray):
                columns[field.name] = column[rows]
        return dataclasses.replace(self, **columns)


def concatenated(datasets: Sequence[Dataset]) -> Dataset:
    """The windows of data sets with the same modalities and targets, and the first's description.

    People and recordings are not renumbered: the same number is the same person in all of them.
    """
    first = datasets[0]
    columns = {}
    for field in dataclasses.fields(first):
        of = [getattr(dataset, field.name) for dataset in datasets]
        if isinstance(of[0], Mapping):
            columns[field.name] = {key: np.concatenate([x[key] for x in of]) for key in of[0]}
        elif isinstance(of[0], np.ndarray):
            columns[field.name] = np.concatenate(of)
    return dataclasses.replace(first, **columns)


def check(dataset: Dataset) -> Dataset:
    """The data set, if its arrays fit each other and its description, and its names can be used.

    Raises: ValueError that names the first array or the first name that does not.
    """
    _check_names(dataset)
    n = len(dataset)
    for field in dataclasses.fields(dataset):
        column = getattr(dataset, field.name)
        arrays = column if isinstance(column, Mapping) else {"": column}
        for key, x in arrays.items():
            if isinstance(x, np.ndarray) and len(x) != n:
                raise ValueError(
                    f"{field.name} {key!r} has {len(x)} rows where group has {n}: row i of every "
                    "array belongs to window i"
                )
    if set(dataset.present) != set(dataset.inputs):
        raise ValueError(f"present is given for {[*dataset.present]}, inputs {[*dataset.inputs]}")
    for m, kind in dataset.kinds.items():
        if dataset.inputs[m].ndim != RANKS.get(kind):
            raise ValueError(
                f"modality {m!r} is called a {kind!r} and has the shape {dataset.inputs[m].shape}; "
                f"numbers of axes are {RANKS}, the windows' one included"
            )
        if kind == "series" and m not in dataset.description.rate_hz:
            raise ValueError(f"the description gives no rate_hz for the series {m!r}")
        if m in dataset.valid and dataset.valid[m].shape != dataset.inputs[m].shape[:2]:
            raise ValueError(f"valid {m!r} must be [n, time], got {dataset.valid[m].shape}")
    if odd := set(dataset.targets) - {LABEL, *dataset.description.targets}:
        raise ValueError(f"the description has no Task for the target {min(odd)!r}")
    return dataset


def check_uncut(
    where: object, split: Sequence[int] | np.ndarray, group: np.ndarray, column: str
) -> None:
    """Raises ValueError where a split that was given has a person on two sides.

    where, column: of the split and of the people, for the message. split: [n] codes. group: [n]
    numbers, UNKNOWN of nobody known, or names, "" of nobody known.
    """
    inside = {name: set(group[np.asarray(split) == code].tolist()) - {UNKNOWN, ""}
              for name, code in SPLITS.items()}  # fmt: skip
    for one, other in itertools.combinations(SPLITS, 2):
        if both := sorted(inside[one] & inside[other]):
            raise ValueError(
                f"{where}: 'split' cuts through {column} {both[0]} ({len(both)} {column}s are in "
                f"{one} and {other}): a {column} belongs to one side; change 'split', or leave "
                f"{column!r} out"
            )


def _check_names(dataset):
    about = dataset.description
    named = f"data set {about.name!r}: a"
    check_text("a data set", about.name)
    keys = {"modality": dataset.inputs, "target": dataset.targets, "factor": dataset.factors}
    for what, names in keys.items():
        for name in names:
            check_key(f"{named} {what}", name)
    texts = {"source": about.sources, "class": about.class_names}
    texts |= {f"channel of {m!r}": names for m, names in about.channels.items()}
    texts |= {f"class of {task!r}": of.names for task, of in about.targets.items()}
    for what, names in texts.items():
        for name in names:
            check_text(f"{named} {what}", str(name))

"""Tasks of MultiBench in their public files: sentiment, humour, sarcasm, intensive care, touch."""

import pathlib
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmalign import options
from mmalign.data import pickled
from mmalign.data.archive import AnyPath
from mmalign.data.dataset import SPLITS, UNKNOWN, Dataset, Description, Task
from mmalign.data.multibench_robot import read_episodes

CITATION = "Liang et al. 2021, MultiBench, arXiv:2107.07502"
HOME = "https://github.com/pliang279/MultiBench"
_AFFECT = ("vision", "text", "audio")
_SHARE = 10  # of the stays, one in so many for validation, and for the test
_HEADINGS = ("ep_tdata", "adm_features_all", "y_icd9")


class _Source(NamedTuple):
    """file: its usual name, or what a folder of them holds. usual: modalities as published."""

    file: str
    modalities: tuple[str, ...]
    usual: tuple[str, ...]
    classes: tuple[str, ...]


TASKS = {
    "mosi": _Source("mosi_raw.pkl", _AFFECT, ("vision", "text"), ("negative", "positive")),
    "ur_funny": _Source("humor.pkl", _AFFECT, ("vision", "text"), ("serious", "funny")),
    "mustard": _Source("sarcasm.pkl", _AFFECT, ("vision", "text"), ("sincere", "sarcastic")),
    "mimic": _Source("im.pk", ("tabular", "series"), ("tabular", "series"), ("without", "with")),
    "vision_touch": _Source("*.h5", ("image", "force", "proprio"), ("image", "proprio"),
                            ("free", "contact")),
}  # fmt: skip


def load(
    *, dir: AnyPath | None = None, task: str = "mosi", modalities: Sequence[str] | None = None,
    steps: int = 50, code: int = 7, size: int = 128, episodes: int | None = None,
) -> Dataset:  # fmt: skip
    """One of TASKS, its modalities in their published order.

    mosi, ur_funny, mustard: features of video, text and sound, "sequence" [steps, features]. What
      has no text is left out; all modalities begin with the first word, and what is shorter than
      `steps` ends in zeros, which is no gap to an encoder, as published. Target "value", real: the
      number whose sign is the label.
    mimic: "tabular" [5], what is known of a patient; "series", a sequence of 24 hours of 12
      features. Label: whether the stay has a diagnosis of the group `code` of ICD-9. A shuffle by
      the published seed tests on a tenth and leaves out a tenth for validation.
    vision_touch: see `read_episodes`.

    Args:
      dir: the file, or the folder that it is in; of vision_touch the folder of episodes.
      task: of TASKS.
      modalities: of the task, two or more; None for those of the published experiments with two.
      steps: of the sequences of the first three tasks, at most.
      code: 0 to 19, of MIMIC's 20 groups of diagnoses.
      size: pixels of vision_touch's images each way, 128 or a whole fraction of it.
      episodes: of vision_touch, at most; None for all, 30 GB of them.
    Returns: Dataset. Nobody is known of the first four, so that neighbours of one person may be on
      both sides of the published splits.
    Raises: FileNotFoundError without the file; ValueError for an unknown task or modality, or a
      file that holds anything but arrays and plain containers.
    References: Liang et al. 2021, arXiv:2107.07502; as CoMM (Dufumier et al. 2025,
      arXiv:2409.07402) reads them, but for its statistics of test windows: what is to be
      standardised is so by the training windows.
    """
    source = TASKS[options.one_of("data.options.task", task, TASKS)]
    names = tuple(source.usual if modalities is None else modalities)
    for m in names:
        options.known(f"modality of {task}", m, source.modalities)
    if len(set(names)) < len(names) or len(names) < 2:
        raise ValueError(f"data.options.modalities must be two or more of {task}, each once, got "
                         f"{names}")  # fmt: skip
    if dir is None:
        raise FileNotFoundError(
            f"{task} is not downloaded by itself: get {source.file} from {HOME} and give its "
            "folder, --config.data.dir=FOLDER"
        )
    path = pathlib.Path(dir).expanduser()
    if task == "vision_touch":
        return read_episodes(path, names, size=size, most=episodes)
    file = _file(path, source.file)
    try:
        content = pickled.loads(file.read_bytes())
        read = _stays(content, names, code) if task == "mimic" else _clips(content, names, steps)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    inputs, label, targets, split = read
    count = len(label)
    return Dataset(
        inputs=inputs,
        present=dict.fromkeys(names, np.ones(count, bool)),
        targets={"label": label.astype(np.int32), **targets},
        group=np.full(count, UNKNOWN, np.int32),
        split=split.astype(np.int8),
        recording=np.arange(count, dtype=np.int32),
        position=np.zeros(count, np.int32),
        description=Description(
            name=task,
            rate_hz={},
            unit=dict.fromkeys(names, "1"),
            channels={m: tuple(map(str, range(inputs[m].shape[-1]))) for m in names},
            class_names=source.classes,
            citation=CITATION,
            kind={m: "vector" if m == "tabular" else "sequence" for m in names},
            targets={name: Task("real", 1, (name,)) for name in targets},
        ),
    )


def _file(path, usual):
    """The file, in a folder by its usual name."""
    file = path / usual if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file}: --config.data.dir is to be {usual}, or the "
                                "folder that it is in")  # fmt: skip
    return file


def _clips(content, names, steps):
    """(inputs, label, targets, split) of features along video, text and sound."""
    _check_keys(content, ("train", "valid", "test"), dict)
    inputs, value, split = {m: [] for m in names}, [], []
    for part, role in zip(("train", "valid", "test"), ("train", "validation", "test")):
        stored = content[part]
        columns = (*names, "text", "labels")
        _check_keys(stored, columns, (list, np.ndarray))
        counts = {m: len(stored[m]) if isinstance(stored[m], list) or stored[m].ndim else 0
                  for m in columns}  # fmt: skip
        if len(set(counts.values())) > 1:
            raise ValueError(f"{part} holds unequal numbers of clips, {counts}")
        for i in range(len(stored["labels"])):
            text = _numbers(stored["text"][i], 2, f"text {i} of {part}")
            spoken = np.flatnonzero(text.any(axis=1))
            if not len(spoken):
                continue
            for m in names:
                x = _numbers(stored[m][i], 2, f"{m} {i} of {part}")
                inputs[m].append(_cut(x, spoken[0], steps))
            value.append(_value(stored["labels"][i], f"label {i} of {part}"))
            split.append(SPLITS[role])
    if lacking := [name for name in ("train", "test") if SPLITS[name] not in split]:
        raise ValueError(f"there is no clip with text in {lacking[0]}")
    for m, x in inputs.items():
        if len(widths := {clip.shape[1] for clip in x}) > 1:
            raise ValueError(f"clips of {m} differ in their features, {sorted(widths)[:5]}")
    value = np.asarray(value, np.float32)
    return ({m: np.stack(x) for m, x in inputs.items()}, value > 0, {"value": value},
            np.asarray(split))  # fmt: skip


def _cut(x, start, steps):
    """Float32 [steps, features], from `start` on, with zeros at the end and where infinite."""
    x = x[start : start + steps]
    x = np.where(np.isfinite(x), x, 0)
    return np.pad(x, ((0, steps - len(x)), (0, 0)))


def _numbers(stored, rank, what):
    """Float32 array of what is stored, of so many axes; what float32 has no room for is infinite.

    rank: None for any.
    """
    try:
        with np.errstate(over="ignore"):
            x = np.asarray(stored, np.float32)
    except (TypeError, OverflowError, ValueError) as error:
        raise ValueError(f"{what} is no array of numbers ({error})") from error
    if rank not in (None, x.ndim) or 0 in x.shape[1:]:
        raise ValueError(f"{what} must be numbers along {rank or 'any'} axes, got {x.shape}")
    return x


def _value(stored, what):
    """The number that a label is, or that its array begins with."""
    first = _numbers(stored, None, what).ravel()[:1]
    if not len(first) or not np.isfinite(first[0]):
        raise ValueError(f"{what} must be a finite number, got {first.tolist()}")
    return float(first[0])


def _stays(content, names, code):
    """(inputs, label, targets, split) of stays in intensive care."""
    _check_keys(content, _HEADINGS)
    series, tabular, diagnoses = (
        _numbers(content[name], rank, name) for name, rank in zip(_HEADINGS, (3, 2, 2))
    )
    if not len(series) == len(tabular) == len(diagnoses) >= _SHARE:
        raise ValueError(
            f"{', '.join(_HEADINGS)} must hold {_SHARE} stays or more, as many each, got "
            f"{len(series)}, {len(tabular)}, {len(diagnoses)}"
        )
    if not np.isfinite(diagnoses).all():
        raise ValueError(f"{_HEADINGS[2]} must be finite")
    if not 0 <= code < diagnoses.shape[1]:
        raise ValueError(f"data.options.code must be 0 to {diagnoses.shape[1] - 1}, got {code}")
    order = list(range(len(series)))
    random.Random(10).shuffle(order)
    rows, part = np.asarray(order), len(order) // _SHARE
    known = {"tabular": tabular, "series": series}
    inputs = {m: np.where(np.isfinite(known[m]), known[m], 0).astype(np.float32)[rows]
              for m in names}  # fmt: skip
    split = np.full(len(rows), SPLITS["train"])
    split[:part], split[part : 2 * part] = SPLITS["validation"], SPLITS["test"]
    return inputs, diagnoses[rows, code] > 0, {}, split


def _check_keys(content, names, kind: type | tuple[type, ...] = object):
    lacking = [name for name in names if not isinstance(content, dict) or name not in content]
    if lacking or not all(isinstance(content[name], kind) for name in names):
        held = [*content] if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"the file is to hold {', '.join(names)}, it holds {held}")

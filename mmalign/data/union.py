"""Several data sets as one: modalities by the same names, at the same rates, of the same length."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign import options
from mmalign.data.dataset import (
    LABEL,
    SPLITS,
    UNKNOWN,
    Dataset,
    Description,
    Task,
)
from mmalign.data.modalities import renamed
from mmalign.data.resampling import resample_windows


def load(*, sources: Mapping[str, Mapping]) -> Dataset:
    """The data set of all windows of several.

    sources: {name: a block like `config.data`, and how to fit it in: keyword arguments of
      `fitted`}.
    Raises: ValueError for sources whose modalities differ.
    """
    from mmalign.data import catalogue  # which loads this module by name

    ways = options.of(fitted)
    made = []
    options.per_name("options.sources", sources, "source")
    for name, block in sources.items():
        options.per_name(f"options.sources.{name}", block, "setting")
        own = {key: value for key, value in block.items() if key in ways}
        rest = {key: value for key, value in block.items() if key not in ways}
        if not rest.get("name"):
            raise ValueError(f"data.options.sources.{name} needs the name of a data set")
        made.append(fitted(catalogue.load(rest), **own))
    return united(made, list(sources))


def fitted(
    dataset: Dataset, *, modalities: Mapping[str, str] | None = None,
    rate_hz: Mapping[str, float] | None = None, seconds: float | None = None,
    scale: Mapping[str, float] | None = None, unit: Mapping[str, str] | None = None,
    classes: Mapping[str, str] | None = None, split: str | None = None,
) -> Dataset:  # fmt: skip
    """The data set as others can be put beside it.

    Args:
      modalities: {its name for one: the name here}, those that are kept; None: all.
      rate_hz: {modality, by the name here: rate to bring it to}, no higher than its own.
      seconds: length to cut windows to, around their middle; of series.
      scale, unit: {modality: factor of its values}, and of what unit they are then.
      classes: {its name for a class: the name here}; labels of others become unknown.
      split: of SPLITS, for all windows; None: its own.
    Raises: ValueError naming what does not fit.
    """
    if modalities is not None:
        for m in modalities:
            options.known("modality to be kept", m, dataset.modalities)
        dataset = renamed(dataset, modalities)
    for what, given in (("rate_hz", rate_hz), ("scale", scale), ("unit", unit)):
        for m in given or {}:
            options.known(f"modality of {what}", m, dataset.modalities)
    for m, hertz in (rate_hz or {}).items():
        dataset = _at_rate(dataset, m, hertz)
    if seconds is not None:
        for m, kind in dataset.kinds.items():
            if kind == "series":
                dataset = _cut(dataset, m, seconds)
    for m, factor in (scale or {}).items():
        dataset = dataclasses.replace(
            dataset, inputs={**dataset.inputs, m: dataset.inputs[m] * np.float32(factor)}
        )
    if unit:
        named = dataclasses.replace(
            dataset.description, unit={**dataset.description.unit, **dict(unit)}
        )
        dataset = dataclasses.replace(dataset, description=named)
    if classes is not None:
        dataset = _of_classes(dataset, classes)
    if split is not None:
        code = SPLITS[options.known("split", split, SPLITS)]
        dataset = dataclasses.replace(dataset, split=np.full(len(dataset), code, np.int8))
    return dataset


def united(datasets: Sequence[Dataset], names: Sequence[str]) -> Dataset:
    """All windows in a row; `source` tells which data set each is from.

    Modalities that a data set lacks are absent from its windows, targets unknown; classes are told
    apart by their names. People and recordings of different data sets are different ones.
    Raises: ValueError where a modality, or a target, is not the same in two of them.
    """
    modalities = _agreed(datasets, names)
    sizes = [len(dataset) for dataset in datasets]
    classes = list(dict.fromkeys(c for d in datasets for c in _class_names(d)))
    column = lambda values: np.concatenate([np.asarray(x) for x in values])
    numbered = lambda key: column(_apart([getattr(d, key) for d in datasets])).astype(np.int32)
    inputs, present, valid = {}, {}, {}
    for m, like in modalities.items():
        inputs[m] = column(
            d.inputs[m] if m in d.inputs else np.zeros((n, *like.shape[1:]), like.dtype)
            for d, n in zip(datasets, sizes)
        )
        present[m] = column(d.present.get(m, np.zeros(n, bool)) for d, n in zip(datasets, sizes))
        if any(m in d.valid for d in datasets):
            time = like.shape[1]
            valid[m] = column(
                d.valid.get(m, np.repeat(_present(d, m)[:, None], time, axis=1)) for d in datasets
            )
    targets = {LABEL: column(_recoded(d, classes) for d in datasets)}
    others = {task: of for d in datasets for task, of in d.description.targets.items()}
    for task, of in others.items():
        targets[task] = column(_target(d, n, task, of) for d, n in zip(datasets, sizes))
    return Dataset(
        inputs=inputs, present=present, targets=targets, group=numbered("group"),
        split=column(d.split for d in datasets), recording=numbered("recording"),
        position=column(d.position for d in datasets).astype(np.int32),
        description=_described(datasets, names, classes, others), valid=valid,
        source=np.repeat(np.arange(len(datasets)), sizes).astype(np.int32),
    )  # fmt: skip


def _present(dataset, modality):
    """Bool [n]: windows that have the modality, which the data set need not know."""
    return dataset.present.get(modality, np.zeros(len(dataset), bool))


def _at_rate(dataset, m, hertz):
    """Modality m at another rate."""
    rate = dataset.description.rate_hz.get(m)
    if rate is None:
        raise ValueError(f"rate_hz is given for {m!r}, which is no series")
    if hertz == rate:
        return dataset
    x = dataset.inputs[m]
    time = x.shape[1]
    times_s = np.arange(int((time - 1) / rate * hertz + 1e-6) + 1) / hertz
    valid = dataset.valid.get(m, np.ones((len(x), time), bool))
    made, valid = resample_windows(x, valid, rate, times_s, hertz)
    about = dataclasses.replace(
        dataset.description, rate_hz={**dataset.description.rate_hz, m: float(hertz)}
    )
    return dataclasses.replace(
        dataset, inputs={**dataset.inputs, m: made}, description=about,
        valid={k: valid if k == m else v for k, v in dataset.valid.items()},
    )  # fmt: skip


def _cut(dataset, m, seconds):
    """The middle of the windows of a series."""
    x, rate = dataset.inputs[m], dataset.description.rate_hz[m]
    length = round(seconds * rate)
    if not 1 <= length <= x.shape[1]:
        raise ValueError(f"seconds={seconds:g} of {m!r} are {length} samples, windows have "
                         f"{x.shape[1]}")  # fmt: skip
    start = (x.shape[1] - length) // 2
    kept = slice(start, start + length)
    valid = {k: v[:, kept] if k == m else v for k, v in dataset.valid.items()}
    return dataclasses.replace(dataset, inputs={**dataset.inputs, m: x[:, kept]}, valid=valid)


def _of_classes(dataset, names):
    own = _class_names(dataset)
    for name in names:
        options.known("class", name, own)
    kept = list(dict.fromkeys(names.values()))
    number = np.array([*(kept.index(names[c]) if c in names else UNKNOWN for c in own), UNKNOWN])
    label = number[dataset.label].astype(np.int32)  # of -1 the last one
    about = dataclasses.replace(dataset.description, class_names=tuple(kept))
    return dataclasses.replace(
        dataset, targets={**dataset.targets, LABEL: label}, description=about
    )


def _class_names(dataset):
    return dataset.description.class_names or tuple(map(str, range(dataset.num_classes)))


def _agreed(datasets, names) -> dict[str, np.ndarray]:
    """{modality: its array in one of the data sets}, alike in all."""
    found: dict[str, tuple[str, Any]] = {}
    for name, d in zip(names, datasets):
        for m, kind in d.kinds.items():
            about = (kind, d.inputs[m].shape[1:], d.description.rate_hz.get(m))
            first = found.setdefault(m, (name, about))
            if first[1] != about:
                raise ValueError(
                    f"modality {m!r} is {_said(first[1])} in {first[0]!r} and {_said(about)} in "
                    f"{name!r}: bring them together by modalities, rate_hz and seconds"
                )
    return {m: next(d.inputs[m] for d in datasets if m in d.inputs) for m in found}


def _said(about):
    kind, shape, rate = about
    return f"{kind} {' x '.join(map(str, shape))}" + (f" at {rate:g} Hz" if rate else "")


def _apart(columns):
    """Numbers of things, those of each column above all before; -1 stays."""
    start = 0
    for x in columns:
        yield np.where(x == UNKNOWN, UNKNOWN, x + start)
        start += int(x.max(initial=-1)) + 1


def _recoded(dataset, classes):
    """Labels as numbers in `classes`."""
    number = np.array([*(classes.index(c) for c in _class_names(dataset)), UNKNOWN])
    return number[dataset.label].astype(np.int32)


def _target(dataset, n, task, of: Task):
    column = dataset.targets.get(task)
    if column is None:
        shape = (
            (n,) if of.kind == "classes" or (of.kind == "real" and of.size == 1) else (n, of.size)
        )
        kind = {"classes": np.int32, "real": np.float32, "multi_hot": np.int8}[of.kind]
        return np.full(shape, np.nan if of.kind == "real" else UNKNOWN, kind)
    if dataset.description.targets[task] != of:
        raise ValueError(f"target {task!r} is not the same in all sources: leave it out of one")
    return column


def _described(datasets, names, classes, targets):
    together = lambda key: {m: x for d in datasets for m, x in getattr(d.description, key).items()}
    said = lambda key: "; ".join(dict.fromkeys(getattr(d.description, key) for d in datasets))
    strides = {d.description.stride_s for d in datasets}
    return Description(
        name=" + ".join(names), rate_hz=together("rate_hz"), unit=together("unit"),
        channels=together("channels"), class_names=tuple(classes), citation=said("citation"),
        licence=said("licence"), kind=together("kind"), targets=targets, sources=tuple(names),
        stride_s=strides.pop() if len(strides) == 1 else None,
    )  # fmt: skip

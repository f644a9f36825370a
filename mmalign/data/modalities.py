"""Which modalities of a data set are kept, and by which names."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mmalign import options
from mmalign.data.dataset import Dataset


def kept(dataset: Dataset, modalities: Sequence[str]) -> Dataset:
    """The data set as if it had these modalities alone; windows that have none of them are gone.

    Raises: ValueError for a name that it does not have, or has been given twice.
    """
    if isinstance(modalities, str):
        raise ValueError(f"config.data.modalities must be a tuple of names, got {modalities!r}")
    for m in modalities:
        options.known("modality of config.data.modalities", m, dataset.modalities)
    if len({*modalities}) < len(modalities):
        raise ValueError(f"config.data.modalities names one twice: {', '.join(modalities)}")
    dataset = renamed(dataset, {m: m for m in dataset.modalities if m in modalities})
    some = np.any(list(dataset.present.values()), axis=0)
    return dataset if some.all() else dataset.select(some)


def renamed(dataset: Dataset, names: Mapping[str, str]) -> Dataset:
    """{its name for one: the new name}, of those that are kept."""

    def of(column):
        return {new: column[old] for old, new in names.items() if old in column}

    d = dataset.description
    about = dataclasses.replace(
        d, rate_hz=of(d.rate_hz), unit=of(d.unit), channels=of(d.channels), kind=of(d.kind)
    )
    return dataclasses.replace(
        dataset, inputs=of(dataset.inputs), present=of(dataset.present), valid=of(dataset.valid),
        description=about,
    )  # fmt: skip

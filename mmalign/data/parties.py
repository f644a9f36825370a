"""Who has what: training windows dealt out to parties that each lack sensors, or labels."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign import options
from mmalign.data.dataset import COMPLETE, TRAIN, UNKNOWN, Dataset, concatenated

KEYS = ("modalities", "people", "sources", "labels")


def dealt(
    dataset: Dataset, parties: Mapping[str, Mapping], *, test: Sequence[str] | None = None,
    seed: int = 0,
) -> Dataset:  # fmt: skip
    """The data set as parties would have it that never met.

    Every training window goes to one of them at most, by whose it is; what goes to nobody, and
    modalities that nobody has, are left out. `source` becomes the number of the party, UNKNOWN of
    windows that are not trained on. What a party lacks is nowhere in its windows: inputs are zeros,
    targets unknown. Behind all others stands a copy of its windows with all sensors, of the split
    COMPLETE, which a training sees only by asking for it: for upper bounds.

    Args:
      dataset: whose windows.
      parties: {name: {"modalities": of its windows; "people": share of the training people, drawn
        by the seed and disjoint; "sources": names or numbers of the data's own sources that its
        windows are of, of a share of their people alone where both are said; "labels": whether its
        targets are known, True if left out}}.
      test: modalities of the windows that are not trained on; None: all that a party has.
      seed: of the draw of people.
    Raises: ValueError naming the party for what does not fit, and where it gets no window.
    """
    _check_named(parties, test, dataset)
    for name, party in parties.items():
        _check(name, party, dataset)
    for m in test or ():
        options.known("modality of config.data.test_modalities", m, dataset.modalities)
    named = {m for party in parties.values() for m in party["modalities"]} | {*(test or ())}
    dataset = _of_modalities(dataset, [m for m in dataset.modalities if m in named])
    owner = _owner(dataset, parties, seed)
    for i, name in enumerate(parties):
        if not (owner == i).any():
            nobody = (dataset.group[dataset.split == TRAIN] == UNKNOWN).all()
            why = ": nobody is known of these, so that shares of people are of none" * bool(nobody)
            people = len(np.unique(dataset.group[(dataset.split == TRAIN)
                                                 & (dataset.group != UNKNOWN)]))  # fmt: skip
            why = why or (
                f": shares of people are rounded, and there are {people} to train on; "
                "give other shares by config.data.parties.NAME.people, or more people"
            )
            raise ValueError(f"config.data.parties.{name} gets no window to train on{why}")
    kept = (dataset.split != TRAIN) | (owner != UNKNOWN)
    dataset, owner = dataset.select(kept), owner[kept]
    has = {m: np.ones(len(owner), bool) for m in dataset.modalities}
    for i, party in enumerate(parties.values()):
        for m in has:
            has[m] &= (owner != i) | (m in party["modalities"])
    for m in has:
        has[m] &= (owner != UNKNOWN) | (test is None) | (m in (test or ()))
    secret = np.isin(
        owner, [i for i, p in enumerate(parties.values()) if not p.get("labels", True)]
    )
    untold = np.where(secret, dataset.label, UNKNOWN).astype(np.int32)
    description = dataclasses.replace(dataset.description, sources=tuple(parties))
    dataset = dataclasses.replace(
        dataset, source=owner.astype(np.int32), untold=untold, description=description,
        targets={task: _hidden(x, secret) for task, x in dataset.targets.items()},
    )  # fmt: skip
    whole = dataset.select(owner != UNKNOWN)
    whole = dataclasses.replace(whole, split=np.full(len(whole), COMPLETE, np.int8))
    return concatenated([_without(dataset, has), whole])


def _check_named(parties, test, dataset):
    """Raises one ValueError for all that have no modalities said."""
    empty = [f"config.data.parties.{name}.modalities" for name, party in parties.items()
             if "modalities" in party and not party["modalities"]]  # fmt: skip
    if test is not None and not test:
        empty.append("config.data.test_modalities")
    if empty:
        which = "it has" if len(empty) == 1 else "each has"
        raise ValueError(
            f"{', '.join(empty)} names none: say which {which}, of "
            f"{options.listed(dataset.modalities)}; of a method with an `anchor`, that is what "
            "parties without labels have in common"
        )


def _check(name, party, dataset):
    what = f"config.data.parties.{name}"
    options.check(what, party, KEYS, ("modalities",))
    for m in party["modalities"]:
        options.known(f"modality of {what}", m, dataset.modalities)
    if party.get("people") is None and party.get("sources") is None:
        raise ValueError(f"{what} needs a share of people, or the names of sources, or both")


def _of_modalities(dataset, names):
    kept = lambda column: {m: column[m] for m in names if m in column}
    return dataclasses.replace(
        dataset, inputs=kept(dataset.inputs), present=kept(dataset.present),
        valid=kept(dataset.valid),
    )  # fmt: skip


def _owner(dataset, parties, seed):
    """Int [n]: the party that has a training window, UNKNOWN where none has."""
    owner, train = np.full(len(dataset), UNKNOWN), dataset.split == TRAIN
    people = np.unique(dataset.group[train & (dataset.group != UNKNOWN)])
    order = np.random.default_rng(seed).permutation(people)
    dealt_out: dict = {}  # share of the people of the same sources that is somebody's already
    for i, (name, party) in enumerate(parties.items()):
        what, sources = f"config.data.parties.{name}", party.get("sources")
        mine = train.copy()
        if sources is not None:
            numbers = dataset.sources(sources, f"{what}.sources")
            mine &= np.isin(dataset.source_numbers(), numbers)
        if party.get("people") is not None:
            start = dealt_out.get(str(sources), 0.0)
            end = dealt_out[str(sources)] = start + party["people"]
            if party["people"] < 0 or end > 1 + 1e-9:
                raise ValueError(f"{what}.people={party['people']:g}: shares of people must be 0 "
                                 "or more and add up to 1 at most")  # fmt: skip
            pool = order[np.isin(order, dataset.group[mine])]
            bounds = np.round(np.array([start, end]) * len(pool)).astype(int)
            mine &= np.isin(dataset.group, pool[slice(*bounds)])
        owner[mine & (owner == UNKNOWN)] = i
    return owner


def _hidden(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A target, unknown at some rows."""
    unknown: Any = np.nan if column.dtype.kind == "f" else UNKNOWN
    return np.where(rows.reshape(-1, *[1] * (column.ndim - 1)), unknown, column).astype(
        column.dtype
    )


def _without(dataset, has):
    """The data set with {modality: bool [n]} of the inputs left, zeros elsewhere."""
    wide = lambda p, x: p.reshape(-1, *[1] * (x.ndim - 1))
    return dataclasses.replace(
        dataset,
        inputs={m: np.where(wide(has[m], x), x, 0).astype(x.dtype)
                for m, x in dataset.inputs.items()},
        present={m: p & has[m] for m, p in dataset.present.items()},
        valid={m: v & has[m][:, None] for m, v in dataset.valid.items()},
    )  # fmt: skip

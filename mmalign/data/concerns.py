"""What of a data set makes its numbers mean less than they seem to, in sentences."""

from collections.abc import Iterator

import numpy as np

from mmalign.data.dataset import TEST, TRAIN, UNKNOWN, Dataset

_FAR = 1000.0  # distance of a channel's extremes from its median, in the spread of its middle half
_VALUES = 20_000_000  # of a modality that are looked at, in windows spread over the data set


def concerns(dataset: Dataset) -> list[str]:
    """Sentences, none where nothing is wrong."""
    return [*_of_classes(dataset), *_of_people(dataset), *_of_windows(dataset),
            *_of_channels(dataset)]  # fmt: skip


def _of_classes(dataset) -> Iterator[str]:
    label, split = np.asarray(dataset.label), np.asarray(dataset.split)
    found = {part: set(np.unique(label[(split == part) & (label >= 0)])) for part in (TRAIN, TEST)}
    names = dataset.description.class_names
    name = lambda c: names[c] if len(names) else str(c)
    if len(found[TEST]) == 1:
        yield f"all labelled test windows are of class {name(min(found[TEST]))}"
    if unseen := sorted(found[TEST] - found[TRAIN]):
        yield f"{_some([name(c) for c in unseen])}: in the test and not in the training windows"


def _of_people(dataset) -> Iterator[str]:
    group, label, split = (np.asarray(getattr(dataset, x)) for x in ("group", "label", "split"))
    if (group == UNKNOWN).all():
        beside = _beside_training(dataset)
        yield (
            "no person is known: neighbouring windows of one may be on both sides of the split"
            + (f", as {beside} are" if beside else "")
        )
        return
    known = np.unique(group[group != UNKNOWN])
    inside = [np.isin(known, group[split == part]) for part in (TRAIN, TEST)]
    if cut := int(np.sum(inside[0] & inside[1])):
        beside = _beside_training(dataset)
        yield (
            f"{cut} of {len(known)} people are on both sides of the split: their test windows say "
            "nothing of new people" + (f"; {beside} are next to a training window" * bool(beside))
        )
    people = np.unique(group[(group != UNKNOWN) & (label >= 0)])
    single = [p for p in people if len(np.unique(label[(group == p) & (label >= 0)])) == 1]
    if single and len(people) > 1 and dataset.num_classes > 1:
        yield (
            f"{len(single)} of {len(people)} people have windows of a single class: what tells "
            "people apart may pass for what tells classes apart"
        )


def _beside_training(dataset):
    """How many test windows are next to a training window in their recording; "" where none is."""
    places = lambda rows, step: set(zip(dataset.recording[rows].tolist(),
                                        (dataset.position[rows] + step).tolist()))  # fmt: skip
    train, test = dataset.split == TRAIN, dataset.split == TEST
    near = places(train, 1) | places(train, -1)
    at = zip(dataset.recording[test].tolist(), dataset.position[test].tolist())
    count = sum(place in near for place in at)
    return f"{count:,} of {test.sum():,} test windows" if count else ""


def _of_windows(dataset) -> Iterator[str]:
    for m, kind in dataset.kinds.items():
        if kind == "series" and dataset.inputs[m].shape[1] == 1:
            yield f"{m}: a window is a single sample, which augmentations of time leave as it is"


def _of_channels(dataset) -> Iterator[str]:
    for m, windows in dataset.inputs.items():
        rows = np.flatnonzero(dataset.present[m] & (dataset.split == TRAIN))
        most = max(1, _VALUES // windows[0].size)
        rows = rows[:: -(-len(rows) // most) or 1]
        flat = windows[rows].reshape(-1, windows.shape[-1])
        if m in dataset.valid:
            flat = flat[np.asarray(dataset.valid[m])[rows].reshape(-1)]
        if not len(flat):
            continue
        names = dataset.description.channels.get(m) or [str(c) for c in range(flat.shape[1])]
        low, quarter, middle, most, high = np.quantile(flat, [0, 0.25, 0.5, 0.75, 1], axis=0)
        constant = [names[c] for c in np.flatnonzero(low == high)]
        reach = np.maximum(high - middle, middle - low)
        spread = np.where(most > quarter, most - quarter, np.inf)  # mostly still is no extreme
        extreme = [names[c] for c in np.flatnonzero((reach > _FAR * spread) & (low < high))]
        if constant:
            yield f"{m}: channel {_some(constant)} is constant"
        if extreme:
            yield f"{m}: channel {_some(extreme)} holds extreme values, units or a broken sample?"


def _some(names, most=5):
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

"""What a run would make of a user's windows: python -m mmalign.data.npz FILE_OR_FOLDER."""

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from mmalign.data import npz
from mmalign.data.dataset import LABEL, TEST, UNKNOWN, Dataset
from mmalign.data.recordings.__main__ import told_of_windows


def main(args: Sequence[str] | None = None) -> None:
    """Prints modalities, targets, people and windows, or what is wrong in one line."""
    parser = argparse.ArgumentParser(prog="python -m mmalign.data.npz", description=__doc__)
    parser.add_argument("path", metavar="FILE_OR_FOLDER")
    parser.add_argument("--test_fraction", type=float, default=0.25, help="as of a run")
    parser.add_argument("--split_seed", type=int, default=0, help="as of a run")
    given = parser.parse_args(args)
    try:
        found = npz.load(given.path, test_fraction=given.test_fraction, split_seed=given.split_seed)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    for line in told(found):
        print(line)


def told(dataset: Dataset) -> Iterator[str]:
    """What is there, what is to be told of it, and of whom, in lines."""
    recordings = len(np.unique(dataset.recording))
    people = np.unique(dataset.group[dataset.group != UNKNOWN])
    whose = f"of {len(people)} people" if len(people) else "of people who are not known"
    yield f"{len(dataset):,} windows {whose}, in {recordings} recordings"
    for m, x in dataset.inputs.items():
        yield f"  {m}: {', '.join(_of_modality(dataset, m, x))}"
    for name, task in dataset.tasks.items():
        known = _known(task.kind, dataset.targets[name])
        what = {"classes": f"{task.size} classes", "real": f"real numbers [{task.size}]",
                "multi_hot": f"labels at once [{task.size}]"}[task.kind]  # fmt: skip
        names = f" ({', '.join(task.names)})" if task.names else ""
        yield f"  {name}: {what}{names}, known of {known:,} windows"
    if LABEL not in dataset.targets:
        yield "  label: none, so nothing is probed but other targets"
    if len(people):
        test = np.unique(dataset.group[(dataset.split == TEST) & (dataset.group != UNKNOWN)])
        yield f"Test: {len(test)} of {len(people)} people"
    yield from told_of_windows(dataset)


def _of_modality(dataset, name, x):
    yield f"{dataset.kinds[name]} {list(x.shape[1:])}"
    if name in dataset.description.rate_hz:
        rate = dataset.description.rate_hz[name]
        yield f"{rate:g} Hz, {x.shape[1] / rate:.4g} s a window"
    if name in dataset.valid:
        valid = dataset.valid[name][dataset.present[name]]
        yield f"{100 * (1 - valid.mean()):.2g} % of the samples lost where it is present"


def _known(kind, target):
    """How many windows a target is known of."""
    known = ~np.isnan(target) if kind == "real" else target != UNKNOWN
    return int(known.reshape(len(known), -1).any(axis=1).sum())

"""Embeddings of all windows in, a list of scored records out; the same rows for every contender.

A record is one number with its protocol:

    row          the contender, as the table names it
    part         a modality, or "joint"
    protocol     "linear", "knn", "forest", "majority" (chance) or "network" (its own answer)
    fraction     share of the labelled training windows
    accuracy, macro_f1, confusion        on the labelled test windows; confusion[true][predicted]
    intervals                            of both, 95 % over test people who are known
    people, taken                        how each was taken, see `people.by_person`
    train_windows, test_windows, seed    what was used
    strength, curve, chosen_by, at_edge, converged    linear, see `penalty.Choice`
    neighbours                           knn
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmalign.data.dataset import TEST, TRAIN, Dataset
from mmalign.data.subsets import labelled_subset
from mmalign.defaults import FRACTIONS
from mmalign.evaluation import people, probe, reference
from mmalign.evaluation.intervals import intervals
from mmalign.evaluation.linear import LinearProbe, fit_linear
from mmalign.evaluation.scoring import scores
from mmalign.evaluation.threads import side_by_side

FORMS = ("latents", "global")  # of a joint embedding, where a method has two: see CroSSL


class Cell(NamedTuple):
    """One number to compute for a row of the table."""

    part: str
    protocol: str
    fraction: float


def default_cells(modalities: Iterable[str], fractions: Sequence[float] = FRACTIONS) -> list[Cell]:
    """Joint linear probes at every fraction; kNN and other parts' probes at the largest alone."""
    most = max(fractions)
    cells = [Cell("joint", "linear", f) for f in sorted(fractions)] + [Cell("joint", "knn", most)]
    return cells + [Cell(part, "linear", most) for part in (*modalities, *FORMS)]


def evaluate(
    rows: Mapping[str, Mapping[str, np.ndarray]], dataset: Dataset, *,
    cells: Iterable[Cell] | None = None, fractions: Sequence[float] = FRACTIONS, seed: int = 0,
    progress: Callable[[dict[str, Any]], object] | None = None,
    keep: Callable[[str, "Cell", LinearProbe], object] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Probes every contender on the same labelled subsets and the same test windows.

    Args:
      rows: {row name: {part: [n, d]}}, row i of an array embeds window i of the data set.
      dataset: Dataset; its `label`, `group` and `split` are read, its inputs are not.
      cells: which Cells to compute; those whose part a row lacks are skipped. None: default_cells
        of the modalities that some test window has.
      fractions: of the labels, for the default cells.
      seed: of the labelled subsets and of the folds.
      progress: called with each record as it is ready, or None.
      keep: called with each linear probe that was fitted, its row and its cell, or None.
    Returns: list of records; `chance` has those of a guess.
    Raises: ValueError when the training or the test windows hold no label, or sizes differ.
    """
    rows = {row: dict(parts) for row, parts in rows.items()}
    for row, (part, z) in ((r, item) for r, parts in rows.items() for item in parts.items()):
        if len(z) != len(dataset):
            raise ValueError(
                f"row {row!r}, part {part!r}: {len(z)} embeddings for {len(dataset)} windows"
            )
    if cells is None:
        cells = default_cells(tested_modalities(dataset), fractions)
    cells = [Cell._make(cell) for cell in cells]
    test = test_rows(dataset)
    subsets = {
        fraction: labelled_rows(dataset, fraction, seed)
        for fraction in sorted({cell.fraction for cell in cells})
    }
    asked = [(row, cell) for row, parts in rows.items() for cell in cells if cell.part in parts]

    def run(of):
        row, cell = of
        return _run(cell, rows[row][cell.part], dataset, subsets[cell.fraction], test, seed)

    records = []
    for (row, cell), outcome in zip(asked, side_by_side(run, asked)):
        probe = outcome.pop("probe", None)
        if keep is not None and probe is not None:
            keep(row, cell, probe)
        records.append(record(row, cell, dataset, outcome, len(subsets[cell.fraction]), seed))
        if progress:
            progress(records[-1])
    return records


def chance(
    row: str, dataset: Dataset, fractions: Sequence[float] = FRACTIONS, seed: int = 0
) -> list[dict[str, Any]]:
    """Records of always guessing the most frequent class, one for each fraction of the labels."""
    label, test = np.asarray(dataset.label), test_rows(dataset)
    records = []
    for fraction in sorted(fractions):
        train = labelled_rows(dataset, fraction, seed)
        guess = {"predictions": reference.majority(label[train], len(test))}
        cell = Cell("joint", "majority", fraction)
        records.append(record(row, cell, dataset, guess, len(train), seed))
    return records


def test_rows(dataset: Dataset) -> np.ndarray:
    """Row numbers of the labelled test windows."""
    rows = np.flatnonzero((np.asarray(dataset.split) == TEST) & (np.asarray(dataset.label) >= 0))
    if not len(rows):
        raise ValueError(f"data set {dataset.description.name!r} has no labelled test window")
    return rows


def unprobed(dataset: Dataset) -> str | None:
    """Why nothing can be probed, in words; None where training and test windows have labels."""
    known, split = np.asarray(dataset.label) >= 0, np.asarray(dataset.split)
    if not known.any():
        return "no window has a label"
    for name, role in (("training", TRAIN), ("test", TEST)):
        if not known[split == role].any():
            return f"no {name} window has a label"
    return None


def tested_modalities(dataset: Dataset) -> list[str]:
    """Modalities that some test window has, a labelled one where any is labelled."""
    test = shown_rows(dataset)
    return [m for m in dataset.modalities if dataset.present[m][test].any()]


def shown_rows(dataset: Dataset) -> np.ndarray:
    """Row numbers of the labelled test windows; of all of the test where none is labelled."""
    test = np.flatnonzero(np.asarray(dataset.split) == TEST)
    labelled = test[np.asarray(dataset.label)[test] >= 0]
    return labelled if len(labelled) else test


test_rows.__test__ = False  # a function of this package, not a test to collect


def labelled_rows(dataset: Dataset, fraction: float, seed: int) -> np.ndarray:
    """Row numbers of the labelled training windows at this fraction, as `evaluate` draws them."""
    candidates = np.flatnonzero(np.asarray(dataset.split) == TRAIN)
    return labelled_subset(dataset.label, candidates, fraction, seed)


def record(
    row: str, cell: Cell, dataset: Dataset, outcome: Mapping[str, Any], train_windows: int,
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    """One record. `outcome` holds `predictions` of the test windows and fields to keep.

    Use it for a network's own answers: `record("Supervised", Cell("joint", "network", 1.0), ...)`.
    """
    test, classes = test_rows(dataset), dataset.num_classes
    label, predictions = np.asarray(dataset.label)[test], np.asarray(outcome["predictions"])
    taken = people.by_person(label, predictions, np.asarray(dataset.group)[test], classes)
    counts = people.confusions(taken, classes)
    return {
        "row": row,
        **cell._asdict(),
        **scores(label, predictions),
        "intervals": intervals(people.known(taken, classes)),
        **{k: v for k, v in outcome.items() if k != "predictions"},
        "train_windows": int(train_windows),
        "test_windows": len(label),
        "seed": int(seed),
        "confusion": counts.sum(axis=0).tolist(),
        **taken,
    }


def _run(cell, z, dataset, train, test, seed):
    label, group = np.asarray(dataset.label), np.asarray(dataset.group)
    z = np.asarray(z)
    if cell.protocol == "linear":
        fitted = fit_linear(z[train], label[train], group[train], seed=seed)
        return probe.linear_outcome(fitted, z[test], label[test]) | {"probe": fitted}
    if cell.protocol == "knn":
        return probe.knn_probe(z[train], label[train], z[test], label[test])
    if cell.protocol == "forest":
        return probe.forest(z[train], label[train], z[test], label[test], seed=seed)
    raise ValueError(f'protocol must be "linear", "knn" or "forest", got {cell.protocol!r}')

"""What is left of an embedding when sensors are missing: by set of sensors, by pattern, at worst.

A record is one number with its protocol:

    row            the contender, as the table names it
    head           who answers: HEADS, or "network" for a network's own answers
    present        a set: the modalities that are there, in every window that has them
    pattern        or a pattern: the options of `data.missingness.simulate`
    absent         share of the test windows' sensors that are absent
    empty_windows  test windows without any sensor
    accuracy, macro_f1                       on the labelled test windows
    train_windows, test_windows, seed        what was used
    strength, converged                      of the linear probe
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmalign.data.dataset import Dataset
from mmalign.data.missingness import simulate
from mmalign.data.movement import levels
from mmalign.defaults import HEADS
from mmalign.evaluation.linear import fit_linear
from mmalign.evaluation.protocols import labelled_rows, test_rows
from mmalign.evaluation.scoring import scores
from mmalign.evaluation.threads import side_by_side

(COMPLETE, MISSING), NETWORK = HEADS, "network"
# Strengths tried first for what is trained on missing sensors, in units of the one that was chosen
# with all of them: there may be 64 sets.
_AROUND = (0.01, 0.1, 1.0, 10.0, 100.0)


class Contender(NamedTuple):
    """One row of the table.

    complete: [n, d], the joint embedding of all that the data set has, or the logits.
    embed: {modality: bool [n]} -> the same of these windows and modalities alone.
    network: whether they are logits, a network's own answers, of the test windows alone
      (`test_rows`); then no probe is fitted.
    """

    complete: np.ndarray
    embed: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    network: bool = False


def missing_sensors(
    contenders: Mapping[str, Contender], dataset: Dataset, sets: Sequence[Sequence[str]],
    tried: Sequence[Mapping[str, Any]] = (), *, heads: Sequence[str] = HEADS, seed: int = 0,
) -> dict[str, list[dict[str, Any]]]:  # fmt: skip
    """Scores of every contender when sensors are missing in the test, or in training as well.

    What the data set itself lacks is missing everywhere, in the full set, too.

    Args:
      contenders: {row name: Contender}. Each embeds once for a set or pattern.
      dataset: Dataset; its inputs are read for patterns by "value" alone.
      sets: tuples of modalities, see `sensor_sets`; the first one is the full set.
      tried: patterns, options of `data.missingness.simulate`.
      heads: of HEADS.
      seed: of the patterns and of the folds.
    Returns: {"sets": records, "patterns": records, "summary": as `summarise` returns}.
    """
    window = {key: getattr(dataset, key) for key in ("group", "recording", "position")}
    if any(pattern["kind"] == "value" for pattern in tried):
        window["level"] = levels(dataset)
    present = {m: np.asarray(rows) for m, rows in dataset.present.items()}
    shown = [
        ({"present": list(kept)}, {m: x & (m in kept) for m, x in present.items()}) for kept in sets
    ] + [({"pattern": p}, simulate(p, present, **window, seed=seed)) for p in tried]
    records = [
        record
        for row, contender in contenders.items()
        for record in _answers(row, contender, dataset, shown, heads, seed)
    ]
    by_set = [r for r in records if "present" in r]
    return {
        "sets": by_set,
        "patterns": [r for r in records if "pattern" in r],
        "summary": summarise(by_set),
    }


def summarise(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each row and head over its sets of sensors.

    Returns: list of dict(row, head, complete, worst, worst_present, by_count), numbers are
      macro-F1: with all sensors, at the worst set and which that is, and the mean over the sets of
      each number of sensors that was tried, {number: mean}.
    """
    out = []
    for row, head in dict.fromkeys((r["row"], r["head"]) for r in records):
        of_head = [r for r in records if (r["row"], r["head"]) == (row, head)]
        worst = min(of_head, key=lambda r: r["macro_f1"])
        most = max(of_head, key=lambda r: len(r["present"]))
        by_count = {}
        for r in sorted(of_head, key=lambda r: -len(r["present"])):
            by_count.setdefault(str(len(r["present"])), []).append(r["macro_f1"])
        out.append({
            "row": row, "head": head, "complete": most["macro_f1"],
            "worst": worst["macro_f1"], "worst_present": worst["present"],
            "by_count": {size: float(np.mean(f1)) for size, f1 in by_count.items()},
        })  # fmt: skip
    return out


def _answers(row, contender, dataset, shown, heads, seed):
    """Yields the records of a contender; the first of `shown` is the full set."""
    label, group = np.asarray(dataset.label), np.asarray(dataset.group)
    train, test = labelled_rows(dataset, 1.0, seed), test_rows(dataset)
    fit = lambda z, **options: fit_linear(
        z[train], label[train], group[train], seed=seed, **options
    )
    complete = None if contender.network else fit(contender.complete)

    def answers(i):
        what, present = shown[i]
        z = np.asarray(contender.embed(present) if i else contender.complete)
        sensors = np.stack([x[test] for x in present.values()])
        protocol = what | {
            "absent": float(1 - sensors.mean()),
            "empty_windows": int((~sensors.any(axis=0)).sum()),
            "train_windows": len(train),
            "test_windows": len(test),
            "seed": int(seed),
        }
        if complete is None:
            found = scores(label[test], z.argmax(axis=-1))
            return [{"row": row, "head": NETWORK, **found, **protocol}]
        records = []
        for head in heads:
            linear = complete
            if head == MISSING and i:
                strengths = [complete.strength * factor for factor in _AROUND]
                linear = fit(z, strengths=strengths, draws=1)
            found = scores(label[test], linear.predict(z[test]))
            chosen = {"strength": linear.strength, "converged": linear.converged}
            records.append({"row": row, "head": head, **found, **protocol, **chosen})
        return records

    for records in side_by_side(answers, range(len(shown))):
        yield from records

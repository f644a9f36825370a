"""What a comparison found: records of all cells, rows ranked in every setting, what each costs."""

import importlib.metadata
import json
import sys

from mmalign import report
from mmalign.data.dataset import TEST, UNKNOWN
from mmalign.described import describe
from mmalign.evaluation.ranking import standings


def gather(config, found, plans, store, dropped) -> dict:
    """The results of a comparison.

    found: {cell: [(row, what, records)]}. plans: {cell: Plan}. dropped: sentences on what was left
      out.
    """
    first = next(iter(plans.values()))
    records = [
        r | {"row": row.label, "pairs": cell.pairs, "fold": cell.fold}
        for cell, evaluations in found.items()
        for row, what, of in evaluations if what == "probe" for r in of
    ]  # fmt: skip
    results = {
        "method": "compare",
        "data": describe(first.dataset),
        "command": " ".join(sys.argv),
        "version": importlib.metadata.version("mmalign"),
        "people": _people(plans),
        "seeds": sorted({cell.seed for cell in plans}),
        "dropped": dropped,
        "records": records,
        "rankings": _rankings(records),
        "cost": _costs(plans, store),
        "missing": _missing(found),
        **{what: _of_first(found, what) for what in ("targets", "label_free", "across")},
        "config": json.loads(config.to_json()),
    }
    return results | {"advice": report.advice(results)}


def _people(plans):
    """How many are tested, of all folds together; 0 where nobody is known."""
    tested = set()
    for planned in plans.values():
        group, split = planned.dataset.group, planned.dataset.split
        tested |= set(group[split == TEST].tolist())
    return len(tested - {UNKNOWN})


def _rankings(records):
    """[{"pairs", "fraction", "rows": [a Standing, the best first]}], the most data first."""
    out = []
    for pairs in dict.fromkeys(r["pairs"] for r in records):
        for fraction in sorted({r["fraction"] for r in records}, reverse=True):
            of = [r for r in records if (r["pairs"], r["fraction"]) == (pairs, fraction)]
            rows = [standing._asdict() for standing in standings(of)]
            out.append({"pairs": pairs, "fraction": fraction, "rows": rows})
    return out


def _costs(plans, store):
    """{row: what its trainings took at most pairs, those that it starts from included}.

    "seconds", "steps", "parameters" and "memory" in bytes, None where that is not known; means over
    seeds and folds.
    """
    most = next(iter(plans)).pairs
    found = {}
    for cell, planned in plans.items():
        if cell.pairs != most:
            continue
        for row in planned.rows:
            if row.stage is not None:
                chain = [store.facts(stage.node) for stage in _chain(row.stage, planned.stages)]
                found.setdefault(row.label, []).append({
                    "seconds": sum(facts["seconds"] for facts in chain),
                    "steps": sum(facts["steps"] for facts in chain),
                    "parameters": chain[0]["parameters"],
                    "memory": max(facts["memory"] or 0 for facts in chain) or None,
                })  # fmt: skip
    mean = lambda values: None if None in values else sum(values) / len(values)
    return {row: {key: mean([of[key] for of in costs]) for key in costs[0]}
            for row, costs in found.items()}  # fmt: skip


def _chain(stage, stages):
    """A stage and those that it starts from."""
    yield stage
    if stage.source is not None:
        yield from _chain(stages[stage.source], stages)


def _of_first(found, what):
    """{row: what that evaluation says of it} in the first cell, of most pairs."""
    return {row.label: of for row, kind, of in next(iter(found.values())) if kind == what}


def _missing(found):
    """What rows still know without sensors, of the cell where that was tried: the first one."""
    out = {"sets": [], "patterns": [], "summary": []}
    for row, what, of in next(iter(found.values())):
        if what == "missing":
            for part, lines in of.items():
                out[part] += [line | {"row": row.label} for line in lines]
    return out

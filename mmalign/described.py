"""What a workdir says of its run, for programs: which data, and where the artifacts are."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from mmalign.data.dataset import COMPLETE, UNKNOWN, Dataset
from mmalign.files import write_text
from mmalign.graph import Store
from mmalign.plan import Plan

DATA, RUN = "data.json", "run.json"


def describe_run(folder: pathlib.Path, planned: Plan, store: Store) -> None:
    """Writes data.json and run.json: what `mmalign.load` needs beside the artifacts."""
    described = describe(planned.dataset, planned.statistics)
    write_text(folder / DATA, json.dumps(described, indent=2) + "\n")
    shown = {
        "artifacts": os.path.relpath(store.folder.expanduser().absolute(), folder),
        "trainings": {name: stage.node.folder for name, stage in planned.stages.items()},
        "probes": {row.name: row.evaluations["probe"].folder for row in planned.rows
                   if row.stage is not None and "probe" in row.evaluations},
        "report": planned.report.folder,
    }  # fmt: skip
    write_text(folder / RUN, json.dumps(shown, indent=2) + "\n")


def describe(dataset: Dataset, statistics: Mapping | None = None) -> dict[str, Any]:
    """What results.json says of the data; with statistics, what data.json says."""
    d, own = dataset.description, dataset.split != COMPLETE  # those are copies of others
    unknown = int((dataset.group[own] == UNKNOWN).sum())
    out = {
        "name": d.name,
        "windows": int(own.sum()),
        "subjects": len(set(dataset.group.tolist()) - {UNKNOWN}),
        **({"windows of unknown people": unknown} if unknown else {}),
        "classes": [*d.class_names] or [str(i) for i in range(dataset.num_classes)],
        "modalities": {
            m: {"kind": kind, "shape": list(dataset.inputs[m].shape[1:]),
                "rate_hz": d.rate_hz.get(m), "unit": d.unit.get(m, "")}
            for m, kind in dataset.kinds.items()
        },
        **({"sources": [*d.sources]} if d.sources else {}),
        "citation": d.citation,
        "licence": d.licence,
    }  # fmt: skip
    if statistics is not None:
        out["targets"] = {name: [task.kind, task.size] for name, task in dataset.tasks.items()}
        out["statistics"] = {
            m: {k: v.tolist() for k, v in s.items()} for m, s in statistics.items()
        }
    return out

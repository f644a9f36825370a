"""The folder of a run: what it is of, and where its artifacts are."""

import difflib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from mmalign.data.dataset import Dataset
from mmalign.files import part_of, write_text
from mmalign.graph import Store
from mmalign.plan import Plan

CONFIG, DATA, RUN = "config.json", "data.json", "run.json"


def claim(workdir: str | os.PathLike, config: ConfigDict) -> pathlib.Path:
    """Makes the folder, or goes on in it, and returns its path.

    `config.json` holds the resolved config of the latest run there. Where an earlier one had
    another, that is said: what it left as artifacts stays, its report among them.
    Raises: ValueError if the folder is of something else, or cannot be written.
    """
    folder = pathlib.Path(workdir).expanduser().absolute()
    text = json.dumps(json.loads(config.to_json()), indent=2, sort_keys=True) + "\n"
    path = folder / CONFIG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            unfinished = part_of(path)  # left by a start that was killed just here
            if stranger := next((x for x in folder.iterdir() if x != unfinished), None):
                raise ValueError(
                    f"workdir {folder} is not empty ({stranger.name} ...) and holds no run: name "
                    f"a new or empty folder with --workdir"
                )
            write_text(path, text)
    except OSError as error:
        raise ValueError(
            f"workdir {folder} cannot be written ({error.strerror}): name another with --workdir"
        ) from error
    if not os.access(folder, os.W_OK):
        raise ValueError(f"workdir {folder} cannot be written: name another with --workdir")
    before = path.read_text()
    if before != text:
        _say_what_changes(folder, before, text)
        write_text(path, text)
    return folder


def _say_what_changes(folder, before, text):
    changed = difflib.unified_diff(before.splitlines(), text.splitlines(), lineterm="", n=0)
    lines = [line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    shown = [*lines[:12], *(["..."] if len(lines) > 12 else [])]
    print(
        f"{folder} holds a run of another config; what both need is not computed again, and its "
        "report stays among the artifacts. The difference:\n" + "\n".join(shown)
    )


def describe_run(folder: pathlib.Path, planned: Plan, store: Store) -> None:
    """Writes data.json and run.json: what `mmalign.load` needs beside the artifacts."""
    described = describe(planned.dataset, planned.statistics)
    write_text(folder / DATA, json.dumps(described, indent=2) + "\n")
    shown = {
        "artifacts": os.path.relpath(store.folder.expanduser().absolute(), folder),
        "trainings": {name: stage.node.folder for name, stage in planned.stages.items()},
        "report": planned.report.folder,
    }
    write_text(folder / RUN, json.dumps(shown, indent=2) + "\n")


def describe(dataset: Dataset, statistics: Mapping | None = None) -> dict[str, Any]:
    """What results.json says of the data; with statistics, what data.json says."""
    d = dataset.description
    out = {
        "name": d.name,
        "windows": len(dataset),
        "subjects": len(set(dataset.group.tolist())),
        "classes": [*d.class_names] or [str(i) for i in range(dataset.num_classes)],
        "modalities": {
            m: {"kind": kind, "shape": list(dataset.inputs[m].shape[1:]),
                "rate_hz": d.rate_hz.get(m), "unit": d.unit.get(m, "")}
            for m, kind in dataset.kinds.items()
        },
        "citation": d.citation,
        "licence": d.licence,
    }  # fmt: skip
    if statistics is not None:
        out["targets"] = {name: [task.kind, task.size] for name, task in dataset.tasks.items()}
        out["statistics"] = {
            m: {k: v.tolist() for k, v in s.items()} for m, s in statistics.items()
        }
    return out

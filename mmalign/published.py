"""What a run leaves for people: results.json, report.html, metrics.jsonl, a printed table."""

import importlib.metadata
import json
import pathlib

import numpy as np

from mmalign import report
from mmalign.data.concerns import concerns
from mmalign.data.dataset import COMPLETE, SPLITS, UNKNOWN
from mmalign.described import describe
from mmalign.evaluation import shown_rows
from mmalign.files import write_text
from mmalign.methods import JOINT

OUTPUTS = ("results.json", "report.html", "metrics.jsonl")


def write_report(folder, planned, found, trainings, parts, evaluation_seconds) -> None:
    """The report of a plan whose nodes are all there.

    found: [(row, what, records of that evaluation)]. trainings: {stage: (folder, seconds)}.
    parts: embeddings by the headline. evaluation_seconds: of all evaluations, embeddings included.
    """
    dataset, config = planned.dataset, planned.report.spec["config"]
    of = lambda kind: [(row, records) for row, what, records in found if what == kind]
    missing = {"sets": [], "patterns": [], "summary": []}
    for row, records in of("missing"):
        for part, lines in records.items():
            missing[part] += [line | {"row": row.label} for line in lines]
    records = [r | {"row": row.label} for row, found_of in of("probe") for r in found_of]
    results = {
        "method": planned.headline.name,
        "data": describe(dataset),
        "headline": planned.headline.label,
        "summary": _summary(dataset, config, trainings),
        "records": records,
        "cautions": report.cautions(records) + report.better_without(missing["sets"]),
        "missing": missing,
        **{what: records for _, what, records in found if what == "information"},
        **{
            what: {row.label: records for row, records in of(what)}
            for what in ("targets", "label_free", "across", "recalled", "binding")
        },
        "unprobed": planned.unprobed and str(planned.unprobed),
        "concerns": concerns(dataset),
        "seconds": {name: seconds for name, (_, seconds) in trainings.items()},
        "evaluation_seconds": evaluation_seconds,
        "steps": {name: stage.block["steps"] for name, stage in planned.stages.items()},
        "config": config,
    }
    lines = [
        line for path, _ in trainings.values() if (path / "metrics.jsonl").exists()
        for line in (path / "metrics.jsonl").read_text().splitlines(keepends=True)
    ]  # fmt: skip
    test = shown_rows(dataset)
    report.write_results(folder / "results.json", results)
    write_text(folder / "metrics.jsonl", "".join(lines))
    report.write(
        folder, results, metrics=[json.loads(line) for line in lines],
        embedding=parts[JOINT][test], label=dataset.label[test], group=dataset.group[test],
    )  # fmt: skip


def _summary(dataset, config, trainings):
    """What the head of the page tells of the run."""
    people = lambda rows: len(set(dataset.group[rows].tolist()) - {UNKNOWN})
    split = {name: dataset.split == code for name, code in SPLITS.items()}
    said = [f"{name} {int(rows.sum()):,}" + (f" of {people(rows)} people" if people(rows) else "")
            for name, rows in split.items() if rows.any()]  # fmt: skip
    own = dataset.split != COMPLETE
    lost = {m: 1 - float(np.mean(there[own])) for m, there in dataset.present.items()}
    missing = ", ".join(f"{m} {100 * share:.1f} %" for m, share in lost.items() if share)
    return {
        "split": "; ".join(said),
        **({"missing": missing} if missing else {}),
        "seed": str(config["seed"]),
        "trainings": f"{sum(seconds for _, seconds in trainings.values()) / 60:.1f} min",
        "mmalign": importlib.metadata.version("mmalign"),
    }


def publish(made: pathlib.Path, folder: pathlib.Path) -> dict:
    """Copies the report into the workdir and prints the table."""
    for name in OUTPUTS:
        write_text(folder / name, (made / name).read_text(encoding="utf-8"))
    results = report.read_results(folder / "results.json")
    if results["unprobed"]:
        print(f"\n{report.label_free_table(results['label_free']).text()}\n")
        print(f"Note: {results['unprobed']}")
    else:
        print(f"\n{report.probe_table(results['records']).text()}\n")
    if results["targets"]:
        print(f"{report.targets_table(results['targets']).text()}\n")
    for said in results["cautions"]:
        print(f"Note: {said}")
    for part, r2 in results.get("information", {}).items():
        print(f"R^2 from {part}: " + ", ".join(f"{k} {v:.2f}" for k, v in r2.items()))
    trained, spent = sum(results["seconds"].values()), results["evaluation_seconds"]
    share = 100 * spent / max(trained + spent, 1e-9)
    print(f"Trainings took {trained:.0f} s, evaluation {spent:.0f} s ({share:.0f} %)")
    print(f"Report: {folder / 'report.html'}")
    return results

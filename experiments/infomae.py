"""InfoMAE beside its reference rows, several seeds.

    python -m experiments.infomae --data=synthetic
    python -m experiments.infomae --data=uci_har --dir=FOLDER
    python -m experiments.infomae --data=sp_sw_har --dir=FOLDER --seeds=0

Writes results/infomae-<data>.json, .md and .png beside this file. A seed draws the initial weights,
the pairs, the labels and the order of the batches. What is trained already is only evaluated again.
On the embedded data joint pretraining is there twice: for as many steps as the alignment, and for
as long as InfoMAE takes with its autoencoders. Of the autoencoders and the pairs there is, too, the
closed form, canonical correlation analysis.
"""

import argparse
import copy
import pathlib

import numpy as np

import mmalign
from experiments import canonical, protocol, selecting, tables
from mmalign.configs import common
from mmalign.configs.infomae import get_config
from mmalign.evaluation.ranking import gap

AS_LONG = 1050  # steps on the embedded data that take as long as 500 of autoencoders and 700


def settings(data):
    """The config of a run."""
    config = get_config(data)
    if data == "synthetic":
        config.joint_long = copy.deepcopy(config.joint_pretrain)
        config.joint_long.update(label="Joint pretraining, as long", steps=AS_LONG)
        config.rows = (*common.REFERENCES, "joint_pretrain", "joint_long", "pretrain", "align")
        config.evaluation.missing.references = False
    return config


def main():
    """Runs the seeds, then writes what they say together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("synthetic", "uci_har", "sp_sw_har"),
                        required=True)  # fmt: skip
    parser.add_argument("--dir", help="folder with the original zip; downloaded if not given")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--workdir", default="runs/experiments")
    args = parser.parse_args()
    runs = []
    for seed in map(int, args.seeds.split(",")):
        config = settings(args.data)
        config.seed, config.data.dir = seed, args.dir
        workdir = pathlib.Path(args.workdir, f"infomae-{args.data}-{seed}")
        runs.append(mmalign.run(config, workdir, artifacts=protocol.artifacts(args)))
        runs[-1]["records"] += canonical.records(config, protocol.artifacts(args))
    write(f"infomae-{args.data}", runs)


def write(name, runs, people="test subjects", method="InfoMAE", settings=()):
    """Mean and standard deviation over runs, as JSON, Markdown and a plot.

    people: who are tested, in words. method: the row whose differences from the others are told.
    settings: rows of one method, of which is told what would choose between them without labels.
    """
    cells = tables.summarise(runs)
    out = {
        "seeds": len(runs),
        "hardware": tables.hardware(),
        "training_seconds_per_seed": tables.seconds(runs),
        "cells": cells,
        "method": method,
        "differences": differences(runs, method),
        "missing": [run.get("missing") for run in runs],
        "information": [run["information"] for run in runs if "information" in run],
        "selecting": [selecting.rank_correlations(run, settings) for run in runs],
        "config": tables.without_folders(runs[0]["config"]),
    }
    page = markdown(name, out, people, selecting.markdown(runs, settings))
    tables.save(name, out, page, _plot(cells, people))


def differences(runs, method):
    """Of each share of the labels: a row less each other, paired by person and seed."""
    of = lambda config: {"seed": config["seed"], "fold": config["data"].get("fold")}
    records = [r | of(run["config"]) for run in runs for r in run["records"]]
    out = []
    for fraction in sorted({r["fraction"] for r in records}):
        found = [r for r in records if r["fraction"] == fraction and r["part"] == "joint"]
        for other in dict.fromkeys(r["row"] for r in found):
            if other not in (method, "Chance"):
                mean, interval = gap(found, method, other)
                out.append({"fraction": fraction, "other": other, "mean": mean,
                            "interval": interval})  # fmt: skip
    return out


def markdown(name, out, people, more=()):
    """The joint embedding by share of labels: accuracy / macro-F1 in %, mean +- std.

    more: lines below the tables.
    """
    cells = [c for c in out["cells"] if c["part"] == "joint" and c["protocol"] != "knn"]
    fractions = sorted({c["fraction"] for c in cells})
    seconds = out["training_seconds_per_seed"]
    rows = []
    for row in dict.fromkeys(c["row"] for c in cells):
        found = {c["fraction"]: c for c in cells if c["row"] == row}
        rows.append([row, *(tables.both(found.get(f)) for f in fractions)])
    lines = [
        f"# {name}: {out['seeds']} seed(s)",
        "",
        f"Accuracy / macro-F1 in % on {people}, mean ± standard deviation over seeds. Linear "
        "probe of the frozen joint embedding; the supervised rows are networks' own answers.",
        "",
        *tables.table(["", *(f"{100 * f:g} % labels" for f in fractions)], rows),
    ]
    lines += [
        "",
        f"{out['method']} less each other row, macro-F1 in points, paired by person and seed, 95 % "
        "intervals over people and seeds:",
        "",
        *_differences(out["differences"], fractions),
    ]
    alone = [c for c in out["cells"] if c["part"] != "joint"]
    sensors, rows = list(dict.fromkeys(c["part"] for c in alone)), []
    for row in dict.fromkeys(c["row"] for c in alone):
        found = {c["part"]: c for c in alone if c["row"] == row}
        rows.append([row, *(tables.percent(found[s]["accuracy"]) for s in sensors)])
    lines += ["", "Each sensor alone, all labels, accuracy in %:", ""]
    lines += tables.table(["", *sensors], rows)
    lines += [*_factors(out["information"]), *more]
    low, high = min(seconds) / 60, max(seconds) / 60
    lines += ["", f"Training: {low:.1f} to {high:.1f} minutes per seed, {out['hardware']}.", ""]
    return "\n".join(lines)


def _differences(found, fractions):
    cells = {(d["other"], d["fraction"]): d for d in found}
    text = lambda cell: tables.gap(cell["mean"], cell["interval"])
    others = dict.fromkeys(d["other"] for d in found)
    rows = [[other, *(text(cells[other, f]) for f in fractions)] for other in others]
    return tables.table(["", *(f"{100 * f:g} % labels" for f in fractions)], rows)


def _factors(runs):
    """What a linear readout finds of the factors that made the data in u, in v and in both."""
    if not runs:
        return []
    names = list(runs[0]["shared"])
    text = lambda part, name: "{:.2f} ± {:.2f}".format(
        *tables.spread([run[part][name] for run in runs])
    )
    rows = [[part, *(text(part, name) for name in names)] for part in runs[0]]
    head = "R² of a ridge readout of the factors from parts of InfoMAE's embedding, test people:"
    return ["", head, "", *tables.table(["", *names], rows)]


def _plot(cells, people):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    cells = [c for c in cells if c["part"] == "joint" and c["protocol"] != "knn"]
    for row in dict.fromkeys(c["row"] for c in cells):
        mine = sorted((c for c in cells if c["row"] == row), key=lambda c: c["fraction"])
        mean, std = np.transpose([c["accuracy"] for c in mine])
        axes.errorbar([100 * c["fraction"] for c in mine], 100 * mean, 100 * std, label=row,
                      marker="o", ms=4, capsize=3, lw=1.4)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("labels used, %")
    axes.set_ylabel(f"accuracy on {people}, %")
    axes.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main()

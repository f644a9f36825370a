"""InfoMAE beside its reference rows on a real data set, several seeds.

    python -m experiments.infomae --data=uci_har --dir=FOLDER
    python -m experiments.infomae --data=sp_sw_har --dir=FOLDER --seeds=0

Writes results/infomae-<data>.json, .md and .png beside this file. A seed draws the initial weights,
the pairs, the labels and the order of the batches. What is trained already is only evaluated again.
"""

import argparse
import json
import os
import pathlib
import platform

import jax
import numpy as np

import mmalign
from configs.infomae import get_config

HERE = pathlib.Path(__file__).parent
METRICS = ("accuracy", "macro_f1")


def main():
    """Runs the seeds, then writes what they say together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("uci_har", "sp_sw_har"), required=True)
    parser.add_argument("--dir", help="folder with the original zip; downloaded if not given")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--workdir", default="runs/experiments")
    args = parser.parse_args()
    runs = []
    for seed in map(int, args.seeds.split(",")):
        config = get_config(args.data)
        config.seed, config.data.dir = seed, args.dir
        runs.append(mmalign.run(config, pathlib.Path(args.workdir, f"infomae-{args.data}-{seed}")))
    write(f"infomae-{args.data}", runs)


def write(name, runs):
    """Mean and standard deviation over runs, as JSON, Markdown and a plot."""
    cells = summarise(runs)
    seconds = [sum(run["seconds"].values()) for run in runs]
    out = {
        "seeds": len(runs),
        "hardware": f"{jax.devices()[0].device_kind}, {os.cpu_count()} {platform.machine()} cores, "
        f"jax {jax.__version__}",
        "training_seconds_per_seed": [round(s, 1) for s in seconds],
        "cells": cells,
        "missing": [run.get("missing") for run in runs],
        "config": {**runs[0]["config"], "seed": None, "data": runs[0]["config"]["data"]["name"]},
    }
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(out, indent=1) + "\n")
    (folder / f"{name}.md").write_text(markdown(name, out))
    _plot(folder / f"{name}.png", cells)
    print(markdown(name, out))


def summarise(runs):
    """[{row, part, protocol, fraction, accuracy: [mean, std], macro_f1: [mean, std]}]."""
    values = {}
    for run in runs:
        for r in run["records"]:
            key = (r["row"], r["part"], r["protocol"], r["fraction"])
            values.setdefault(key, []).append([r[m] for m in METRICS])
    cells = []
    for key, scores in values.items():
        mean, std = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=min(1, len(scores) - 1))
        cell = dict(zip(("row", "part", "protocol", "fraction"), key))
        cells.append(cell | {m: [float(a), float(s)] for m, a, s in zip(METRICS, mean, std)})
    return cells


def markdown(name, out):
    """The joint embedding by share of labels: accuracy / macro-F1 in %, mean +- std."""
    cells = [c for c in out["cells"] if c["part"] == "joint" and c["protocol"] != "knn"]
    fractions = sorted({c["fraction"] for c in cells})
    seconds = out["training_seconds_per_seed"]
    lines = [
        f"# {name}: {out['seeds']} seed(s)",
        "",
        "Accuracy / macro-F1 in % on test subjects, mean ± standard deviation over seeds. Linear "
        "probe of the frozen joint embedding; the supervised rows are networks' own answers.",
        "",
        "| | " + " | ".join(f"{100 * f:g} % labels" for f in fractions) + " |",
        "| --- |" + " ---: |" * len(fractions),
    ]
    for row in dict.fromkeys(c["row"] for c in cells):
        found = {c["fraction"]: c for c in cells if c["row"] == row}
        lines.append(f"| {row} | " + " | ".join(_cell(found.get(f)) for f in fractions) + " |")
    alone = [c for c in out["cells"] if c["part"] != "joint"]
    sensors = list(dict.fromkeys(c["part"] for c in alone))
    lines += ["", "Each sensor alone, all labels, accuracy in %:", ""]
    lines += ["| | " + " | ".join(sensors) + " |", "| --- |" + " ---: |" * len(sensors)]
    for row in dict.fromkeys(c["row"] for c in alone):
        found = {c["part"]: c for c in alone if c["row"] == row}
        texts = [
            "{:.1f} ± {:.1f}".format(*(100 * x for x in found[s]["accuracy"])) for s in sensors
        ]
        lines.append(f"| {row} | " + " | ".join(texts) + " |")
    low, high = min(seconds) / 60, max(seconds) / 60
    lines += ["", f"Training: {low:.1f} to {high:.1f} minutes per seed, {out['hardware']}.", ""]
    return "\n".join(lines)


def _cell(cell):
    if cell is None:
        return "-"
    return " / ".join("{:.1f} ± {:.1f}".format(*(100 * x for x in cell[m])) for m in METRICS)


def _plot(path, cells):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
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
    axes.set_ylabel("accuracy on test subjects, %")
    axes.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure).print_png(path)


if __name__ == "__main__":
    main()

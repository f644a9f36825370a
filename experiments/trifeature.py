"""What methods keep of Trifeature: redundancy, uniqueness and synergy, several seeds.

    python -m experiments.trifeature
    python -m experiments.trifeature --methods=cross,comm --seeds=0
    python -m experiments.trifeature --methods=comm,comm_fused,comm_alone --name=ablation

Each method is trained twice, as published: on pairs of any pictures, from which the shape that both
have (redundancy) and the texture of each (uniqueness) are probed; and on pairs that match alone,
from which it is probed whether others do (synergy). The settings are those of configs/comm.py but
for what the flags say. A seed draws weights and batches; pictures and pairs are the same. Writes
results/trifeature[-<name>].json, .md and .png beside this file. What is trained already is not
trained again.
"""

import argparse
import pathlib

import numpy as np

import mmalign
from experiments import protocol, tables
from mmalign.configs import comm

ABLATIONS = {  # label, options of CoMM's method
    "comm_fused": ("CoMM, fused term alone", dict(weight=(0.0, 0.0, 1.0))),
    "comm_alone": ("CoMM, terms of each modality alone", dict(weight=(1.0, 1.0, 0.0))),
    "comm_linear": ("CoMM, linear fusion", dict(fusion="linear")),
    "comm_paper": ("CoMM, the paper's form", dict(form="paper")),
}
METHODS = (*comm.COMPARED, *ABLATIONS)
SHOWN = {
    "redundancy": ("shape",),
    "uniqueness": ("texture_1", "texture_2"),
    "synergy": ("match",),
}
CHANCE = {"redundancy": 0.1, "uniqueness": 0.1, "synergy": 0.5}
PUBLISHED = {  # at 224 pixels, 15,700 steps, five seeds: R, U, S in %
    "Cross": "100.0 / 11.6 / 50.0",
    "FactorCL": "99.8 / 62.5 / 46.5",
    "Cross and self": "99.7 / 86.9 / 50.0",
    "CoMM": "99.9 / 87.8 / 71.9",
    "InfMasking": "99.9 / 90.6 / 77.0",
}


def main():
    """Runs the seeds, then writes what they say together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", default=",".join(comm.COMPARED), help=", ".join(METHODS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--size", type=int, help="pixels of a picture each way")
    parser.add_argument("--pairs", type=int, help="of each kind to train on")
    parser.add_argument("--steps", type=int, help="of each training")
    parser.add_argument("--name", help="behind that of the files")
    parser.add_argument("--workdir", default="runs/experiments")
    args = parser.parse_args()
    runs = []
    for seed in map(int, args.seeds.split(",")):
        folder = pathlib.Path(args.workdir, f"trifeature-{args.name or 'all'}-{seed}")
        runs.append(mmalign.run(config(args, seed), folder, artifacts=protocol.artifacts(args)))
    write("-".join(["trifeature", *filter(None, [args.name])]), runs)


def config(args, seed):
    """Of the run of a seed."""
    cfg = comm.get_config()
    names = args.methods.split(",")
    for name in names:
        if name not in METHODS:
            raise SystemExit(f"--methods: {name!r} is none of {', '.join(METHODS)}")
        if name in ABLATIONS:
            cfg[name] = cfg.comm.copy_and_resolve_references()
            cfg[name].label, options = ABLATIONS[name]
            cfg[name].method.update(options)
            comm.both_pairs(cfg, name)
        for block in (cfg[name], cfg[f"{name}_match"]):
            block.steps = args.steps or block.steps
    given = {"size": args.size, "pairs": args.pairs}
    cfg.data.options.update({key: value for key, value in given.items() if value})
    cfg.seed = seed
    rows = [row for name in names for row in (f"{name}_match", name)]
    cfg.stages, cfg.rows = (names[-1],), ("random_encoder", *rows)
    return cfg


def write(name, runs):
    """Mean and standard deviation over seeds, as JSON, Markdown and a plot."""
    label = runs[0]["config"]["data"]["options"].get("task", "shape")
    found = [kept(run["targets"], label) for run in runs]
    rows = {
        row: {what: tables.spread([of[row][what] for of in found]) for what in found[0][row]}
        for row in found[0]
    }
    out = {
        "seeds": len(runs),
        "hardware": tables.hardware(),
        "training_seconds_per_seed": tables.seconds(runs),
        "rows": rows,
        "each": found,
        "config": tables.without_folders(runs[0]["config"]),
    }
    tables.save(name, out, markdown(name, out), plot(rows))


def kept(targets, label):
    """{row: {"redundancy", "uniqueness", "synergy": balanced accuracy, "match_auroc"}}.

    targets: {label of a row: records}. label: what the task "label" is.
    """
    twin = ", matching pairs"
    out = {}
    for row, records in targets.items():
        if row.endswith(twin):
            continue
        of = {r["task"] if r["task"] != "label" else label: r for r in records}
        match = {r["task"]: r for r in targets.get(row + twin, records)}["match"]
        of["match"] = match
        mean = lambda tasks, of=of: float(np.mean([of[t]["balanced_accuracy"] for t in tasks]))
        out[row] = {what: mean(tasks) for what, tasks in SHOWN.items()}
        out[row]["match_auroc"] = match["auroc"]
    return out


def markdown(name, out):
    """A line a row."""
    data = out["config"]["data"]["options"]
    lines = []
    for row, of in out["rows"].items():
        cells = [tables.percent(of[what]) for what in (*SHOWN, "match_auroc")]
        lines.append([row, *cells, PUBLISHED.get(row, "-")])
    lines.append(["Chance", *(f"{100 * chance:g}" for chance in CHANCE.values()), "50", "-"])
    low, high = (f(out["training_seconds_per_seed"]) / 60 for f in (min, max))
    head = ["", *SHOWN, "AUROC of the match", "published, R / U / S"]
    return "\n".join([
        f"# {name}: {out['seeds']} seed(s)",
        "",
        "Balanced accuracy in % of a linear probe of the frozen joint embedding, on pairs of "
        "pictures of other combinations; mean ± standard deviation over seeds. Redundancy is the "
        "shape of both, uniqueness the mean over the textures of either, of a training on any "
        "pairs; synergy is whether texture and colour match, of a training on pairs that do. One "
        "pair in ten matches: a probe that always says no has 50 %, and its AUROC tells what it "
        "would find at other thresholds. Published are pictures of 224 pixels and 15,700 steps.",
        "",
        *tables.table(head, lines),
        "",
        f"Pictures of {data['size']} pixels, {data['pairs']:,} pairs of each kind. Training: "
        f"{low:.0f} to {high:.0f} minutes a seed, {out['hardware']}.",
        "",
    ])  # fmt: skip


def plot(rows):
    """Bars of R, U and S."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(rows)
    for i, (row, of) in enumerate(rows.items()):
        mean, deviation = 100 * np.array([of[what] for what in SHOWN]).T
        at = np.arange(len(SHOWN)) + (i - (len(rows) - 1) / 2) * width
        axes.bar(at, mean, width, yerr=deviation, capsize=2, label=row)
    for i, chance in enumerate(CHANCE.values()):
        axes.hlines(100 * chance, i - 0.42, i + 0.42, color="black", lw=0.8, ls="--")
    axes.set_xticks(range(len(SHOWN)), list(SHOWN))
    axes.set_ylabel("balanced accuracy, %")
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return figure


if __name__ == "__main__":
    main()

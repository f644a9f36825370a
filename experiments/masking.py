"""Masks of CroSSL: strategy, share kept and VICReg's weights, judged by a linear probe.

    python -m experiments.masking --data=stress_predict --dir=FOLDER
    python -m experiments.masking --data=synthetic --seeds=0

Each cell of the grid is a pretraining, all in one run for each seed; the protocol is that of
experiments.missing_sensors. Writes results/masking-<data>.json, .md and .png beside this file. What
is trained already is only evaluated again.
"""

import functools
import json

import numpy as np

from experiments import protocol, tables

WEIGHTS = {  # of invariance, variance and covariance: VICReg's, and CroSSL's released ones
    "25/25/1": {"invariance": 25.0, "variance": 25.0, "covariance": 1.0},
    "10/10/100": {"invariance": 10.0, "variance": 10.0, "covariance": 100.0},
}
KEEP = (0.5, 0.7, 0.9)
UNMASKED = "none"
METRICS = ("macro_f1", "few_labels", "missing", "z_std_complete", "effective_rank")
RANDOM = "Random encoder"


def main():
    """Runs the seeds, then writes what they say together."""
    parser = protocol.arguments(__doc__)
    parser.add_argument("--keep", default=",".join(map(str, KEEP)), help="shares that are kept")
    args = parser.parse_args()
    keep = tuple(map(float, args.keep.split(",")))
    name = f"masking-{args.data}"
    configured = functools.partial(experiment, args.data, dir=args.dir, keep=keep)
    write(name, protocol.run_seeds(args, name, configured))


def experiment(data, seed, *, dir=None, strategies=protocol.STRATEGIES, keep=KEEP, weights=WEIGHTS):
    """Config of one seed: a stage for each cell of the grid, and one without masks."""
    config, names = protocol.base(data, seed, dir), []
    for weighting in weights:
        for strategy, share in [(s, k) for s in strategies for k in keep] + [(UNMASKED, 1.0)]:
            name = _stage(strategy, share, weighting)
            config[name] = protocol.crossl(
                config, f"{strategy}, {share:g} kept, {weighting}",
                mask={"strategy": strategy, "keep_prob": share}, loss=WEIGHTS[weighting],
            )  # fmt: skip
            names.append(name)
    config.stages = tuple(names)
    config.rows = (*protocol.UNTRAINED, *names)
    return config


def _stage(strategy, share, weighting):
    return f"{strategy}_{100 * share:g}_{weighting.replace('/', '_')}"


def cells_of(results, folder):
    """Records of a run: {strategy, keep, weights, and METRICS}, the random encoder among them.

    macro_f1 and few_labels: of the probe at the most and the fewest labels. missing: of the former
    probe, the mean over all numbers of sensors but the full one. z_std_complete, effective_rank: of
    complete windows at the end of the training; NaN for the random encoder.
    """
    last = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        last |= json.loads(line)
    probes = {
        (r["row"], r["fraction"]): r["macro_f1"]
        for r in results["records"]
        if r["part"] == "joint" and r["protocol"] == "linear"
    }
    most, fewest = (f([fraction for _, fraction in probes]) for f in (max, min))
    whole = str(len(results["data"]["modalities"]))
    lacking = {
        s["row"]: float(np.mean([f1 for k, f1 in s["by_count"].items() if k != whole]))
        for s in results["missing"]["summary"]
    }
    config = results["config"]
    about = {
        name: (config[name]["label"], mask["strategy"], mask["keep_prob"], _weights(loss))
        for name in config["stages"]
        for mask, loss in [(config[name]["method"]["mask"], config[name]["method"]["loss"])]
    }
    about = {RANDOM: (RANDOM, RANDOM, 1.0, "-"), **about}
    return [
        {
            "strategy": strategy, "keep": keep, "weights": weights,
            "macro_f1": probes[row, most], "few_labels": probes[row, fewest],
            "missing": lacking[row],
            **{m: last.get(f"{name}/{m}", float("nan")) for m in METRICS[3:]},
        }
        for name, (row, strategy, keep, weights) in about.items()
    ]  # fmt: skip


def _weights(loss):
    return next(name for name, values in WEIGHTS.items() if values == loss)


def write(name, runs):
    """Means and standard deviations over seeds, as JSON, Markdown and a plot."""
    results = [found for found, _ in runs]
    out = {
        "seeds": len(runs),
        "hardware": tables.hardware(),
        "training_seconds_per_seed": tables.seconds(results),
        "sensors": list(results[0]["data"]["modalities"]),
        "cells": tables.grouped(
            [cells_of(*run) for run in runs], ("strategy", "keep", "weights"), METRICS
        ),
        "config": tables.without_folders(results[0]["config"]),
    }
    for cell in out["cells"]:  # what an untrained network has no value of
        cell |= {m: None for m in METRICS if np.isnan(cell[m][0])}
    tables.save(name, out, markdown(name, out), _plot(out))


def markdown(name, out):
    """The page: a line for each cell of the grid."""
    rows = []
    for c in out["cells"]:
        scores = [tables.percent(c[m]) for m in METRICS[:3]]
        if c["strategy"] == RANDOM:
            rows.append([RANDOM, "-", "-", *scores, "-", "-"])
            continue
        kept = "-" if c["strategy"] == UNMASKED else f"{c['keep']:g}"
        z = [f"{c['z_std_complete'][0]:.3f}", f"{c['effective_rank'][0]:.1f}"]
        rows.append([c["strategy"], kept, c["weights"], *scores, *z])
    seconds = out["training_seconds_per_seed"]
    head = ["masks", "kept", "weights", "100 % labels", "10 % labels", "100 %, sensors missing",
            "std of z", "effective rank"]  # fmt: skip
    return "\n".join([
        f"# {name}: {out['seeds']} seed(s)",
        "",
        f"Macro-F1 in % of a linear probe on the frozen global z, test people; {protocol.STEPS} "
        f"steps of {protocol.BATCH} windows; {len(out['sensors'])} sensors, of which a share is "
        "kept in each of two views. Weights are those of invariance, variance and covariance. "
        "Sensors missing: in the test alone, the mean over all numbers of sensors but the full "
        "one. Std of z: over complete windows, mean of its dimensions; near 0 it has collapsed, or "
        "tells masks apart and nothing else. Mean ± standard deviation over seeds. "
        f"{protocol.scaling(out['config'])}.",
        "",
        *tables.table(head, rows),
        "",
        f"Training: {min(seconds) / 60:.1f} to {max(seconds) / 60:.1f} minutes per seed, "
        f"{out['hardware']}.",
        "",
    ])  # fmt: skip


def _plot(out):
    from matplotlib.figure import Figure

    cells = [c for c in out["cells"] if c["strategy"] != RANDOM]
    panels = list(dict.fromkeys(c["weights"] for c in cells))
    masked = [c for c in cells if c["strategy"] != UNMASKED]
    strategies = list(dict.fromkeys(c["strategy"] for c in masked))
    keeps = sorted({c["keep"] for c in masked})
    scores = [100 * c["macro_f1"][0] for c in cells]
    figure = Figure(figsize=(1.6 + 3.2 * len(panels), 3.0), dpi=120, layout="constrained")
    drawn = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, weights in zip(drawn, panels):
        found = {(c["strategy"], c["keep"]): 100 * c["macro_f1"][0] for c in cells
                 if c["weights"] == weights}  # fmt: skip
        values = np.array([[found[s, k] for k in keeps] for s in strategies])
        image = axes.imshow(values, vmin=min(scores), vmax=max(scores), cmap="Blues", aspect="auto")
        middle = (min(scores) + max(scores)) / 2
        for (i, j), value in np.ndenumerate(values):
            axes.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize=9,
                      color="white" if value > middle else "black")  # fmt: skip
        axes.set_title(f"{weights}; without masks {found[UNMASKED, 1.0]:.1f}", fontsize=9)
        axes.set_xticks(range(len(keeps)), [f"{k:g}" for k in keeps])
        axes.set_yticks(range(len(strategies)), [s.replace("_", "-") for s in strategies])
        axes.set_xlabel("share kept")
    figure.colorbar(image, ax=list(drawn), label="macro-F1 of a linear probe, %")
    return figure


if __name__ == "__main__":
    main()

"""CroSSL beside supervised training and other self-supervised methods, and with sensors missing.

    python -m experiments.missing_sensors --data=stress_predict --dir=FOLDER
    python -m experiments.missing_sensors --data=ipol_gait --dir=FOLDER --seeds=0

Every pretraining is fine-tuned with 10 and with 100 % of the labels, and with all of them while
random sets of sensors are hidden. Writes results/missing-sensors-<data>.json, .md and .png beside
this file. A seed draws the people of the test, the initial weights, the labels and the batches.
What is trained already is only evaluated again.
"""

import functools

import numpy as np

from experiments import orderings, protocol, tables

HIDDEN = ", sensors hidden"
TUNED = ", fine-tuned"
SCRATCH = "From scratch"
LABELS = {name: f"CroSSL, {name.replace('_', '-')} masks" for name in protocol.STRATEGIES}
DEFAULT = ("spatial", "random")  # the third costs another minute; experiments.masking has it


def main():
    """Runs the seeds, then writes what they say together."""
    parser = protocol.arguments(__doc__)
    parser.add_argument("--strategies", default=",".join(DEFAULT), help="masks of CroSSL")
    args = parser.parse_args()
    name = f"missing-sensors-{args.data}"
    configured = functools.partial(
        experiment, args.data, dir=args.dir, strategies=tuple(args.strategies.split(","))
    )
    write(name, [results for results, _ in protocol.run_seeds(args, name, configured)])


def experiment(data, seed, *, dir=None, strategies=DEFAULT, baselines=protocol.BASELINES):
    """Config of one seed: every pretraining once, and heads on it.

    Raises: ValueError for an unknown strategy or baseline.
    """
    for what, given, known in (
        ("strategies", strategies, protocol.STRATEGIES),
        ("baselines", baselines, protocol.BASELINES),
    ):
        if unknown := [name for name in given if name not in known]:
            raise ValueError(f"{what} must be of {', '.join(known)}, got {unknown[0]!r}")
    config = protocol.base(data, seed, dir)
    for name in baselines:
        config[name] = protocol.baseline(config, name)
    for name in strategies:
        config[name] = protocol.crossl(config, LABELS[name], mask={"strategy": name})
    # CroSSL last: the last stage is the method of the run's own report
    config.stages = (*baselines, *reversed(strategies))
    heads = {"scratch": (SCRATCH, "crossl", False)}
    heads |= {f"{name}_tuned": (config[name].label + TUNED, name, True) for name in config.stages}
    rows = list(protocol.UNTRAINED)
    for name, (label, stage, trained) in heads.items():
        made = functools.partial(protocol.classifier, config, stage=stage, trained=trained)
        config[name] = made(label)
        config[f"{name}_hidden"] = made(label + HIDDEN, hidden=True, fraction=1.0)
        rows += [name, f"{name}_hidden"]
    config.rows = (*rows, *config.stages)
    return config


def write(name, runs):
    """Means and standard deviations over seeds, as JSON, Markdown and a plot."""
    config = runs[0]["config"]
    out = {
        "seeds": len(runs),
        "hardware": tables.hardware(),
        "training_seconds_per_seed": tables.seconds(runs),
        "cells": tables.summarise(runs),
        "by_count": by_count(runs),
        "orderings": orderings.compare(runs, rows_of(config)),
        "sensors": list(runs[0]["data"]["modalities"]),
        "config": tables.without_folders(config),
    }
    tables.save(name, out, markdown(name, out), _plot(out))


def rows_of(config):
    """The rows that the published orderings are about, as `orderings.compare` takes them."""
    tuned = {name: config[name]["label"] + TUNED for name in config["stages"]}
    return {
        "spatial": tuned.get("spatial"),
        "random": tuned.get("random"),
        "scratch": SCRATCH,
        "baselines": [tuned[name] for name in protocol.BASELINES if name in tuned],
        "hidden": HIDDEN,
    }


def by_count(runs):
    """[{row, head, sensors, macro_f1: [mean, std]}]: the mean over sets of so many sensors.

    `sensors` "worst" is the worst set, which may be another one in each seed.
    """
    records = [
        [
            {"row": s["row"], "head": s["head"], "sensors": sensors, "macro_f1": f1}
            for s in run["missing"]["summary"]
            for sensors, f1 in (s["by_count"] | {"worst": s["worst"]}).items()
        ]
        for run in runs
    ]
    return tables.grouped(records, ("row", "head", "sensors"), ("macro_f1",))


def markdown(name, out):
    """The page: the table by labels, curves by number of sensors, the published orderings."""
    config, seconds = out["config"], out["training_seconds_per_seed"]
    low, high = min(seconds) / 60, max(seconds) / 60
    return "\n".join([
        f"# {name}: {out['seeds']} seed(s)",
        "",
        f"Each seed tests on another fifth of the people. Pretraining: {protocol.STEPS} steps of "
        f"{protocol.BATCH} windows of the others, without labels; heads: {protocol.TUNING_STEPS} "
        f"steps of {protocol.TUNING_BATCH}; all on CroSSL's encoder, dim 96, of strides "
        f"{_strides(config['encoder'])}. A head reads the global z of CroSSL (as the paper's text "
        "has it), the embeddings side by side of the others; from scratch is CroSSL's network. "
        f"CroSSL: preset {config['crossl']['method']['preset']!r}. Windows are augmented in the "
        "pretraining of SimCLR and COCOA alone. "
        "Steps, rates and strides were set by what two cores do in minutes, not by scores. "
        f"{protocol.scaling(config)}.",
        "",
        *_by_labels(out["cells"]),
        "",
        "## Sensors missing in the test",
        "",
        "Macro-F1 in % by the number of sensors that are there, mean over the sets of so many (all "
        "sets of up to six sensors, else a sample), all labels. A frozen row is a linear probe "
        "fitted on complete windows.",
        "",
        *_by_sensors(out["by_count"]),
        "",
        *orderings.page(out["orderings"]),
        "",
        f"Training: {low:.1f} to {high:.1f} minutes per seed, {out['hardware']}.",
        "",
    ])  # fmt: skip


def _strides(encoder):
    text = lambda strides: "/".join(map(str, strides))
    own = {m: text(o["strides"]) for m, o in (encoder.get("per_modality") or {}).items()}
    return ", ".join([text(encoder["strides"]), *(f"{m} {strides}" for m, strides in own.items())])


def _by_labels(cells):
    cells = [c for c in cells if c["part"] in ("joint", "latents") and c["protocol"] != "knn"]
    fractions = sorted({c["fraction"] for c in cells})
    rows = []
    for row, used, part in dict.fromkeys((c["row"], c["protocol"], c["part"]) for c in cells):
        found = {c["fraction"]: c for c in cells if (c["row"], c["part"]) == (row, part)}
        name = row + ", frozen" * (used == "linear") + ", latents" * (part == "latents")
        rows.append([name, *(tables.both(found.get(f)) for f in fractions)])
    return [
        "Accuracy / macro-F1 in % on test people, mean ± standard deviation over seeds; frozen: a "
        "linear probe, of the global z of CroSSL and of an untrained network (random encoder), or "
        "of the embeddings of all sensors side by side (other methods; latents).",
        "",
        *tables.table(["", *(f"{100 * f:g} % labels" for f in fractions)], rows),
    ]


def _by_sensors(cells):
    counts = sorted({int(c["sensors"]) for c in cells if c["sensors"] != "worst"}, reverse=True)
    columns, rows = [*map(str, counts), "worst"], []
    for row, head in dict.fromkeys((c["row"], c["head"]) for c in cells):
        found = {c["sensors"]: c for c in cells if (c["row"], c["head"]) == (row, head)}
        name = row if head == "network" else f"{row}, frozen"
        texts = [tables.percent(found[k]["macro_f1"]) if k in found else "-" for k in columns]
        rows.append([name, *texts])
    return tables.table(["sensors there", *columns[:-1], "worst set"], rows)


def _plot(out):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.2), dpi=120, layout="constrained")
    cells = [c for c in out["by_count"] if c["head"] == "network" and c["sensors"] != "worst"]
    names = list(dict.fromkeys(c["row"].removesuffix(HIDDEN) for c in cells))
    chance = next(c for c in out["cells"] if c["protocol"] == "majority" and c["fraction"] == 1)
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"": "trained on complete windows", HIDDEN: "trained with sensors hidden"}
    for axes, (suffix, title) in zip(panels, titles.items()):
        for i, name in enumerate(names):
            mine = [c for c in cells if c["row"] == name + suffix]
            mean, std = np.transpose([c["macro_f1"] for c in mine])
            axes.errorbar([int(c["sensors"]) for c in mine], 100 * mean, 100 * std, label=name,
                          color=f"C{i}", marker="o", ms=4, capsize=3, lw=1.4)  # fmt: skip
        axes.axhline(100 * chance["macro_f1"][0], color="0.6", lw=1, ls="--", label="Chance")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("sensors there")
        axes.set_xticks(sorted({int(c["sensors"]) for c in cells}))
    panels[0].set_ylabel("macro-F1 on test people, %")
    panels[1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


if __name__ == "__main__":
    main()

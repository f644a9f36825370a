"""What a self-supervised embedding is worth beside window statistics, on six public data sets.

    python -m experiments.baselines --data=uci_har --dir=FOLDER
    python -m experiments.baselines --data=seglearn_watch --dir=FOLDER --folds=0

Every set goes through the defaults as they are. Each person is tested once, in one of three folds
of people, whose number is the seed, too; of emg_imu_lis, which is of one person, the last session
is tested with three seeds. Writes results/baselines-<data>.json, .md and .png beside this file, of
the folds that are named. What is trained already is only evaluated again.

seglearn_watch is the file watch_dataset.npy of the package seglearn (Burns et al. 2018,
arXiv:1802.01489), as windows of 4 s in a .npz: it goes the way of a user's own data.
"""

import pathlib

import numpy as np

import mmalign
from experiments import protocol, tables
from mmalign.configs import baselines, common, crossl, infomae
from mmalign.evaluation import people
from mmalign.evaluation.intervals import difference, intervals

FOLDS = 3
WATCH = "seglearn_watch"
DATA = ("uci_har", "sp_sw_har", "ipol_gait", "stress_predict", "emg_imu_lis", WATCH)
ROWS = (*common.REFERENCES, "simclr", "autoencoder", "crossl", "pretrain", "align")
NETWORK = "Supervised network"
UNLEARNT = ("Chance", "Raw windows", "Random encoder")
STEPS, RATE_HZ = 200, 50.0  # of the watch's windows


def configured(data, fold, folder, workdir):
    """The config of one fold: the rows of three configs on one encoder and one budget."""
    name = "npz" if data == WATCH else data
    config = infomae.get_config(name)
    for method in ("simclr", "autoencoder"):
        config[method] = baselines.block(method)
    config.crossl = crossl.get_config(name).crossl
    config.rows, config.seed = ROWS, fold
    config.evaluation.missing.update(references=False, patterns=(), heads=())
    if data != "emg_imu_lis":
        config.data.update(folds=FOLDS, fold=fold)
    if data == WATCH:
        config.data.path = str(watch_windows(folder, pathlib.Path(workdir, f"{WATCH}.npz")))
    else:
        config.data.dir = folder
    return config


def watch_windows(folder, path):
    """The watch's recordings as windows in a .npz; a recording's last samples fill none."""
    # the file is a pickle, which may run anything: it is the user's choice to name it
    stored = np.load(pathlib.Path(folder, "watch_dataset.npy"), allow_pickle=True).item()
    columns = {key: [] for key in ("windows", "label", "group", "recording", "position")}
    for number, (x, label, person) in enumerate(zip(stored["X"], stored["y"], stored["subject"])):
        for position in range(len(x) // STEPS):
            window = x[position * STEPS : (position + 1) * STEPS]
            for column, value in zip(columns.values(), (window, label, person, number, position)):
                column.append(value)
    arrays = {key: np.array(column) for key, column in columns.items()}
    windows = arrays.pop("windows").astype(np.float32)
    arrays |= {"label": np.unique(arrays["label"], return_inverse=True)[1],
               "group": arrays["group"].astype(int)}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path, acc=windows[..., :3], gyro=windows[..., 3:], rate_hz_acc=RATE_HZ,
        rate_hz_gyro=RATE_HZ, class_names=stored["y_labels"], **arrays,
    )  # fmt: skip
    return path


def main():
    """Runs the folds, then writes what they say together."""
    parser = protocol.arguments(__doc__, DATA, "folds", "of people; of emg_imu_lis, seeds")
    parser.add_argument("--budget", default="standard")
    args = parser.parse_args()
    if args.data == WATCH and args.dir is None:
        parser.error(f"--dir is needed: the folder with watch_dataset.npy of {WATCH}")
    runs = []
    for fold in map(int, args.folds.split(",")):
        config = configured(args.data, fold, args.dir, args.workdir)
        config.budget = args.budget
        workdir = pathlib.Path(args.workdir, f"baselines-{args.data}-{fold}")
        runs.append(mmalign.run(config, workdir, artifacts=protocol.artifacts(args)))
        write(f"baselines-{args.data}", runs)


def write(name, runs):
    """The folds' people together: accuracy and macro-F1, their intervals, and differences."""
    cells = pooled(runs)
    out = {
        ("seeds" if _same_people(runs) else "folds"): len(runs),
        "hardware": tables.hardware(),
        "training_seconds_per_fold": tables.seconds(runs),
        "evaluation_seconds_per_fold": [run["evaluation_seconds"] for run in runs],
        "cells": [{k: v for k, v in cell.items() if k != "counts"} for cell in cells],
        "differences": differences(cells),
        "config": tables.without_folders(runs[0]["config"]),
    }
    tables.save(name, out, markdown(name, out), plot(cells))


def _same_people(runs):
    """Whether every run is tested on the same ones."""
    return runs[0]["config"]["data"].get("folds") is None


def pooled(runs):
    """A cell for each row and share of labels, with the people of all folds side by side.

    Of one person's set the runs are seeds, and a score is their mean.
    """
    join = np.stack if _same_people(runs) else lambda counts: np.concatenate(counts)[None]
    found = {}
    for run in runs:
        for r in run["records"]:
            if r["part"] == "joint" and r["protocol"] != "knn":
                counts = people.confusions(r, len(r["confusion"]))
                found.setdefault((r["row"], r["fraction"]), []).append(counts)
    cells = []
    for (row, fraction), counts in found.items():
        counts = join(counts)
        accuracy, f1 = np.mean(people.accuracy_and_f1(counts.sum(axis=1)), axis=1)
        cells.append(
            {"row": row, "fraction": fraction, "accuracy": float(accuracy), "macro_f1": float(f1),
             "people": counts.shape[1], "intervals": intervals(counts), "counts": counts}
        )  # fmt: skip
    return cells


def differences(cells):
    """Of each share: the network, and the best embedding, less the rows that they have to beat."""
    out = []
    for fraction in sorted({c["fraction"] for c in cells}):
        found = {c["row"]: c for c in cells if c["fraction"] == fraction}
        to_beat = [row for row in found if "statistics" in row]
        learnt = set(found) - set(to_beat) - set(UNLEARNT)
        best = max(learnt - {NETWORK}, key=lambda row: found[row]["macro_f1"])
        for row in (NETWORK, best):
            for other in to_beat:
                gap = difference(found[row]["counts"], found[other]["counts"])
                out.append({"fraction": fraction, "row": row, "other": other, "interval": gap})
    return out


def markdown(name, out):
    """Rows by share of labels, then the differences."""
    cells = {(c["row"], c["fraction"]): c for c in out["cells"]}
    fractions = sorted({fraction for _, fraction in cells})
    rows = [
        [row, *(_scores(cells.get((row, fraction))) for fraction in fractions)]
        for row in dict.fromkeys(row for row, _ in cells)
    ]
    tested = out["cells"][0]["people"]
    runs, kind = (out["folds"], "fold(s)") if "folds" in out else (out["seeds"], "seed(s)")
    lines = [
        f"# {name}: {runs} {kind}" + (f", {tested} people tested" if tested > 1 else ""),
        "",
        "Accuracy / macro-F1 in %, all tested people together; 95 % interval of the macro-F1 over "
        "people and seeds. Linear probe of the frozen joint embedding; the supervised row is the "
        "network's own answer. Defaults as they are.",
        "",
        *tables.table(["", *(f"{100 * f:g} % labels" for f in fractions)], rows),
        "",
        "Differences in macro-F1, points, paired by person and seed, 95 % intervals:",
        "",
        *tables.table(
            ["", "labels", "difference"], [_difference(d, cells) for d in out["differences"]]
        ),
    ]
    spent = zip(out["training_seconds_per_fold"], out["evaluation_seconds_per_fold"])
    minutes = ", ".join(f"{t / 60:.1f} + {e / 60:.1f}" for t, e in spent)
    lines += ["", f"Training + evaluation, minutes a fold: {minutes}; {out['hardware']}.", ""]
    return "\n".join(lines)


def _scores(cell):
    if cell is None:
        return "-"
    text = f"{100 * cell['accuracy']:.1f} / {100 * cell['macro_f1']:.1f}"
    if cell["intervals"] is None:
        return text
    low, high = cell["intervals"]["macro_f1"]
    return f"{text} ({100 * low:.0f}-{100 * high:.0f})"


def _difference(found, cells):
    row, other, fraction = found["row"], found["other"], found["fraction"]
    mean = cells[row, fraction]["macro_f1"] - cells[other, fraction]["macro_f1"]
    interval = found["interval"] and found["interval"]["macro_f1"]
    return [f"{row} - {other}", f"{100 * fraction:g} %", tables.gap(mean, interval)]


def plot(cells):
    """Macro-F1 of each row by share of labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for row in dict.fromkeys(c["row"] for c in cells):
        mine = sorted((c for c in cells if c["row"] == row), key=lambda c: c["fraction"])
        axes.plot([100 * c["fraction"] for c in mine], [100 * c["macro_f1"] for c in mine],
                  marker="o", ms=4, lw=1.4, label=row)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("labels used, %")
    axes.set_ylabel("macro-F1 on held-out people, %")
    axes.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main()

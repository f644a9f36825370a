"""What alignment is worth where pairs are few: InfoMAE beside what has the same pairs, or none.

    python -m experiments.few_pairs --data=synthetic --shares=0.01 --people=2
    python -m experiments.few_pairs --data=sp_sw_har --dir=FOLDER
    python -m experiments.few_pairs --data=seglearn_watch --dir=FOLDER

Pairs of 1, 2 and 5 people and shares of all pairs, with the defaults as they are; every person is
tested once, in one of three folds. There is joint pretraining on the same pairs, for as many steps
and for more, CMC from the same autoencoders, these unaligned, and InfoMAE with
windows of anybody in half of each batch. Writes results/few-pairs-<data>.json, .md and .png beside
this file.
"""

import copy
import pathlib

import mmalign
from experiments import protocol, tables
from experiments.baselines import WATCH, watch_windows
from experiments.infomae import AS_LONG
from mmalign.configs import baselines, compare, infomae
from mmalign.evaluation.ranking import gap
from mmalign.report.advice import METRIC, pairs_text
from mmalign.report.efficiency import curves

DATA = ("synthetic", "uci_har", "sp_sw_har", WATCH)
PEOPLE, SHARES = (1, 2, 5), (0.05, 0.25)
ROWS = ("align", "mixed", "joint_pretrain", "joint_long", "aligned_cmc", "pretrain")
SHOWN = ("augment", "pretrain", "align", "joint_pretrain")
METHOD = "InfoMAE"
LONGER = 900  # steps, three times the budget's: two thirds of the time of both stages of InfoMAE


def configured(data, folder, workdir):
    """The config of the grid."""
    config = compare.get_config("npz" if data == WATCH else data)
    if data == WATCH:
        config.data.path = str(watch_windows(folder, pathlib.Path(workdir, f"{WATCH}.npz")))
    elif data != "synthetic":
        config.data.dir = folder
    if data == "synthetic":  # settings that show the method there
        shown = infomae.get_config(data)
        for name in SHOWN:
            config[name] = copy.deepcopy(shown[name])
    config.mixed = copy.deepcopy(config.align)
    config.mixed.update(label="InfoMAE, half of a batch without partners")
    config.mixed.sampler.unpaired = 0.5
    config.joint_long = copy.deepcopy(config.joint_pretrain)
    if data == "synthetic":
        config.joint_long.update(label="Joint pretraining, as long", steps=AS_LONG)
    else:
        config.joint_long.update(label="Joint pretraining, thrice the steps", steps=LONGER)
    config.aligned_cmc = baselines.block("cmc")
    config.aligned_cmc.update(
        label="CMC from the autoencoders", source="pretrain", warm_start=("sensors/[^/]+/encoder",)
    )
    config.rows = ("window_statistics", "random_forest")
    config.evaluation.missing.update(references=False, patterns=(), heads=())
    config.compare.update(methods=ROWS, ratios=SHARES, people=PEOPLE, folds=3, seeds=(0,))
    return config


def main():
    """Runs the grid, then writes its page."""
    parser = protocol.arguments(__doc__, DATA, each="of weights, labels and pairs")
    parser.add_argument("--people", default=",".join(map(str, PEOPLE)), help="whose pairs")
    parser.add_argument("--shares", default=",".join(map(str, SHARES)), help="of the pairs")
    parser.add_argument("--methods", default=",".join(ROWS), help="rows to train")
    args = parser.parse_args()
    config = configured(args.data, args.dir, args.workdir)
    several = lambda kind, text: tuple(map(kind, filter(None, text.split(","))))
    config.compare.update(
        seeds=several(int, args.seeds), people=several(int, args.people),
        ratios=several(float, args.shares), methods=several(str, args.methods),
    )  # fmt: skip
    name = f"few-pairs-{args.data}"
    folder = pathlib.Path(args.workdir, name)
    write(name, mmalign.run(config, folder, artifacts=protocol.artifacts(args)))


def write(name, results):
    """What the comparison found as a page, a figure and their numbers."""
    out = {key: results[key] for key in ("people", "seeds", "dropped", "rankings", "cost")}
    out["differences"] = [
        {"pairs": r["pairs"], "fraction": r["fraction"], "other": row["row"], "mean": mean,
         "interval": interval}
        for r in out["rankings"] for row in r["rows"] if row["row"] != METHOD
        for mean, interval in [gap(_of(results["records"], r), METHOD, row["row"])]
    ]  # fmt: skip
    out |= {"hardware": tables.hardware(), "config": tables.without_folders(results["config"])}
    panels = {}
    for r in reversed(out["rankings"]):
        panels.setdefault(_labels_text(r["fraction"]), []).append((pairs_text(r["pairs"]), r))
    tables.save(name, out, markdown(name, out), curves(panels, ""))


def _of(records, ranking):
    return [r for r in records if all(r[k] == ranking[k] for k in ("pairs", "fraction"))]


def _amount(pairs):
    """Pairs of some people come before shares of all."""
    of_all = isinstance(pairs, float)
    return of_all, pairs if of_all else int(pairs.split()[0])


def _labels_text(fraction):
    """A share of the labels in words."""
    return f"{100 * fraction:g} % of the labels"


def markdown(name, out):
    """For each share of the labels: macro-F1 by row and pairs, and InfoMAE less each other row."""
    seeds = ", ".join(map(str, out["seeds"]))
    lines = [f"# {name}: {out['people']} people tested, seeds {seeds}", "", *out["dropped"]]
    pairs = sorted(dict.fromkeys(r["pairs"] for r in out["rankings"]), key=_amount)
    for fraction in sorted({r["fraction"] for r in out["rankings"]}):
        score = {(row["row"], r["pairs"]): row["mean"][METRIC] for r in out["rankings"]
                 if r["fraction"] == fraction for row in r["rows"]}  # fmt: skip
        less = {(d["other"], d["pairs"]): tables.gap(d["mean"], d["interval"])
                for d in out["differences"] if d["fraction"] == fraction}  # fmt: skip
        rows = [[row, *(f"{100 * score[row, p]:.1f}" for p in pairs)]
                for row in dict.fromkeys(row for row, _ in score)]  # fmt: skip
        others = [[f"{METHOD} - {row}", *(less[row, p] for p in pairs)]
                  for row in dict.fromkeys(row for row, _ in less)]  # fmt: skip
        head = ["", *map(pairs_text, pairs)]
        lines += [f"## Macro-F1 in % with {_labels_text(fraction)}", ""]
        lines += [*tables.table(head, rows), "", *tables.table(head, others), ""]
    cost = ", ".join(f"{row} {of['seconds'] / 60:.1f}" for row, of in out["cost"].items())
    lines += [
        "Differences in points are paired by person, with 95 % intervals over people. Minutes of a "
        f"training with most pairs, with what it starts from: {cost}; {out['hardware']}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

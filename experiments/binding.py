"""MMBind beside its bounds and baselines on people who never had all sensors, several seeds.

    python -m experiments.binding --data=synthetic
    python -m experiments.binding --data=sp_sw_har --dir=FOLDER
    python -m experiments.binding --data=ipol_gait --dir=FOLDER --features=dcm --name=dcm
    python -m experiments.binding --data=sp_sw_har --dir=FOLDER --shared=watch_acc --name=watch
    python -m experiments.binding --data=cross_dataset --dir=FOLDER_OF_FOLDERS

The settings are those of configs/mmbind.py but for what the flags say. A seed draws weights,
batches, labels, and who of the training people has which sensors; the test people are the same.
For two data sets, the folder holds uci_har and sp_sw_har. The lower half of the table are the
networks of the upper one after fine-tuning on the labels, as published, and compared among
themselves, too; with --rows less of both.
Writes results/binding-<data>[-<name>].json, .md and .png beside this file. What is trained already
is not trained again.
"""

from experiments import protocol, tables
from mmalign.configs import mmbind
from mmalign.evaluation.ranking import gap

ROWS = ("chance", "window_statistics", "random_encoder", "supervised", "autoencoder", "mim",
        "dcm", "imagebind", "random_binding", "unweighted", "reference_slot", "upper",
        "mmbind", *(f"{name}_tuned" for name in mmbind.TUNED))  # fmt: skip
METRIC = "macro_f1"


def main():
    """Runs the seeds, then writes what they say together."""
    parser = protocol.arguments(__doc__, tuple(d for d in mmbind.SENSORS if d != "npz"))
    parser.add_argument("--rows", help=f"of the table; all: {','.join(ROWS)}")
    parser.add_argument("--features", help="stage whose embeddings windows are bound by")
    parser.add_argument("--shared", default="usual", help="sensor that both have")
    parser.add_argument("--name", help="behind that of the files")
    args = parser.parse_args()
    name = "-".join(["binding", args.data, *filter(None, [args.name])])
    runs = protocol.run_seeds(args, name, lambda seed: config(args, seed))
    write(name, [found for found, _ in runs])


def config(args, seed):
    """Of the run of a seed."""
    cfg = mmbind.get_config(f"{args.data},shared={args.shared}")
    cfg.data.parties_seed = cfg.seed = seed
    if args.data == "cross_dataset":
        for source in cfg.data.options.sources.values():
            source.dir = args.dir and f"{args.dir}/{source.name}"
    else:
        cfg.data.dir = args.dir
    lacking = {"upper", "upper_tuned"} - {*cfg.rows, *(f"{row}_tuned" for row in cfg.rows)}
    cfg.rows = tuple(args.rows.split(",") if args.rows else (r for r in ROWS if r not in lacking))
    cfg.evaluation.fractions = (0.02, 0.1, 0.3, 1.0)
    cfg.evaluation.missing.update(patterns=(), heads=("trained on complete",))
    if args.features:
        cfg.binding.bind.update(features=args.features)
    return cfg


def write(name, runs):
    """Means over seeds, paired differences and the quality of the pairs, as a page and a plot."""
    records = [r for run in runs for r in run["records"]]
    headline = runs[0]["headline"]
    fractions = sorted({r["fraction"] for r in records})
    names = list(dict.fromkeys(r["row"] for r in records))
    ahead = {headline: names}
    if f"{headline}, fine-tuned" in names:  # beside what learns from the same labels
        learning = {r["row"] for r in records if r["protocol"] == "network"}
        ahead[f"{headline}, fine-tuned"] = [row for row in names if row in learning]
    for most, least in (("Upper bound", "MIM"), ("Upper bound, fine-tuned", "MIM, fine-tuned")):
        if {most, least} <= {*names}:  # what right partners alone would bring
            ahead[most] = [least]
    cells = {(r["row"], r["fraction"]): r[METRIC] for r in tables.summarise(runs)
             if r["part"] == "joint" and r["protocol"] != "knn"}  # fmt: skip
    out = {
        "seeds": len(runs),
        "hardware": tables.hardware(),
        "training_seconds_per_seed": tables.seconds(runs),
        "rows": {row: {f"{f:g}": cells[row, f] for f in fractions} for row in names},
        "ahead": {
            first: {f"{f:g}": _ahead(records, f, first, rows) for f in fractions}
            for first, rows in ahead.items()
        },
        "binding": [run["binding"] for run in runs],
        "config": tables.without_folders(runs[0]["config"]),
    }
    tables.save(name, out, markdown(name, out), plot(out))


def _ahead(records, fraction, first, rows):
    """{row: (first - row, interval)} at a share of the labels."""
    of = [r for r in records if r["fraction"] == fraction]
    return {row: gap(of, first, row) for row in rows if row != first}


def markdown(name, out):
    """Scores, then how far MMBind is ahead, then how good the pairs were."""
    parties = out["config"]["data"]["parties"]
    who = "; ".join(f"{party}: {', '.join(of['modalities'])} of {_people(of)}"
                    for party, of in parties.items())  # fmt: skip
    shares = [*next(iter(out["rows"].values()))]
    tested = " and ".join(out["config"]["data"]["test_modalities"])
    head = ["", *(f"{100 * float(f):g} % labels" for f in shares)]
    lines = [[row, *(tables.percent(of[f]) for f in shares)] for row, of in out["rows"].items()]
    low, high = (f(out["training_seconds_per_seed"]) / 60 for f in (min, max))
    return "\n".join([
        f"# {name}: {out['seeds']} seed(s)",
        "",
        f"Training people: {who}; test people have {tested}. Labels are known of those who have "
        "both. Macro-F1 in % on the test people, mean ± standard deviation over seeds: of a linear "
        "probe of the frozen joint embedding, and of networks that learn from the labels: alone "
        "(the lower bound), or fine-tuned.",
        "",
        *tables.table(head, lines),
        "",
        *(line for first, found in out["ahead"].items() for line in (
            f"## {first} minus the row, with the 95 % interval over test people and seeds, paired",
            "",
            *tables.table(head, [[row, *(_gap(found[f][row]) for f in shares)]
                                 for row in found[shares[0]]]),
            "",
        )),
        "## Pairs",
        "",
        *tables.table(["", "seed", "pairs", "similarity", "windows used", "mutual", "right, in %",
                       "chance, in %"], [*_pairs(out["binding"])]),
        "",
        f"Training: {low:.0f} to {high:.0f} minutes a seed, {out['hardware']}.",
        "",
    ])  # fmt: skip


def _people(party):
    """Whose windows a party has, in words."""
    share = (
        "all people" if party["people"] is None else f"{100 * party['people']:g} % of the people"
    )
    return share + "".join(f" of {source}" for source in party.get("sources", ()))


def _gap(found):
    difference, interval = found
    text = f"{100 * difference:+.1f}"
    if interval is None:
        return text
    low, high = (100 * x for x in interval)
    sure = low > 0 or high < 0
    return f"**{text}** ({low:.1f} to {high:.1f})" if sure else f"{text} ({low:.1f} to {high:.1f})"


def _pairs(bindings):
    """Lines of the table of pairs: a row, a seed and a direction each."""
    for seed, of in enumerate(bindings):
        for row, records in of.items():
            for r in records:
                right = ["-" if r[key] is None else f"{100 * r[key]:.1f}"
                         for key in ("right", "chance")]  # fmt: skip
                shares = [f"{100 * r[key]:.0f} %" for key in ("distinct", "mutual")]
                similar = f"{r['similarity']['mean']:.3f}"
                yield [row, str(seed), f"{r['pairs']:,}", similar, *shares, *right]


def plot(out):
    """Macro-F1 by share of labels, a line a row."""
    from mmalign.canvas import blank, colour, tidy

    figure = blank(7.4, 4.2)
    axes = figure.add_subplot()
    for i, (row, of) in enumerate(out["rows"].items()):
        shares = [100 * float(f) for f in of]
        mean, std = zip(*of.values())
        axes.errorbar(shares, [100 * x for x in mean], [100 * x for x in std], label=row,
                      color=colour(i), lw=1.4, capsize=2)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("labels of the labelled people in %")
    axes.set_ylabel("macro-F1 in %")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.02))
    tidy(axes)
    return figure


if __name__ == "__main__":
    main()

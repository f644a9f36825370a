"""Every method at every share of the pairs and labels of a public data set, ranked.

    python -m experiments.comparison --data=uci_har --dir=FOLDER
    python -m experiments.comparison --data=uci_har --dir=FOLDER --seeds=0 --side-by-side=2

The grid of configs/compare.py with the defaults as they are. Writes results/comparison-<data>.json,
.md and .png beside this file. What is trained already is not trained again.
"""

import pathlib

import mmalign
from experiments import protocol, tables
from mmalign.configs import common, compare
from mmalign.report.advice import METRIC, pairs_text
from mmalign.report.efficiency import curves


def main():
    """Runs the grid, then writes its page."""
    parser = protocol.arguments(__doc__, common.REAL, each="of weights, labels and pairs")
    parser.add_argument("--methods", default=",".join(compare.METHODS), help="rows to train")
    parser.add_argument("--side-by-side", type=int, default=1, help="processes at work")
    args = parser.parse_args()
    config = compare.get_config(args.data)
    config.data.dir = args.dir
    config.compare.methods = tuple(args.methods.split(","))
    config.compare.seeds = tuple(map(int, args.seeds.split(",")))
    config.compare.side_by_side = args.side_by_side
    name = f"comparison-{args.data}"
    folder = pathlib.Path(args.workdir, name)
    write(name, mmalign.run(config, folder, artifacts=protocol.artifacts(args)))


def write(name, results):
    """The results of a comparison as a page, a figure and their numbers."""
    kept = ("people", "seeds", "dropped", "advice", "rankings", "cost", "label_free", "across")
    out = {key: results[key] for key in kept} | {
        "hardware": tables.hardware(),
        "config": tables.without_folders(results["config"]),
    }
    panels = {}
    for r in reversed(out["rankings"]):
        of = panels.setdefault(f"{100 * r['fraction']:g} % labels", [])
        of.append((pairs_text(r["pairs"]).removesuffix(" of the pairs"), r))
    tables.save(name, out, markdown(name, out), curves(panels, "pairs"))


def markdown(name, out):
    """What it recommends, a table a share of labels, and what each row costs."""
    seeds = ", ".join(map(str, out["seeds"]))
    lines = [f"# {name}: {out['people']} people tested, seeds {seeds}", ""]
    lines += [f"- {said}" for said in (*out["advice"], *out["dropped"])]
    rankings = out["rankings"]
    shares = list(dict.fromkeys(r["pairs"] for r in rankings))
    for fraction in dict.fromkeys(r["fraction"] for r in rankings):
        of = {r["pairs"]: {row["row"]: row for row in r["rows"]}
              for r in rankings if r["fraction"] == fraction}  # fmt: skip
        rows = [[row, *(_score(of[share].get(row)) for share in shares)] for row in of[shares[0]]]
        title = f"Macro-F1 in % with {100 * fraction:g} % of the labels"
        lines += ["", f"## {title}", "", *tables.table(["", *map(pairs_text, shares)], rows)]
    lines += [
        "",
        "Means of seeds; in brackets the 95 % interval over test people and seeds. Bold: the best, "
        "or not to be told from it by the interval of their paired difference.",
        "",
        f"## Cost with {pairs_text(shares[0])}",
        "",
        *tables.table(
            ["", "minutes", "steps", "parameters"],
            [[row, f"{of['seconds'] / 60:.1f}", f"{of['steps']:,.0f}", f"{of['parameters']:,.0f}"]
             for row, of in out["cost"].items()],
        ),
        "",
        f"Of training, with all that the row starts from; {out['hardware']}.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _score(row):
    if row is None:
        return "-"
    text = f"{100 * row['mean'][METRIC]:.1f}"
    if row["interval"][METRIC] is not None:
        low, high = row["interval"][METRIC]
        text += f" ({100 * low:.0f}-{100 * high:.0f})"
    return f"**{text}**" if row["level"][METRIC] else text


if __name__ == "__main__":
    main()

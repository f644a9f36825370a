"""`pairing.nearest` beside faiss's exact inner-product search: time, memory, agreement.

    pip install -e '.[bench]'
    python -m experiments.bench.nearest            # minutes on two cores
    python -m experiments.bench.nearest --quick    # 2,000 rows, in files of its own

Rows of unit length; each form in a process of its own, the forms in turn, several times. Memory is
what the search adds to the resident set at its peak, compilation included. Neighbours that differ
by more than rounding end the run with an error. Writes nearest-<device>.json and .md to --out.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import sys
import time

import numpy as np

from experiments.bench import report
from experiments.bench.losses import ROOT, busy, run_apart

FORMS = ("ours", "faiss")
CASES = [{"n": 20_000, "d": 128, "k": 1}, {"n": 20_000, "d": 128, "k": 5},
         {"n": 100_000, "d": 128, "k": 1}]  # fmt: skip
QUICK = [{"n": 2_000, "d": 64, "k": 5}]


def main(args=None):
    """Measures all cases, writes and prints what was found; or measures one form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 rows, in files of their own")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each form")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "experiments" / "results")
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args(args)
    if args.form:
        print(json.dumps(measure(args.case, args.form)))
        return
    hardware, load = run_apart("--about"), busy()
    rows = []
    for case in QUICK if args.quick else CASES:
        rounds = []
        for i in range(args.rounds):
            forms = FORMS if i % 2 == 0 else FORMS[::-1]
            rounds.append({form: apart(case, form) for form in forms})
            if different := disagreement(rounds[-1]):
                sys.exit(different)
            for form in forms:
                del rounds[-1][form]["rows"]  # compared
        rows.append({"case": case, "rounds": rounds})
        print(*lines(rows[-1:]), sep="\n", flush=True)
    found = {"hardware": hardware, "date": f"{datetime.date.today()}", "load": load, "rows": rows}
    path = args.out / f"nearest-{report.slug(hardware['device'])}{'-quick' * args.quick}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + ".json").write_text(json.dumps(found, indent=1) + "\n")
    path.with_name(path.name + ".md").write_text(markdown(found))


def apart(case, form):
    """What `measure` finds in a fresh process."""
    flags = (f"--form={form}", f"--case={json.dumps(case)}")
    return run_apart(*flags, module="experiments.bench.nearest")


def measure(case, form):
    """{"seconds": of each search, "memory_mib", "similarity": mean of the neighbours', "rows"}."""
    from experiments.bench.measure import resident_mib

    rng = np.random.default_rng(0)
    queries, keys = (rng.standard_normal((case["n"], case["d"]), np.float32) for _ in range(2))
    queries, keys = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, keys))
    search = {"ours": _ours, "faiss": _faiss}[form](case["k"])
    search(queries[:64], keys[:64])  # loads code, starts threads
    before = resident_mib(reset=True)
    similar, rows = search(queries, keys)
    memory = before and resident_mib(peak=True) - before
    seconds = []
    while len(seconds) < 3 and sum(seconds) < 10:
        start = time.perf_counter()
        search(queries, keys)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "memory_mib": memory, "similarity": float(similar.mean()),
            "rows": rows[:1000, 0].tolist()}  # fmt: skip


def _ours(k):
    import jax

    from mmalign.pairing import nearest

    return lambda queries, keys: jax.device_get(nearest(queries, keys, k=k))


def _faiss(k):
    import faiss

    def search(queries, keys):
        index = faiss.IndexFlatIP(keys.shape[1])
        index.add(keys)
        return index.search(queries, k)

    return search


def disagreement(found):
    """What to say if the forms found other neighbours, or ""."""
    ours, faiss = (found[form] for form in FORMS)
    same = np.mean(np.array(ours["rows"]) == np.array(faiss["rows"]))
    if same < 0.999 or abs(ours["similarity"] - faiss["similarity"]) > 1e-5:
        return f"{100 * (1 - same):.1f} % of the first neighbours differ from faiss's"
    return ""


def lines(rows):
    """A table: a line a case; the ratio is the median over rounds of faiss's time over ours."""
    head = ("rows", "dimensions", "k", "ours, s", "faiss, s", "faiss over ours", "rounds",
            "memory, MiB")  # fmt: skip
    out = [f"| {' | '.join(head)} |", "|" + " ---: |" * len(head)]
    for row in rows:
        of = lambda form, row=row: [statistics.median(r[form]["seconds"]) for r in row["rounds"]]
        ratios = [b / a for a, b in zip(*(of(form) for form in FORMS))]
        memory = [max(r[form]["memory_mib"] or 0 for r in row["rounds"]) for form in FORMS]
        case, (ours, faiss) = row["case"], (statistics.median(of(form)) for form in FORMS)
        out.append(
            f"| {case['n']:,} x {case['n']:,} | {case['d']} | {case['k']} | {ours:.2f} | "
            f"{faiss:.2f} | **{statistics.median(ratios):.2f}** | {min(ratios):.2f} to "
            f"{max(ratios):.2f} | {memory[0]:.0f} / {memory[1]:.0f} |"
        )
    return out


def markdown(found):
    """The page."""
    about = found["hardware"]
    return "\n".join([
        f"# Exact nearest neighbours on {about['device']}",
        "",
        f"{about['cores']} cores; Python {about['python']}, jax {about['jax']}; {found['date']}.",
        *["", f"**The machine was busy before the start: load {found['load']:.1f} a core.**"]
        * (found["load"] > report.QUIET),
        "",
        "`mmalign.pairing.nearest` and faiss's IndexFlatIP, of float32 rows of unit length. Memory "
        "is what a search adds at its peak, ours / faiss's; ours compiles its program meanwhile.",
        "",
        *lines(found["rows"]),
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()

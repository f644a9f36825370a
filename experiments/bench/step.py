"""One training step of a method beside the same step in eager PyTorch: time, memory, agreement.

    pip install -e '.[bench]'
    python -m experiments.bench.step crossl         # the published encoder, six sensors, batch 256
    python -m experiments.bench.step comm           # two feature sequences as MOSI's, batch 64, 256
    python -m experiments.bench.step comm --quick   # batch 32, in files of its own

A step of CroSSL is: encoders of all modalities, two spatially masked views, aggregator, VICReg, the
kernels' penalty, gradients, Adam; one of CoMM: encoders of both modalities for both copies, the
fusion of each alone and of both, the head, the terms of its loss, gradients, AdamW; there is no
augmentation. Ours is the method as a run trains it, diagnostics included; PyTorch's is built layer
by layer as one would write it. Both start from the same weights and see the same masks, and losses
of the first steps that differ, without dropout, end the run with an error. Each form runs in a
process of its own, the forms in turn, several times; with all cores, and with one. Where others use
the machine PyTorch's threads spin for cores that they do not get, to ten times the time: --passive
lets them sleep, and processor time can be compared. Writes <method>-<device>.json and .md to --out.
"""

import argparse
import datetime
import importlib
import itertools
import json
import os
import pathlib
import statistics
import sys
import time

from experiments.bench import report
from experiments.bench.losses import ROOT, busy, run_apart

FORMS = ("ours", "pytorch")
CASES = {
    "crossl": {"modalities": 6, "channels": 3, "samples": 512, "batch": (256,), "keep_prob": 0.7,
               "lr": 1e-4},
    # ten times slower than it trains: at first Adam makes steps of the size of lr of any rounding
    "comm": {"features": (20, 300), "tokens": 50, "batch": (64, 256), "dropout": 0.1, "lr": 1e-4},
}  # fmt: skip
ABOUT = {
    "crossl": "{modalities} modalities of {samples} x {channels}, the published encoder, spatial "
    "masks at keep {keep_prob}, VICReg, Adam",
    "comm": "Two sequences of {tokens} tokens with {features[0]} and {features[1]} features, the "
    "published encoders with dropout {dropout}, fusion and head, AdamW",
}
COMPARED = 3  # steps whose losses have to agree: gradients and optimiser show from the second on


def main(args=None):
    """Measures all forms in turn, writes and prints what was found; or measures one form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=CASES)
    parser.add_argument("--quick", action="store_true", help="batch 32, in files of its own")
    parser.add_argument("--batches", help="numbers of windows in place of the method's own: 64,256")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each form")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a process")
    parser.add_argument(
        "--passive", action="store_true", help="OpenMP's threads sleep as they wait"
    )
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "experiments" / "results")
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args(args)
    if args.form:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.case["cores"]])
        print(json.dumps(measure(args.method, args.case, args.form)))
        return ""
    hardware = run_apart("--about")
    if hardware["torch"] is None:
        parser.error("PyTorch is missing: pip install -e '.[bench]'")
    if args.passive:
        os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0")
    case = CASES[args.method] | {"passive": args.passive, "steps": args.steps}
    batches = (32,) if args.quick else case["batch"]
    if args.batches:
        batches = tuple(map(int, args.batches.split(",")))
    rows, load = [], busy()
    for batch, cores in itertools.product(batches, dict.fromkeys((hardware["cores"], 1))):
        one = case | {"batch": batch, "cores": cores}
        row = {"case": one, "load": load, "date": f"{datetime.date.today()}"}
        if different := disagreement(one_round(args.method, one | {"steps": 0, "dropout": 0.0}, 0)):
            sys.exit(different)
        row["rounds"] = [one_round(args.method, one, i) for i in range(args.rounds)]
        rows.append(row)
        print(*lines([row]), sep="\n", flush=True)
    path = args.out / f"{args.method}-{report.slug(hardware['device'])}{'-quick' * args.quick}"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"method": args.method, "hardware": hardware, "rows": rows}
    path.with_name(path.name + ".json").write_text(json.dumps(found, indent=1) + "\n")
    path.with_name(path.name + ".md").write_text(markdown(found))
    return ""


def one_round(method, case, number):
    """{form: what `measure` found}; every other round starts with the other form."""
    forms = FORMS if number % 2 == 0 else FORMS[::-1]
    start = lambda form: run_apart(
        method, f"--form={form}", f"--case={json.dumps(case)}", module="experiments.bench.step"
    )
    return {form: start(form) for form in forms}


def measure(method, case, form):
    """Seconds of a step, and the losses of the first ones, which tell whether forms agree."""
    from experiments.bench import measure as tools

    steps = importlib.import_module(f"experiments.bench.{method}_step")
    before = tools.resident_mib(reset=True)
    step = ours(*steps.parts(case)) if form == "ours" else steps.pytorch(case)
    losses = [step() for _ in range(COMPARED)]
    tools.resident_mib(reset=True)  # what the compiler needed is given back
    seconds, processor = [], []
    for _ in range(case["steps"]):
        start = time.perf_counter(), time.process_time()
        step()
        seconds.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "memory_mib": before and tools.resident_mib(peak=True) - before,
        "losses": losses,
    }


def ours(state, data, step):
    """A function () -> loss of the next step of a training, from its first state."""
    import jax

    from mmalign import training

    data = jax.device_put(data)
    step = training.compile_step(jax.jit(step, donate_argnums=0), state, data, None)

    def run():
        nonlocal state
        state, metrics = step(state, data, None)
        return float(metrics["loss"])

    return run


def disagreement(found):
    """What to say if losses of the forms differ by more than 1e-3, or ""."""
    for i, (a, b) in enumerate(zip(found["ours"]["losses"], found["pytorch"]["losses"])):
        if not abs(a - b) <= 1e-3 * abs(b):  # NaN, too
            return f"loss of step {i + 1} is {a} in ours and {b} in PyTorch"
    return ""


def summary(row, key="seconds"):
    """Median over all steps of each form, PyTorch's over ours of each round, and their median.

    The forms of a round follow each other, so that what else the machine does is alike for both.
    """
    of = lambda found, form: statistics.median(found[form][key])
    whole = {
        form: statistics.median(s for found in row["rounds"] for s in found[form][key])
        for form in FORMS
    }
    ratios = [of(found, "pytorch") / of(found, "ours") for found in row["rounds"]]
    return whole, statistics.median(ratios), ratios


def markdown(found):
    """The page."""
    about = found["hardware"]
    case, load = found["rows"][0]["case"], max(row["load"] for row in found["rows"])
    name = {"crossl": "CroSSL", "comm": "CoMM"}[found["method"]]
    return "\n".join([
        f"# A training step of {name} on {about['device']}",
        "",
        f"{about['cores']} cores; Python {about['python']}, jax {about['jax']}, PyTorch "
        f"{about['torch']}; {found['rows'][0]['date']}.",
        *["", f"**The machine was busy before a start: load {load:.1f} for each core.**"]
        * (load > report.QUIET),
        "",
        f"{ABOUT[found['method']].format(**case)}, float32. PyTorch is eager"
        + ", its threads sleep as they wait" * case["passive"]
        + ". Medians over all steps; throughput is PyTorch's time over "
        "ours, with the range of the rounds. Processor time is that of all threads, waiting "
        f"included. Without dropout the losses of the first {COMPARED} steps agree to 1e-3.",
        "",
        *lines(found["rows"]),
        "",
    ])  # fmt: skip


def lines(rows):
    """A table: a line for each number of cores and kind of time."""
    head = ("batch", "cores", "time", "ours, s", "PyTorch, s", "throughput of ours", "rounds",
            "memory, MiB")  # fmt: skip
    out = [f"| {' | '.join(head)} |", "| ---: | ---: | --- |" + " ---: |" * 5]
    for row in rows:
        memory = [
            max((found[form]["memory_mib"] or 0) for found in row["rounds"]) for form in FORMS
        ]
        for key, name in (("seconds", "wall"), ("processor_seconds", "processor")):
            whole, ratio, each = summary(row, key)
            case = row["case"]
            out.append(
                f"| {case['batch']} | {case['cores']} | {name} | {whole['ours']:.2f} | "
                f"{whole['pytorch']:.2f} | **{ratio:.2f}** | {min(each):.2f} to {max(each):.2f} | "
                f"{memory[0]:.0f} / {memory[1]:.0f} |"
            )
    return out


if __name__ == "__main__":
    sys.exit(main() or 0)

"""Losses beside straightforward PyTorch ones: time, memory and digits, for growing batches.

    pip install -e '.[bench]'
    python -m experiments.bench.losses                # all cases; hours on two cores
    python -m experiments.bench.losses --quick        # small ones, about a minute
    python -m experiments.bench.losses --only=nt_xent --forms=plain,tiled

Writes losses-<device>.json, .md and .png to --out after every case. Cases that the file holds from
the same hardware and versions stay until they are measured again. Each form of each case runs in a
process of its own, the forms of a case one after the other. Values and gradients that differ
between forms end the run with an error, as two different losses cannot be compared. On a busy
machine PyTorch's threads wait for each other far more than XLA's do: measure on a quiet one.
"""

import argparse
import datetime
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

from experiments.bench import report

ROOT = pathlib.Path(__file__).parents[2]
# Similarity matrices that a form holds at its peak, to see what would not fit: plain, PyTorch.
MATRICES = {"info_nce": (5, 8), "nt_xent": (2, 8), "sigmoid": (5, 6), "supcon": (3, 7)}
MOST_GIB = 4  # of one matrix, on a CPU


def main(args=None):
    """Measures the cases that were asked for; returns what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small cases, in files of their own")
    parser.add_argument("--only", default="", help="part of the name of the cases to run")
    parser.add_argument("--forms", help="of plain, tiled, pytorch, separated by commas")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "experiments" / "results")
    args = parser.parse_args(args)
    forms = args.forms and args.forms.split(",")
    if (forms is None or "pytorch" in args.forms) and not importlib.util.find_spec("torch"):
        parser.error(
            "PyTorch is missing: pip install -e '.[bench]', or leave it out: --forms=plain,tiled"
        )
    hardware = run_apart("--about")
    if hardware["gpu"] and hardware["torch"] and not hardware["cuda"]:
        parser.error("JAX sees a GPU and PyTorch does not; JAX_PLATFORMS=cpu leaves it out")
    found, path = resume(args.out, hardware, args.quick)
    wrong, load = [], busy()
    print(*report.head(hardware), sep="\n", flush=True)
    for case in cases(hardware["gpu"], quick=args.quick):
        if args.only not in case["name"]:
            continue
        row = measure_forms(case, hardware, forms, args.quick) | {"load": load}
        different = disagreements(row)
        if different:
            sys.exit("\n".join(different))
        wrong += shortcomings(row)
        found["cases"] = [r for r in found["cases"] if r["case"]["name"] != case["name"]] + [row]
        report.write(path, found)
        print(*report.rows(row, hardware), sep="\n", flush=True)
    print(report.markdown(found))
    return "\n".join(wrong)


def cases(gpu=False, *, quick=False):
    """All cases, by name; quick ones are few and small."""
    if quick:
        found = [_case("nt_xent", n, 128) for n in (256, 512)]
        found += [_case("info_nce", 512, 128), _case("vicreg", 256, 512)]
        found += [_case("supcon", 512, 128, labels=k) for k in ("classes", "pairs")]
        found += [_case("sigmoid", 512, 128), _case("density_ratio", 4096, 8)]
    else:
        sizes = [256 * 2**i for i in range(7)]
        large = [65536] + [262144, 2**20] * gpu
        found = [_case("nt_xent", n, 128) for n in sizes + large]
        found += [_case("nt_xent", n, 256) for n in (4096, 8192)]
        found += [_case("nt_xent", n, 512) for n in sizes]
        found += [_case("info_nce", n, 128) for n in sizes + large]
        found += [_case("info_nce", n, 512) for n in sizes]
        found += [_case("vicreg", 2048, d) for d in (1024, 4096, 8192)]
        supcon = [(n, labels) for n in (1024, 4096) for labels in ("classes", "pairs")]
        found += [_case("supcon", n, 128, labels=labels) for n, labels in supcon]
        found += [_case("sigmoid", 4096, 128), _case("density_ratio", 65536, 8)]
    if gpu:
        half = [c | {"half": True, "name": c["name"] + "-bf16"} for c in found]
        found = [c | {"gpu": True} for pair in zip(found, half) for c in pair]
    return [{"loss": "digits", "name": "digits"}, *found]


def _case(loss, n, d, **more):
    name = "-".join(map(str, (loss, *more.values(), n, d)))
    return {"name": name, "loss": loss, "n": n, "d": d, **more}


def forms_of(case):
    """Forms that a case has: only sums over pairs of rows come in tiles."""
    tiled = ["tiled"] * (case["loss"] in (*MATRICES, "digits"))
    return ["plain", *tiled, "pytorch", *["pytorch compiled"] * case.get("gpu", False)]


def measure_forms(case, hardware, forms=None, quick=False):
    """{"case", "date", "forms": {form: what `measure` found}, "left_out": {form: why}}."""
    row = {"case": case, "date": f"{datetime.date.today()}", "forms": {}, "left_out": {}}
    for form in forms_of(case):
        if forms and form.split()[0] not in forms:
            continue
        why = too_large(case, form, hardware)
        if why is None:
            print(f"{case['name']}, {form} ...", file=sys.stderr, flush=True)
            try:
                row["forms"][form] = run_apart(json.dumps(case), form, *["--quick"] * quick)
            except subprocess.CalledProcessError as error:
                print(error.stderr, file=sys.stderr)
                # a signal (below 0) is the system's way to say that memory ran out
                why = "out of memory" if error.returncode < 0 else f"failed: {_last(error.stderr)}"
        if why is not None:
            row["left_out"][form] = why
    return row


def _last(text):
    return text.strip().rpartition("\n")[2] or "no message"


def too_large(case, form, hardware):
    """Why a form that holds whole matrices is left out, or None."""
    if case["loss"] not in MATRICES or form == "tiled":
        return None
    matrix = 4 * report.anchors(case) ** 2 / 2**30
    need = matrix * MATRICES[case["loss"]][form != "plain"]
    if need <= hardware["free_gib"] and (hardware["gpu"] or matrix <= MOST_GIB):
        return None
    return f"needs about {need:.0f} GiB, {matrix:.0f} for one matrix"


def disagreements(row):
    """Forms whose losses or lengths of gradient differ: by 1e-3, or 2e-2 with bf16 inputs."""
    case, found = row["case"], row["forms"]
    if case["loss"] == "digits" or not found:
        return []
    tolerance = 2e-2 if case.get("half") else 1e-3
    first, wrong = next(iter(found)), []
    for form, key in [(f, k) for f in found for k in ("value", "gradient")]:
        a, b = found[form][key], found[first][key]
        if not abs(a - b) <= tolerance * abs(b):  # NaN, too
            wrong.append(f"{case['name']}: {key} is {a} in {form} and {b} in {first}")
    return wrong


def shortcomings(row):
    """Forms that failed, and tiles of 65,536 rows in more than 1 GiB."""
    case = row["case"]
    wrong = [f"{case['name']}, {f}: {why}" for f, why in row["left_out"].items() if "fail" in why]
    if "tiled" in row["forms"] and case.get("n") == 65536:
        memory = row["forms"]["tiled"]["memory_mib"]
        if memory is not None and memory > 1024:
            wrong.append(f"{case['name']}: tiles take {memory:.0f} MiB, more than 1 GiB")
    return wrong


def busy():
    """Processes that ran on each core in the last minute, on average; 0 where it is not told."""
    return os.getloadavg()[0] / os.cpu_count() if hasattr(os, "getloadavg") else 0


def run_apart(*args, module="experiments.bench.measure"):
    """The last line that a module prints, from a fresh process."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # so that on a GPU JAX leaves memory to others, and its memory can be told
    env = os.environ | {"PYTHONPATH": path, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, "-m", module, *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return json.loads(_last(done.stdout))


def resume(folder, hardware, quick):
    """({"hardware", "cases"}, path without ending): what the folder holds from the same machine."""
    path = folder / f"losses-{report.slug(hardware['device'])}{'-quick' * quick}"
    found = {"hardware": hardware, "cases": []}
    stored = path.with_name(path.name + ".json")
    if stored.exists():
        old = json.loads(stored.read_text())
        same = {**old["hardware"], "free_gib": 0} == {**hardware, "free_gib": 0}
        found["cases"] = old["cases"] if same else []
    return found, path


if __name__ == "__main__":
    sys.exit(main() or 0)

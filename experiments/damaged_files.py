"""Damaged files of every reader: each has to be refused in one clear ValueError, or be read.

    python -m experiments.damaged_files     # 500 a reader, minutes; writes results/damaged-files.md
    python -m experiments.damaged_files --files=50 --only=npz --seed=3

Small whole files are cut, written over, renamed, emptied, packed in one another, encrypted, blown
up, or made pickles that run when they are read, in turn and by a seed. What is no fault: a data set
that fits together, with finite numbers wherever it says that they are present; or a ValueError or
FileNotFoundError that names the file. All else is a fault, as are more than 512 MiB of memory, 20 s
and a pickle that ran. The exit status tells of faults. Memory is asked of Linux.
"""

import argparse
import collections
import pathlib
import resource
import signal
import sys
import tempfile
import warnings

import numpy as np

from experiments.damage import RAN, damaged
from experiments.damaged_samples import samples
from mmalign.data.concerns import concerns
from mmalign.data.dataset import check

PAGE = pathlib.Path(__file__).parent / "results" / "damaged-files.md"
MOST_MIB, MOST_S = 512, 20
STATUS, PEAK = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")
ROOM = 8 << 30  # bytes of addresses: what asks for more gets a MemoryError, not the machine's all


class TooSlow(BaseException):
    """No Exception, as readers turn those into errors of their own."""


def main(args=None):
    """Prints a table and each fault; writes the page of all readers; the number of faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=500, help="of each reader")
    parser.add_argument("--only", default="", help="part of the names of readers")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(args)
    table = ["| reader | read | refused | faults |", "|---|---|---|---|"]
    print(*table, sep="\n")
    total = 0
    for name, sample in samples().items():
        if args.only in name:
            counts, faults = campaign(sample, args.files, args.seed)
            total += len(faults)
            table.append(f"| {name} | {counts['accepted']} | {counts['refused']} | {len(faults)} |")
            print(table[-1], *(f"  {fault}" for fault in faults), sep="\n", flush=True)
    if not args.only:
        PAGE.write_text("\n".join(["# Damaged files", "", *__doc__.split("\n\n")[2:], *table, ""]))
    return total


def campaign(sample, files, seed):
    """(how many were accepted and refused, faults in words) of a reader's damaged files."""
    rng, counts, faults = np.random.default_rng(seed), collections.Counter(), []
    for number in range(files):
        kind, content = damaged(rng, sample, number)
        with tempfile.TemporaryDirectory() as folder:
            for name, whole in {sample.file: content, **sample.beside}.items():
                (pathlib.Path(folder) / name).write_bytes(whole)
            verdict = outcome(sample, pathlib.Path(folder))
        counts[verdict] += 1
        if verdict not in ("accepted", "refused"):
            faults.append(f"file {number}, {kind}: {verdict}")
    return counts, faults


def outcome(sample, folder):
    """What became of the file in a folder: "accepted", "refused", or what is wrong with it."""
    PEAK.write_text("5")  # forgets the peak
    before = _peak_mib()
    previous = signal.signal(signal.SIGALRM, _late)
    signal.alarm(MOST_S)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict = _flaw(sample.read(folder)) or "accepted"
    except (ValueError, FileNotFoundError) as error:
        named = sample.file in str(error) or str(folder) in str(error)
        whose = type(error) in (ValueError, FileNotFoundError)  # others are of what was called
        verdict = "refused" if named and whose else f"{type(error).__name__}: {error}"
    except (Exception, TooSlow) as error:
        verdict = f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    if RAN.exists():
        RAN.rmdir()
        verdict = f"a program in it ran, {verdict}"
    more = _peak_mib() - before
    return verdict if more < MOST_MIB else f"{more:.0f} MiB of memory, {verdict}"


def _flaw(dataset):
    """What is wrong with a data set, None if nothing is."""
    check(dataset)
    list(concerns(dataset))
    for m, x in dataset.inputs.items():
        if not np.isfinite(x).all():
            return f"{m} is not finite"
    return None


def _peak_mib():
    peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def _late(*_):
    raise TooSlow(f"more than {MOST_S} s")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, resource.getrlimit(resource.RLIMIT_AS)[1]))
    sys.exit(bool(main()))

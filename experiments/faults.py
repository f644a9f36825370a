"""Runs that are killed, stopped, damaged, starved of room: a correct result, or one clear line.

    python -m experiments.faults                     # half an hour; writes results/faults.md
    python -m experiments.faults --only=damage --times=5

Each fault befalls a run of the smallest chain of the tests (two stages, a head, evaluation, page),
which is then started again until it ends. It has ended well if its numbers are those of a run in
one go, to the bit, or if its last line says what is wrong and names the file. All else is a FAULT.
Files that readers are given are another campaign's: `experiments.damaged_files`.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = ROOT / "tests" / "end_to_end" / "chain.py"
TIMES = {"SIGKILL": 30, "SIGTERM": 10, "SIGINT": 10, "SIGHUP": 5, "damage": 30,
         "damage half way": 10, "full disk": 3, "two owners": 2, "read-only": 1}  # fmt: skip
SAME, LINE, FAULT = "same result", "one line", "FAULT"
DISK_KIB = (100, 300, 900)  # of full disks; a run takes more than the last


def main():
    """Runs the campaign, prints each fault, writes the table; the status tells of faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the names of what befalls a run")
    parser.add_argument("--times", type=int, help="how often, in place of each one's number")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(pathlib.Path(folder), np.random.default_rng(args.seed))
        table = {}
        for name, times in TIMES.items():
            if args.only in name:
                table[name] = campaign.befall(name, args.times or times)
                print(f"{name}: {dict(table[name])}", flush=True)
    if not args.only:
        page = ROOT / "experiments" / "results" / "faults.md"
        page.write_text("\n".join(["# Faults", "", *__doc__.split("\n\n")[2:], *lines(table)]))
    return sum(found[FAULT] for found in table.values())


class Campaign:
    """Faults, each on a copy of a run or on a new one in `folder`."""

    def __init__(self, folder: pathlib.Path, rng: np.random.Generator):
        self.folder, self.rng, self.count = folder, rng, 0
        self.whole = folder / "whole"
        begun = time.monotonic()
        if (run := command(self.whole)).returncode:
            sys.exit(run.stdout)
        self.seconds = time.monotonic() - begun
        self.wanted = numbers(self.whole)

    def befall(self, name, times):
        """Counter of what became of so many runs."""
        found = collections.Counter()
        for _ in range(times):
            self.count += 1
            workdir = self.folder / f"run-{self.count}"
            outcome, said = getattr(self, "_" + name.replace(" ", "_").replace("-", "_"))(workdir)
            found[outcome] += 1
            if outcome == FAULT:
                print(f"FAULT of {name}:\n{said}\n", flush=True)
            shutil.rmtree(workdir, ignore_errors=True)
        return found

    def _cut(self, workdir, number):
        """A signal at a moment of the whole command, then the same command to its end."""
        process = command(workdir, wait=False)
        time.sleep(self.rng.uniform(0, self.seconds))
        process.send_signal(number)
        said = process.communicate(timeout=300)[0]
        code = process.returncode
        if code not in (0, -number, 128 + number):
            return FAULT, said
        if number != signal.SIGKILL and code and "Traceback" in said:
            return FAULT, said
        return self._ended(workdir, refused=False)

    def _SIGKILL(self, workdir):
        return self._cut(workdir, signal.SIGKILL)

    def _SIGTERM(self, workdir):
        return self._cut(workdir, signal.SIGTERM)

    def _SIGINT(self, workdir):
        return self._cut(workdir, signal.SIGINT)

    def _SIGHUP(self, workdir):
        return self._cut(workdir, signal.SIGHUP)

    def _damage(self, workdir):
        shutil.copytree(self.whole, workdir)
        return self._damaged(workdir)

    def _damage_half_way(self, workdir):
        process = command(workdir, wait=False)
        while process.poll() is None and not list(workdir.glob("artifacts/*/checkpoints/[0-9]*")):
            time.sleep(0.05)
        process.kill()
        process.wait()
        process.stdout.close()
        return self._damaged(workdir)

    def _damaged(self, workdir):
        """A file cut, flipped, emptied, removed, or a folder in its place; then the command."""
        files = sorted(p for p in workdir.rglob("*") if p.is_file() and p.name != ".lock")
        path = files[self.rng.integers(len(files))]
        how = self.rng.choice(["cut", "flip", "empty", "remove", "folder"])
        content = bytearray(path.read_bytes())
        path.unlink()
        if how == "folder":
            path.mkdir()
        elif how != "remove":
            if how == "flip" and content:
                content[self.rng.integers(len(content))] ^= 1 << self.rng.integers(8)
            kept = {"cut": len(content) // 2, "empty": 0}.get(how, len(content))
            path.write_bytes(content[:kept])
        outcome, said = self._ended(workdir)
        return outcome, f"{how} {path.relative_to(workdir)}\n{said}"

    def _full_disk(self, workdir):
        size = DISK_KIB[self.count % len(DISK_KIB)]
        with mounted(workdir, f"size={size}k") as there:
            if not there:
                return "not tried: no right to mount", ""
            return self._ended(workdir / "run")

    def _read_only(self, workdir):
        with mounted(workdir, "ro") as there:
            if not there:
                return "not tried: no right to mount", ""
            return self._ended(workdir / "run")

    def _two_owners(self, workdir):
        first = command(workdir, wait=False)
        while not (workdir / "config.json").exists() and first.poll() is None:
            time.sleep(0.05)
        outcome, said = self._ended(workdir)
        said += first.communicate()[0]
        if outcome != LINE or first.returncode or numbers(workdir) != self.wanted:
            return FAULT, said
        return LINE, said

    def _ended(self, workdir, refused=True):
        """What the command comes to: (outcome, output)."""
        run = command(workdir)
        if run.returncode == 0:
            return (SAME if numbers(workdir) == self.wanted else FAULT), run.stdout
        clear = "Traceback" not in run.stdout and str(workdir) in run.stdout.splitlines()[-1]
        return (LINE if refused and clear else FAULT), run.stdout


def command(workdir, wait=True):
    """The command on the chain: a finished process with its output, or one that runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mmalign", f"--config={CONFIG}", f"--workdir={workdir}"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
    )  # fmt: skip
    if not wait:
        return process
    out = process.communicate()[0]
    return subprocess.CompletedProcess(process.args, process.returncode, out)


def numbers(workdir):
    """What has to be the same: records, not seconds."""
    results = json.loads((workdir / "results.json").read_text())
    return {part: results[part] for part in ("records", "missing", "information")}


class mounted:
    """A small file system in memory at a folder, if this user may; options as mount takes them."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options

    def __enter__(self):
        self.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", self.options, "tmpfs", str(self.folder)]
        self.there = subprocess.run(mount, capture_output=True).returncode == 0
        return self.there

    def __exit__(self, *exception):
        if self.there:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


def lines(table):
    """A line for each kind of fault: how many runs ended how."""
    outcomes = sorted({outcome for found in table.values() for outcome in found} | {FAULT})
    return [f"| | {' | '.join(outcomes)} |", "|---|" + "---|" * len(outcomes),
            *(f"| {name} | {' | '.join(str(found[o]) for o in outcomes)} |"
              for name, found in table.items()), ""]  # fmt: skip


if __name__ == "__main__":
    sys.exit(min(main(), 1))

"""Whether the tests of methods notice small changes to their mathematics. By hand:

    python tests/mutations.py [--only METHOD ...]

Each change of `mutation_table.py` is made alone in a copy of the repository, and the tests that
should notice it are run there. Exit status: 0; 1 if more than 5 % survive; 2 if a change does not
apply, or leaves nothing that could run.
"""

import argparse
import importlib.util
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
COPIED = ("mmalign", "configs", "experiments", "tests", "pyproject.toml")
MOST = 0.05  # share that may survive
LIMIT_S = 900  # of one run of tests


def table():
    """All mutations."""
    path = pathlib.Path(__file__).with_name("mutation_table.py")
    spec = importlib.util.spec_from_file_location("mutation_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MUTATIONS


def mutated(mutation, root=ROOT):
    """The text of its file, changed.

    Raises: ValueError if `old` is not there just once, or what comes out is no Python.
    """
    text = (root / mutation.file).read_text()
    found = text.count(mutation.old)
    if found != 1:
        raise ValueError(
            f"{mutation.file} has {mutation.old!r} {found} times, {mutation.what!r} needs it once"
        )
    text = text.replace(mutation.old, mutation.new)
    compile(text, mutation.file, "exec")
    return text


def run(root, tests):
    """(pytest's exit status or None, its output, seconds, seconds of computing)."""
    command = (sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "--tb=line", *tests)
    environment = {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200"}
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command, cwd=root / "tests", env=environment, text=True, timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        status, said = done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        status, said = None, f"ERROR not done after {LIMIT_S} s"
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    computing = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return status, said, time.monotonic() - start, computing


def judge(root, mutation):
    """("killed", "survived" or "broken", seconds, seconds of computing, what pytest says)."""
    path = root / mutation.file
    text, source = mutated(mutation, root), path.read_text()
    path.write_text(text)
    try:
        status, said, wall, computing = run(root, mutation.tests)
    finally:
        path.write_text(source)
    said = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    word = {0: "survived", 1: "killed"}.get(status, "broken")
    return word, wall, computing, said[0].rpartition("::")[-1] if said else ""


def check_whole(root, mutations):
    """Raises ValueError if the copy is not what runs, or a test fails with nothing changed."""
    command = (sys.executable, "-c", "import mmalign; print(mmalign.__file__)")
    there = subprocess.check_output(
        command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, text=True
    )
    if not there.startswith(str(root)):
        raise ValueError(f"the copy in {root} has to run, and not {there.strip()}")
    tests = dict.fromkeys(test for mutation in mutations for test in mutation.tests)
    status, said, wall, computing = run(root, tests)
    if status != 0:
        raise ValueError(f"with nothing changed pytest says {said[-2000:]}")
    print(f"nothing changed: passed  {wall:.0f} s, {computing:.0f} s of computing", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="names of methods")
    only, mutations = parser.parse_args().only, table()
    names = list(dict.fromkeys(mutation.method for mutation in mutations))
    if only and set(only) - set(names):
        parser.error(f"--only: there is {', '.join(names)}, got {', '.join(only)}")
    mutations = [m for m in mutations if not only or m.method in only]
    words, total = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        try:
            for mutation in mutations:
                mutated(mutation)
            check_whole(root, mutations)
        except (ValueError, SyntaxError) as error:
            print(error)
            return 2
        for mutation in mutations:
            word, wall, computing, said = judge(root, mutation)
            words.append(word)
            total += computing
            print(f"{word:8} {wall:4.0f} s {computing:4.0f} s  {mutation.method:12} "
                  f"{mutation.what:48} {said}", flush=True)  # fmt: skip
    killed = words.count("killed")
    print(f"{killed} of {len(words)} killed, {total / 60:.0f} minutes of computing")
    if "broken" in words:
        return 2
    return int(words.count("survived") > MOST * len(words))


if __name__ == "__main__":
    sys.exit(main())

"""`metrics.jsonl`, the record of a training: a line a step, rewritten where a run goes back."""

import json
import math
import os
import shutil
import sys
from collections.abc import Mapping


class JsonlWriter:
    """A line a step: {"step": 50, "pretrain/loss": 0.7}. What is not finite becomes null."""

    def __init__(self, path: str | os.PathLike):
        """path: appended to; a last line that was cut off is dropped.

        Lines that cannot be read are left out, with a sentence; the file as it was stays beside it,
        as `metrics.jsonl.damaged`.
        """
        self._path = path
        self._keep(math.inf)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends the line and hands it to the operating system."""
        finite = {key: value if math.isfinite(value) else None for key, value in values.items()}
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()

    def rewind(self, step: int) -> None:
        """Drops lines beyond `step`."""
        self._file.close()
        self._keep(step)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _keep(self, last):
        """Opens the file for appending, after rewriting it without lines of later steps."""
        if os.path.exists(self._path):
            with open(self._path, errors="replace") as file:
                lines = file.readlines()
            steps = [_step(line) for line in lines]
            damaged = sum(x is None for x, line in zip(steps, lines) if line.endswith("\n"))
            if damaged:
                shutil.copyfile(self._path, f"{self._path}.damaged")
                print(f"{self._path}: {damaged} lines cannot be read and are left out; the file as "
                      f"it was is {self._path}.damaged", file=sys.stderr)  # fmt: skip
            kept = [line for x, line in zip(steps, lines) if x is not None and x <= last]
            if kept != lines:
                with open(f"{self._path}.new", "w") as file:
                    file.writelines(kept)
                os.replace(f"{self._path}.new", self._path)
        self._file = open(self._path, "a")  # noqa: SIM115


def _step(line):
    """Of a line; None where it is cut off or no line of ours."""
    try:
        found = json.loads(line) if line.endswith("\n") else None
    except ValueError:
        return None
    step = found.get("step") if isinstance(found, dict) else None
    return step if type(step) is int else None

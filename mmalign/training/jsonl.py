"""`metrics.jsonl`, the record of a training: a line a step, rewritten where a run goes back."""

import json
import math
import os
from collections.abc import Mapping


class JsonlWriter:
    """A line a step: {"step": 50, "pretrain/loss": 0.7}. What is not finite becomes null."""

    def __init__(self, path: str | os.PathLike):
        """path: appended to; a last line that was cut off is dropped."""
        self._path = path
        self._keep(lambda line: True)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends the line and hands it to the operating system."""
        finite = {key: value if math.isfinite(value) else None for key, value in values.items()}
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()

    def rewind(self, step: int) -> None:
        """Drops lines beyond `step`."""
        self._file.close()
        self._keep(lambda line: line["step"] <= step)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _keep(self, wanted):
        """Opens the file for appending, after rewriting it without unwanted lines."""
        if os.path.exists(self._path):
            with open(self._path) as file:
                lines = file.readlines()
            kept = [line for line in lines if line.endswith("\n") and wanted(json.loads(line))]
            if kept != lines:
                with open(f"{self._path}.new", "w") as file:
                    file.writelines(kept)
                os.replace(f"{self._path}.new", self._path)
        self._file = open(self._path, "a")  # noqa: SIM115

"""results.json: every evaluated number, in JSON that any reader accepts."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmalign.files import write_text


def write_results(path: str | os.PathLike, results: Mapping[str, Any]) -> None:
    """Writes `results` as JSON: keys in the order given, None for NaN and infinity, all or nothing.

    Arrays and NumPy scalars become lists and numbers. The file appears under its name only when it
    is complete, so a run killed here leaves the old file or none.
    """
    text = json.dumps(plain(results), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_text(Path(path), text)


def read_results(path: str | os.PathLike) -> dict[str, Any]:
    """What `write_results` wrote."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    """`value` in types that JSON has. TypeError for what it has no form for."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array__"):
        return plain(np.asarray(value).tolist())
    raise TypeError(f"results hold a {type(value).__name__}, which JSON has no form for")

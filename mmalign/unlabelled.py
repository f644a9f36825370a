"""What of a run is left where nothing can be probed: windows without labels, or of one split."""

from collections.abc import Mapping
from typing import NamedTuple

from mmalign import budget, evaluation, methods
from mmalign.data.dataset import LABEL, Dataset
from mmalign.run_checks import BUILT_IN
from mmalign.stages import make_method, modalities_of, targets_of

_FREE = ("window_statistics", "random_encoder")  # of the rows that are built in


class Unprobed(NamedTuple):
    """why: nothing is probed, in words. left_out: labels of the rows that need labels."""

    why: str
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        rows = f", and without the rows {', '.join(self.left_out)}" if self.left_out else ""
        return f"{self.why}: the report is without probes{rows}"


def without_labels(config: Mapping, dataset: Dataset) -> tuple[tuple[str, ...], Unprobed | None]:
    """(names of the rows that are left, what is left out and why or None where all is probed)."""
    why = evaluation.unprobed(dataset)
    if why is None:
        return tuple(config["rows"]), None
    kept = [name for name in config["rows"] if not _needs_labels(name, config, dataset)]
    left_out = [BUILT_IN.get(name) or config[name].get("label", name)
                for name in config["rows"] if name not in kept]  # fmt: skip
    return tuple(kept), Unprobed(why, tuple(left_out))


def _needs_labels(name, config, dataset):
    if name in BUILT_IN:
        return name not in _FREE
    targets = targets_of(dataset) | {LABEL: methods.Target("classes", 2)}  # as if there were some
    block = budget.block(config[name], dataset)
    try:
        return "labels" in make_method(block, config, modalities_of(dataset), targets).needs
    except (ValueError, TypeError):
        return False  # whoever makes the stage says what is wrong with it

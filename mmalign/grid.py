"""The cells of a comparison, and the run that each of them is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from mmalign import options
from mmalign.report.advice import pairs_text
from mmalign.run_checks import BUILT_IN

KEYS = ("methods", "ratios", "people", "seeds", "folds", "minutes", "side_by_side")


class Cell(NamedTuple):
    """One run of the grid.

    seed: of weights, labels and pairs. fold: of the people that are tested; None: the data's split.
    pairs: a share of them, in (0, 1], or whose they are, "1 person" or "5 people".
    """

    seed: int
    fold: int | None
    pairs: float | str

    def __str__(self) -> str:
        fold = "" if self.fold is None else f", fold {self.fold}"
        return f"seed {self.seed}{fold}, {pairs_text(self.pairs)}"


def cells(block: Mapping[str, Any]) -> tuple[Cell, ...]:
    """The cells that `config.compare` asks for, in the order in which they are run.

    All of one seed come first, so that what is there after a while is a whole, smaller comparison;
    of a seed shares of the pairs, the most first, then those of some people.
    Raises: ValueError naming the key.
    """
    options.check("config.compare", block, KEYS, KEYS)
    for key in ("methods", "seeds"):
        if not block[key] or isinstance(block[key], str):
            raise ValueError(f"config.compare.{key} must be a tuple of one or more, "
                             f"got {block[key]!r}")  # fmt: skip
    for ratio in block["ratios"]:
        if not 0 < ratio <= 1:
            raise ValueError(f"config.compare.ratios must be in (0, 1], got {ratio}")
    for people in block["people"]:
        if people != int(people) or people < 1:
            raise ValueError(f"config.compare.people must be whole numbers from 1, got {people}")
    people = sorted({int(n) for n in block["people"]}, reverse=True)
    pairs = (*map(float, sorted(block["ratios"], reverse=True)),
             *("1 person" if n == 1 else f"{n} people" for n in people))  # fmt: skip
    if not pairs:
        raise ValueError("config.compare needs ratios or people: which pairs to train on")
    folds = (None,) if block["folds"] is None else range(block["folds"])
    return tuple(Cell(s, f, p) for s in block["seeds"] for f in folds for p in pairs)


def rows(config: Any) -> tuple[str, ...]:
    """Names of the blocks that are compared, each named in config.compare by itself or its label.

    Raises: ValueError that lists what there is.
    """
    blocks = {name: block for name, block in config.items() if "method" in _keys(block)}
    labels = {block.label.lower(): name for name, block in blocks.items()}
    named = [labels.get(str(name).lower(), name) for name in config.compare.methods]
    for name in named:
        options.known("method of config.compare.methods", name, blocks)
    return tuple(dict.fromkeys(named))


def run_of(config: Any, cell: Cell, *, sensors: bool = False) -> Any:
    """The ConfigDict of the run that a cell is: the same that one would write for it alone.

    sensors: whether all rows are tried without sensors, too.
    """
    out = config.copy_and_resolve_references()
    out.unlock()
    names = rows(out)
    del out["compare"]
    out.seed, out.stages = cell.seed, names[:1]
    out.rows = (*(name for name in out.rows if name in BUILT_IN or name not in names), *names)
    if cell.fold is not None:
        out.data.update(folds=config.compare.folds, fold=cell.fold)
    if not sensors:
        out.evaluation.missing.update(references=False, patterns=(), heads=())
    for block in out.values():
        sampler = block.get("sampler") if "method" in _keys(block) else None
        if sampler is not None and sampler.get("kind") == "paired":
            _draw(sampler, cell.pairs)
    return out


def _draw(sampler, pairs):
    """Sets which pairs a sampler draws from; all of them are what it draws from unless told."""
    if isinstance(pairs, str):
        sampler.update(people=int(pairs.split()[0]))
        if "fraction" in sampler:
            del sampler["fraction"]
    elif pairs < 1 or "fraction" in sampler:
        sampler.fraction = pairs


def _keys(block):
    return block.keys() if isinstance(block, ConfigDict) else ()

"""Bindings of a run: what a block says, as a node of the graph."""

import hashlib
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from mmalign import binding, options
from mmalign.data.dataset import Dataset
from mmalign.graph import Node


class Bound(NamedTuple):
    """A binding of a run. embedding: the node of what it compares, or None."""

    binding: binding.Binding
    embedding: Node | None
    node: Node


def binding_of(block: Mapping) -> str | None:
    """The binding whose pairs a block learns from.

    Raises: ValueError where its sampler needs one and names none.
    """
    sampler = block.get("sampler") or {}
    if sampler.get("kind") != "bound":
        return None
    if not isinstance(sampler.get("pairs"), str):
        raise ValueError(
            f"sampler.pairs must name a block with `bind`, got {sampler.get('pairs')!r}"
        )
    return sampler["pairs"]


def make_bound(
    name: str, config: Mapping, dataset: Dataset, data: Node, trained: Mapping[str, Node]
) -> Bound:
    """The binding of a block.

    trained: {stage: node of its training}, those that its features may come from.
    """
    given = config[name]["bind"]
    made = options.call(f"binding {name!r}", binding.create, given, dataset)
    embedding = None
    if made.features is not None:
        stage = options.known("stage of bind.features", made.features, trained)
        embedding = Node("embedding", stage, {"windows": "all"}, (trained[stage], data))
    spec = {key: value for key, value in given.items() if key not in ("features", "similarity")}
    if given.get("similarity") is not None:  # what the file says, wherever it is
        file = pathlib.Path(given["similarity"]).read_bytes()
        spec["similarity"] = hashlib.sha256(file).hexdigest()
    inputs = (data,) if embedding is None else (data, embedding)
    node = Node("binding", name, spec | {"seed": config["seed"]}, inputs)
    return Bound(made, embedding, node)

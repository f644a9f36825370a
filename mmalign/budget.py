"""What a config leaves open, from a budget and the size of the data: steps, widths, runs in time.

One rule for every data set, the user's own among them; whatever a config names stays as it is.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmalign import options
from mmalign.data import runs, samplers
from mmalign.data.dataset import Dataset


class Budget(NamedTuple):
    """How much a training may cost.

    passes: through the windows that it draws from; the steps that follow lie within least and most.
    encoder: options of it.
    """

    passes: int
    least: int
    most: int
    encoder: Mapping[str, int]


BUDGETS = {
    "quick": Budget(8, 100, 300, dict(width=16, dim=64, statistics=64)),
    "standard": Budget(20, 300, 1200, dict(width=32, dim=128, statistics=128)),
    "long": Budget(80, 1000, 20_000, dict(width=64, dim=256, statistics=256)),
}


def encoder(given: Mapping[str, Any], budget: str) -> dict[str, Any]:
    """Options of the encoder, those that are None as the budget has them."""
    sizes = BUDGETS[options.known("config.budget", budget, BUDGETS)].encoder
    return {key: sizes.get(key) if value is None else value for key, value in given.items()}


def block(given: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """The block of a stage whose sequences are no longer than recordings of the data are."""
    sampler = given.get("sampler") or {}
    length = sampler.get("length", 1)
    if length == 1:
        return dict(given)
    return {**given, "sampler": {**sampler, "length": runs.usual_run(dataset, length)}}


def steps(given: int | None, sampler: samplers.Sampler, budget: str) -> int:
    """Steps of a training, where they are None: passes through its windows, within bounds."""
    if given is not None:
        return given
    passes, least, most, _ = BUDGETS[budget]
    return min(max(passes * sampler.windows // sampler.batch_size, least), most)

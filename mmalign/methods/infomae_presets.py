"""InfoMAE's options: what we recommend, what the paper says, and what a config changes of them."""

from collections.abc import Mapping
from typing import Any

from mmalign import options

# "recommended": one set for all data. Contrast x 0.3 and x 1 and the prices of information were
# level on UCI HAR, x 0.3 better on the embedded data; 0.2 as a temperature better than 0.5 on UCI
# HAR. I(v; u) without a critic: see `independence` of `infomae.create`.
# "paper": what it states, eq. 4 with its three ratios and a critic for each information, and a mask
# of 75 %. It publishes no weight and no temperature: eta, lambda and tau are those of FOCAL, whose
# code it builds on, beta, gamma and epsilon are small enough for codes that are not constant.
PRESETS = {
    "recommended": {
        "form": "two_ratio", "independence": "canonical", "mask_ratio": 0.5, "temperature": 0.2,
        "alpha": 1.0, "beta": 0.02, "gamma": 0.01, "epsilon": 1.0, "delta": 1.0, "lam": 0.3,
        "eta": 0.3,
    },
    "paper": {
        "form": "three_ratio", "independence": "critic", "mask_ratio": 0.75, "temperature": 0.07,
        "alpha": 1.0, "beta": 0.02, "gamma": 0.01, "epsilon": 0.1, "delta": 1.0, "lam": 1.0,
        "eta": 5.0,
    },
}  # fmt: skip


def resolve(preset: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """All options: those of `preset` where `changes` has None.

    Raises: ValueError for an unknown preset.
    """
    options.one_of("method.preset", preset, PRESETS)
    usual = PRESETS[preset]
    return {name: usual[name] if value is None else value for name, value in changes.items()}

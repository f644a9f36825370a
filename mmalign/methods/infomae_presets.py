"""InfoMAE's options: what we recommend, what the paper says, and what a config changes of them."""

from collections.abc import Mapping
from typing import Any

from mmalign import options

# "recommended": chosen on UCI HAR, on folds of its training people. I(v; u) by a critic: without
# one v is private on the embedded data and their probe better, but with 225 windows of four
# sensors (SP-SW-HAR) a probe with few labels lost half of its macro-F1.
# Readout "all": with the encoder's output beside u and v the probe of folds of training people has,
# at 1, 10 and 100 % of the labels, macro-F1 66, 74, 79 in place of 61, 71, 78 on seglearn's watch,
# 87, 92, 94 in place of 86, 92, 94 on UCI HAR and 51, 60, 75 in place of 51, 60, 70 on SP-SW-HAR
# (a fold and a seed each, from autoencoders alone).
# "paper": what it states, eq. 4 with its three ratios and a critic for each information, and a mask
# of 75 %. It publishes no weight and no temperature: eta, lambda and tau are those of FOCAL, whose
# code it builds on, beta, gamma and epsilon are small enough for codes that are not constant.
PRESETS = {
    "recommended": {
        "form": "two_ratio", "independence": "critic", "mask_ratio": 0.5, "temperature": 0.2,
        "alpha": 0.3, "beta": 0.02, "gamma": 0.002, "epsilon": 0.02, "delta": 1.0, "lam": 1.0,
        "eta": 0.3, "readout": "all",
    },
    "paper": {
        "form": "three_ratio", "independence": "critic", "mask_ratio": 0.75, "temperature": 0.07,
        "alpha": 1.0, "beta": 0.02, "gamma": 0.01, "epsilon": 0.1, "delta": 1.0, "lam": 1.0,
        "eta": 5.0, "readout": "codes",
    },
}  # fmt: skip


def resolve(preset: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """All options: those of `preset` where `changes` has None.

    Raises: ValueError for an unknown preset.
    """
    options.one_of("method.preset", preset, PRESETS)
    usual = PRESETS[preset]
    return {name: usual[name] if value is None else value for name, value in changes.items()}

"""Values that several configs start from. Plain data: reading a config loads no library."""

from typing import Any

# shares of the labels; CroSSL's label-efficiency protocol is (0.01, 0.05, 0.1, 0.5, 1.0)
FRACTIONS = (0.01, 0.1, 1.0)
SETS = 64  # of sensors that are tried: all those of six sensors
HEADS = ("trained on complete", "trained on missing")


def evaluation() -> dict[str, Any]:
    """The block `config.evaluation`; what `missing` means says `evaluation.missing_options`."""
    return {"fractions": FRACTIONS, "missing": missing()}


def missing() -> dict[str, Any]:
    """The block `config.evaluation.missing`."""
    return {
        "heads": HEADS,
        "limit": SETS,
        "devices": {},  # sensors that fall out together, such as dict(wrist=("acc", "gyro"))
        "patterns": ("independent", "burst"),
        "rates": (0.5,),
        "duration": 10.0,  # windows of a burst
        "references": True,
    }

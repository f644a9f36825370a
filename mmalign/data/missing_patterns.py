"""Patterns of missing sensors: their kinds, their devices, and what of them fits together.

A device is a set of sensors that fall out together; a sensor of no device is one by itself.

    independent   each window lacks each device with probability `rate`
    burst         a two-state Markov chain along each recording (Gilbert 1960): gaps last `duration`
                  windows on average, and each window lacks the device with probability `rate`
    subject       a subject lacks each device for good, with probability `rate`
    value         a window lacks a device the likelier, the more its signal moves there, as sensors
                  do that saturate or shake loose; on average with probability `rate`
    subsets       each window keeps a set of devices, all sets but the empty one equally likely (as
                  in CroSSL's code, where a program drew the set once and kept it for the whole run)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmalign import options

KINDS = {
    "independent": ("rate",),
    "burst": ("rate", "duration"),
    "subject": ("rate",),
    "value": ("rate",),
    "subsets": (),
}
OPTIONAL = ("devices", "keep_one")


def devices_of(
    modalities: Sequence[str], groups: Mapping | None = None
) -> dict[str, tuple[str, ...]]:
    """{device: its modalities}, every modality in one: {} gives each a device of its own.

    groups: {device: names of its modalities}, or None.
    Raises: ValueError for an unknown modality, or one in two devices.
    """
    devices, owner = {}, {}
    for device, names in dict(groups or {}).items():
        devices[device] = (names,) if isinstance(names, str) else tuple(names)
        for m in devices[device]:
            options.known(f"modality of device {device!r}", m, modalities)
            if m in owner:
                raise ValueError(f"modality {m!r} is in two devices, {owner[m]!r} and {device!r}")
            owner[m] = device
    return devices | {m: (m,) for m in modalities if m not in owner}


def check(config: Mapping, modalities: Sequence[str]) -> None:
    """Raises ValueError, naming the option, for what `missingness.simulate` could not draw."""
    kind = options.one_of("missing.kind", config.get("kind"), KINDS)
    needed = KINDS[kind]
    options.check(f"missing {kind!r}", set(config) - {"kind"}, (*needed, *OPTIONAL), needed)
    devices = devices_of(modalities, config.get("devices"))
    for device, rate in rates_of(config, devices).items():
        if not 0 <= rate <= 1 or (kind == "burst" and rate == 1):
            raise ValueError(
                f"missing.rate must lie in [0, 1{')' if kind == 'burst' else ']'}, got {rate} for "
                f"{device!r}"
            )
        if kind == "burst" and config["duration"] * (1 - rate) < 1 - 1e-9:
            raise ValueError(
                f"missing.duration must be 1 / (1 - rate) = {1 / (1 - rate):.3g} windows or more "
                f"for {device!r}, as gaps of independent windows are that long already; got "
                f"{config['duration']}"
            )


def rates_of(config: Mapping, devices: Mapping) -> dict[str, Any]:
    """{device: its rate}, devices as `devices_of` gives them; empty where the kind has none."""
    if "rate" not in config:
        return {}
    rate: Any = config["rate"]
    if not hasattr(rate, "items"):
        return dict.fromkeys(devices, rate)
    for device in rate:
        options.known("device of missing.rate", device, devices)
    return {device: rate.get(device, 0.0) for device in devices}

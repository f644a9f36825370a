"""Which sensors a window lacks, simulated: the same patterns for training and for the test."""

from collections.abc import Mapping

import numpy as np

from mmalign.data.missing_draws import bursts, entropy, subset, uniform
from mmalign.data.missing_patterns import devices_of, rates_of
from mmalign.data.movement import by_level


def simulate(
    config: Mapping,
    present: Mapping[str, np.ndarray],
    *,
    group: np.ndarray,
    recording: np.ndarray,
    position: np.ndarray,
    seed: int,
    step: int = 0,
    level: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """What is left of the sensors under a pattern; a pure function of its arguments.

    Where a window would lose all that it has, one device (drawn for the window; for its recording
    in a burst, for its subject when the loss is for good) stays. Among D devices that are all
    there, a device is then absent at rate - rate^D / D.

    Args:
      config: `kind` and its options: `rate`, a number or {device: number}, devices left out lose
        nothing; `duration`, mean windows of a gap; `devices` as `devices_of` takes them;
        `keep_one`, False lets windows lose everything. See `missing_patterns`.
      present: {modality: bool [n]}, what is there.
      group, recording, position: int [n], of the windows, which may come in any order and more than
        once: neighbours in time are found by the last two, across windows that are left out, too.
      seed, step: of the draw. A subject's loss is the same at every step.
      level: of these windows, as `movement.levels` gives it; for "value" alone.
    Returns: {modality: bool [n]}, never True where `present` is not.
    """
    devices = devices_of(tuple(present), config.get("devices"))
    kind, keep_one = config["kind"], config.get("keep_one", True)
    step = 0 if kind == "subject" else step
    owner = {"burst": recording, "subject": group}.get(kind, np.arange(len(group)))
    draw = lambda what, device: uniform(owner, seed, step, what, device)
    if kind == "burst":
        lost = bursts(config, devices, recording, position, seed, step)
    elif kind == "subsets":
        rng = np.random.default_rng(entropy(seed, step, "sets"))
        lost = ~subset(rng, len(group), len(devices), keep_one)
    else:
        chance = by_level(devices, level) if kind == "value" else lambda device, rate: rate
        rates = rates_of(config, devices).items()
        lost = np.stack([draw("lost", device) < chance(device, rate) for device, rate in rates], 1)
    has = np.stack([np.any([present[m] for m in names], axis=0) for names in devices.values()], 1)
    left = has & ~lost
    if keep_one:
        order = np.where(has, np.stack([draw("kept", device) for device in devices], 1), -1.0)
        empty = ~left.any(axis=1)
        left[empty] = (has & (order == order.max(axis=1, keepdims=True)))[empty]
    return {
        m: np.asarray(present[m]) & left[:, i]
        for i, names in enumerate(devices.values())
        for m in names
    }

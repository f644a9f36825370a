"""Which sensors a window lacks, simulated: the same patterns for training and for the test.

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

import dataclasses
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmalign import options
from mmalign.data.dataset import TRAIN, Dataset

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
    """Raises ValueError, naming the option, for what `simulate` could not draw."""
    kind = options.one_of("missing.kind", config.get("kind"), KINDS)
    needed = KINDS[kind]
    options.check(f"missing {kind!r}", set(config) - {"kind"}, (*needed, *OPTIONAL), needed)
    devices = devices_of(modalities, config.get("devices"))
    for device, rate in _rates(config, devices).items():
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


def levels(dataset: Dataset) -> dict[str, np.ndarray]:
    """How much a window's input moves, for "value": {modality: [n]}, ranks in (0, 1).

    By the standard deviation over time (over an image's places, a vector's features, a sequence's
    tokens), its mean over channels; 0.5 where the modality is absent.
    """
    out = {}
    for m, present in dataset.present.items():
        x = np.asarray(dataset.inputs[m])[present]
        channels = x.shape[-1] if x.ndim > 2 else 1
        counts = dataset.valid[m][present][:, :, None] if m in dataset.valid else True
        places = math.prod(x.shape[1:]) // channels
        moves = x.reshape(len(x), places, channels).std(axis=1, dtype=np.float64, where=counts)
        order = np.argsort(np.argsort(moves.mean(axis=-1), kind="stable"))
        out[m] = np.full(len(present), 0.5)
        out[m][present] = (order + 0.5) / max(len(x), 1)
    return out


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
        `keep_one`, False lets windows lose everything. See `check`.
      present: {modality: bool [n]}, what is there.
      group, recording, position: int [n], of the windows, which may come in any order and more than
        once: neighbours in time are found by the last two, across windows that are left out, too.
      seed, step: of the draw. A subject's loss is the same at every step.
      level: of these windows, as `levels` gives it; for "value" alone.
    Returns: {modality: bool [n]}, never True where `present` is not.
    """
    devices = devices_of(tuple(present), config.get("devices"))
    kind, keep_one = config["kind"], config.get("keep_one", True)
    step = 0 if kind == "subject" else step
    owner = {"burst": recording, "subject": group}.get(kind, np.arange(len(group)))
    draw = lambda what, device: _uniform(owner, seed, step, what, device)
    if kind == "burst":
        lost = _bursts(config, devices, recording, position, seed, step)
    elif kind == "subsets":
        rng = np.random.default_rng(_entropy(seed, step, "sets"))
        lost = ~_subset(rng, len(group), len(devices), keep_one)
    else:
        chance = _by_level(devices, level) if kind == "value" else lambda device, rate: rate
        rates = _rates(config, devices).items()
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


def incomplete(dataset: Dataset, config: Mapping) -> Dataset:
    """The data set with training windows that lack sensors, the same ones at every step of a run.

    config: a pattern as `simulate` takes it, and `seed`, 0 if left out. Other windows stay as they
      are: evaluations hide sensors there themselves.
    """
    pattern = {key: value for key, value in dict(config).items() if key != "seed"}
    check(pattern, dataset.modalities)
    left = simulate(
        pattern,
        dataset.present,
        group=dataset.group,
        recording=dataset.recording,
        position=dataset.position,
        seed=config.get("seed", 0),
        level=levels(dataset) if pattern["kind"] == "value" else None,
    )
    train = dataset.split == TRAIN
    present = {m: np.where(train, left[m], x) for m, x in dataset.present.items()}
    inputs = {
        m: np.where(present[m].reshape(-1, *[1] * (x.ndim - 1)), x, np.zeros((), x.dtype))
        for m, x in dataset.inputs.items()
    }
    valid = {m: x & present[m][:, None] for m, x in dataset.valid.items()}
    return dataclasses.replace(dataset, inputs=inputs, present=present, valid=valid)


def _rates(config, devices) -> dict[str, Any]:
    """{device: its rate}; empty where the kind has none."""
    if "rate" not in config:
        return {}
    rate: Any = config["rate"]
    if not hasattr(rate, "items"):
        return dict.fromkeys(devices, rate)
    for device in rate:
        options.known("device of missing.rate", device, devices)
    return {device: rate.get(device, 0.0) for device in devices}


def _by_level(devices, level):
    """(device, rate) -> chance [n] of a loss: a line in the level of the device, of mean `rate`."""
    if level is None:
        raise ValueError("missing 'value' needs the windows' levels, see missingness.levels")

    def chance(device, rate):
        mean = np.mean([level[m] for m in devices[device]], axis=0)
        return 2 * rate * mean if rate <= 0.5 else 1 - 2 * (1 - rate) * (1 - mean)

    return chance


def _entropy(seed, step, *words):
    return [seed, step, *(zlib.crc32(word.encode()) for word in words)]


def _uniform(owner, seed, step, *words):
    """[n] numbers in [0, 1), one for each owner: the same whichever other owners there are.

    SplitMix64 (Steele, Lea & Flood 2014) of a random start and the owner's number.
    """
    start = np.random.default_rng(_entropy(seed, step, *words)).integers(2**63, dtype=np.uint64)
    x = start + (np.asarray(owner).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def _bursts(config, devices, recording, position, seed, step):
    """Bool [n, devices]: lost, each device by a chain of its own."""
    time = np.lexsort((position, recording))
    lost = []
    for device, rate in _rates(config, devices).items():
        u = np.random.default_rng(_entropy(seed, step, "chain", device)).random(len(time))
        lost.append(_burst(u, rate, config["duration"], recording, position, time))
    return np.stack(lost, 1)


def _burst(u, rate, duration, recording, position, time):
    """Bool [n]: lost, by a stationary two-state chain along `time`, the order within recordings.

    The chain of windows k apart moves by its k-th power, in closed form, so that gaps in the data
    are bridged. A uniform number below both states' probabilities of being lost, or above both,
    decides alone; between them the state before is kept. So no loop over windows is needed.
    """
    memory = max(0.0, 1 - 1 / (duration * (1 - rate)))  # correlation of neighbours
    apart = np.maximum(np.diff(position[time], prepend=0), 0).astype(float)
    same = np.diff(recording[time], prepend=-2) == 0
    stays = np.where(same, memory**apart, 0.0)
    low, high = rate * (1 - stays), rate + (1 - rate) * stays
    decided = (u < low) | (u >= high)
    decided[:1] = True
    last = np.maximum.accumulate(np.where(decided, np.arange(len(time)), 0))
    lost = np.empty(len(time), bool)
    lost[time] = (u < rate)[last]
    return lost


def _subset(rng, n, count, keep_one):
    """Bool [n, count]: rows drawn from all subsets alike, without the empty one if `keep_one`."""
    kept = rng.random((n, count)) < 0.5
    while keep_one and (empty := ~kept.any(axis=1)).any():
        kept[empty] = rng.random((int(empty.sum()), count)) < 0.5
    return kept

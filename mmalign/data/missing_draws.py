"""Random numbers behind missing sensors: by owner, along recordings, of subsets."""

import zlib
from collections.abc import Mapping

import numpy as np

from mmalign.data.missing_patterns import rates_of


def entropy(seed: int, step: int, *words: str) -> list[int]:
    """What seeds the draw of a step that the words name."""
    return [seed, step, *(zlib.crc32(word.encode()) for word in words)]


def uniform(owner: np.ndarray, seed: int, step: int, *words: str) -> np.ndarray:
    """[n] numbers in [0, 1), one for each owner: the same whichever other owners there are.

    SplitMix64 (Steele, Lea & Flood 2014) of a random start and the owner's number.
    """
    start = np.random.default_rng(entropy(seed, step, *words)).integers(2**63, dtype=np.uint64)
    x = start + (np.asarray(owner).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def bursts(
    config: Mapping,
    devices: Mapping,
    recording: np.ndarray,
    position: np.ndarray,
    seed: int,
    step: int,
) -> np.ndarray:
    """Bool [n, devices]: lost, each device by a chain of its own. The rest as `simulate` has it."""
    time = np.lexsort((position, recording))
    lost = []
    for device, rate in rates_of(config, devices).items():
        u = np.random.default_rng(entropy(seed, step, "chain", device)).random(len(time))
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


def subset(rng: np.random.Generator, n: int, count: int, keep_one: bool) -> np.ndarray:
    """Bool [n, count]: rows drawn from all subsets alike, without the empty one if `keep_one`."""
    kept = rng.random((n, count)) < 0.5
    while keep_one and (empty := ~kept.any(axis=1)).any():
        kept[empty] = rng.random((int(empty.sum()), count)) < 0.5
    return kept

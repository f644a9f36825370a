"""Vision & Touch: a robot's camera, force and arm while it puts a peg into a hole."""

import pathlib

import numpy as np

from mmalign.data.archive import check_growth
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description, Task

_SIDE = 128  # pixels of a stored image each way
_READINGS = 32  # of the force, the last of a step
_LARGE = 1 << 28  # bytes that an episode may always hold
_SEED, _TESTED = 42, 5  # one episode in so many is tested
_KEYS = {"image": "image", "force": "ee_forces_continuous", "proprio": "proprio"}
_KIND = {"image": "image", "force": "sequence", "proprio": "vector"}
_CHANNELS = {
    "image": ("red", "green", "blue"),
    "force": ("fx", "fy", "fz", "tx", "ty", "tz"),
    "proprio": tuple(map(str, range(8))),
}


def read_episodes(
    path: pathlib.Path, names: tuple[str, ...], *, size: int = _SIDE, most: int | None = None
) -> Dataset:
    """Steps of all episodes of a folder, and what the next step brings.

    image [size, size, 3] of 0 to 1; force, a sequence of the last 32 readings of a step [32, 6], of
    which tanh is taken; proprio [8]. Label: whether there is contact in the next step. Target
    "pose", real [4]: the first four numbers of proprio then. Of an episode of 50 steps 49 have a
    next one; group is the episode, one in five is tested.

    Args:
      path: folder with one .h5 for each episode.
      names: of the modalities.
      size: a whole fraction of 128; smaller images are means over areas.
      most: episodes to read, the first in order of their names; None for all.
    Raises: ImportError without h5py; FileNotFoundError without episodes; ValueError for another
      size, or files that hold something else.
    References: Lee et al. 2019, arXiv:1810.10191. CoMM (Dufumier et al. 2025, arXiv:2409.07402)
      chooses by the episodes that it tests on; here they are for the test alone.
    """
    if size < 1 or _SIDE % size:
        raise ValueError(f"data.options.size must be a whole fraction of {_SIDE}, got {size}")
    files = sorted(path.glob("*.h5"))[:most]
    if len(files) < 2:
        raise FileNotFoundError(f"there are {len(files)} .h5 files in {path}: --config.data.dir is "
                                "to be the folder of all episodes, two or more")  # fmt: skip
    columns = {m: [] for m in names}
    contact, pose, group, position = [], [], [], []
    for number, file in enumerate(files):
        episode = _episode(file, names)
        count = len(episode["proprio"]) - 1
        for m in names:
            columns[m].append(_prepared(m, episode[m][:count], size))
        contact.append(episode["contact"][1:].reshape(count, -1).any(axis=1))
        pose.append(episode["proprio"][1:, :4])
        group.append(np.full(count, number))
        position.append(np.arange(count))
    group, position = (np.concatenate(x).astype(np.int32) for x in (group, position))
    order = np.random.default_rng(_SEED).permutation(len(files))
    tested = np.isin(group, order[: max(len(files) // _TESTED, 1)])
    return Dataset(
        inputs={m: np.concatenate(x) for m, x in columns.items()},
        present=dict.fromkeys(names, np.ones(len(group), bool)),
        targets={
            "label": np.concatenate(contact).astype(np.int32),
            "pose": np.concatenate(pose).astype(np.float32),
        },
        group=group,
        split=np.where(tested, TEST, TRAIN).astype(np.int8),
        recording=group,
        position=position,
        description=Description(
            name="vision_touch",
            rate_hz={},
            unit=dict.fromkeys(names, "1"),
            channels={m: _CHANNELS[m] for m in names},
            class_names=("free", "contact"),
            citation="Lee et al. 2019, Making Sense of Vision and Touch, arXiv:1810.10191",
            kind={m: _KIND[m] for m in names},
            targets={"pose": Task("real", 4, ("x", "y", "z", "yaw"))},
        ),
    )


def _episode(file, names):
    """{name: array} of one file."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("Vision & Touch needs h5py: pip install 'mmalign[multibench]'") from error
    wanted = dict.fromkeys((*names, "proprio"))
    keys = {**{m: _KEYS[m] for m in wanted}, "contact": "contact"}
    try:
        with h5py.File(file) as content:
            lacking = [key for key in keys.values() if key not in content]
            if lacking:
                raise ValueError(f"{file} lacks {', '.join(lacking)}; it holds {[*content]}")
            stored = {key: content[key] for key in keys.values()}
            if groups := [key for key, x in stored.items() if not isinstance(x, h5py.Dataset)]:
                raise ValueError(f"{groups[0]} is no array")
            asked = sum(x.nbytes for x in stored.values() if isinstance(x, h5py.Dataset))
            check_growth(asked, file.stat().st_size, _LARGE)
            episode = {m: np.asarray(content[key]) for m, key in keys.items()}
            _check_episode(episode)
            return episode
    except (MemoryError, PermissionError):
        raise  # there is nothing wrong with the file
    except Exception as error:  # a damaged file may fail in any way
        raise ValueError(f"{file} cannot be read as HDF5: {error}") from error


def _check_episode(episode):
    """Raises ValueError for arrays of another shape or type, and for numbers that are none."""
    count = len(episode["proprio"])
    fits = {
        "image": lambda shape: shape == (_SIDE, _SIDE, 3),
        "force": lambda shape: len(shape) == 2 and shape[0] >= _READINGS and shape[1] == 6,
        "proprio": lambda shape: len(shape) == 1 and shape[0] >= len(_CHANNELS["proprio"]),
        "contact": lambda shape: 0 not in shape,
    }
    for m, x in episode.items():
        if count < 2 or len(x) != count or not fits[m](x.shape[1:]):
            raise ValueError(f"{m} has the shape {x.shape}, of {count} steps (two or more)")
        if x.dtype.kind not in "biuf" or not np.isfinite(x).all():
            raise ValueError(f"{m} must be finite numbers, got {x.dtype}")


def _prepared(m, x, size):
    if m == "image":
        step = x.shape[1] // size
        x = x.reshape(len(x), size, step, size, step, 3).mean(axis=(2, 4)) / 255
    elif m == "force":
        x = np.tanh(x[:, -_READINGS:])
    else:
        x = x[:, :8]
    return x.astype(np.float32)

"""Trifeature: pairs of pictures that share a shape, made to tell apart what is shared, what is of
one picture alone, and what only both together say.
"""

import numpy as np

from mmalign import options
from mmalign.data import trifeature_images as images
from mmalign.data.dataset import LABEL, TEST, TRAIN, UNKNOWN, Dataset, Description, Task

SEED = 42  # of the published data
MODALITIES = ("image_1", "image_2")
UNBIASED, BIASED = 0, 1  # `source` of a pair
TASKS = {
    "shape": Task("classes", 10, images.SHAPES),
    "texture_1": Task("classes", 10, images.TEXTURES),
    "texture_2": Task("classes", 10, images.TEXTURES),
    "match": Task("classes", 2, ("does not match", "matches")),
}
_TESTED, _RENDERINGS = 200, 3  # combinations kept for the test; pictures of each other one


def make(
    *, size: int = 32, pairs: int = 4_000, test_pairs: int = 2_000, task: str = "shape",
    seed: int = SEED,
) -> Dataset:  # fmt: skip
    """Makes the data set in about ten seconds; 24 size^2 bytes a pair, 29 GB as published.

    Pairs share their shape (redundancy). Texture and colour of a picture are its own (uniqueness).
    Textures of the first picture are mapped to colours of the second, one to one: whether a pair
    matches is known of both together alone (synergy). Pairs to train on come twice: `source` 0,
    of any texture and colour, with labels; and `source` 1, of pairs that match, all of them, and
    without labels: a model that is trained on these can learn the mapping, and a probe on the
    others tells whether it did. Test pairs are of combinations that no training picture has.

    Args:
      size: pixels of a picture each way; 224 as published, where smaller ones are coarser.
      pairs: of each source to train on, at most; 10,000 as published.
      test_pairs: at most; 4,094 as published, which are all.
      task: of TASKS, what "label" is; the others are targets by their names.
      seed: of the pictures, the pairs and the mapping; the mapping is the same for all sizes.
    Returns: Dataset; pictures are float32 of 0 to 1.
    Raises: ValueError for a size below 16 or above 224, too few pairs, or no such task.
    References: CoMM (Dufumier et al. 2025, arXiv:2409.07402), section 5 and the released code;
      where one generator serves pictures and mapping there, each has its own here, so that the
      mapping cannot depend on which pictures were made before.
    """
    options.one_of("data.options.task", task, TASKS)
    if not 16 <= size <= images.PUBLISHED:
        raise ValueError(f"data.options.size must be 16 to {images.PUBLISHED}, got {size}")
    if min(pairs, test_pairs) < 20:
        raise ValueError(f"data.options needs 20 pairs or more, got {pairs} and {test_pairs}")
    kind, tested = combinations(seed)
    combination = np.concatenate([np.repeat(np.flatnonzero(~tested), _RENDERINGS),
                                  np.flatnonzero(tested)])  # fmt: skip
    features = kind[combination]  # of each picture: shape, texture, colour
    split = np.where(tested[combination], TEST, TRAIN)
    pictures = images.render(*features.T, size=size, seed=(seed, 1)).astype(np.float32) / 255
    matching = mapping(seed)
    rng = np.random.default_rng([seed, 2])
    chosen, columns = [], []
    for role, source, most in ((TRAIN, UNBIASED, pairs), (TRAIN, BIASED, pairs),
                               (TEST, UNBIASED, test_pairs)):  # fmt: skip
        found = candidates(features, np.flatnonzero(split == role), matching, source == BIASED)
        found = rng.permutation(found)[:most]
        chosen.append(found)
        columns.append(np.tile((role, source), (len(found), 1)))
    first, second = np.concatenate(chosen).T
    role, source = np.concatenate(columns).T
    targets = {
        "shape": features[first, 0],
        "texture_1": features[first, 1],
        "texture_2": features[second, 1],
        "match": matching[features[first, 1]] == features[second, 2],
    }
    targets = {name: np.where(source == BIASED, UNKNOWN, x).astype(np.int32)
               for name, x in targets.items()}  # fmt: skip
    targets = {LABEL: targets.pop(task), **targets}
    count = len(first)
    return Dataset(
        inputs=dict(zip(MODALITIES, (pictures[first], pictures[second]))),
        present=dict.fromkeys(MODALITIES, np.ones(count, bool)),
        targets=targets,
        group=np.full(count, UNKNOWN, np.int32),
        split=role.astype(np.int8),
        recording=np.arange(count, dtype=np.int32),
        position=np.zeros(count, np.int32),
        description=_description(task),
        source=source.astype(np.int32),
    )


def combinations(seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """([1000, 3] of shape, texture, colour, bool [1000], those that are tested)."""
    kind = np.stack(np.unravel_index(np.arange(1000), (10, 10, 10)), axis=1)
    tested = np.arange(1000) < _TESTED
    np.random.default_rng(seed).shuffle(tested)
    return kind, tested


def mapping(seed: int = SEED) -> np.ndarray:
    """Int [10]: the colour of the second picture that matches each texture of the first."""
    return np.random.default_rng(seed).permutation(10)


def candidates(
    features: np.ndarray, pictures: np.ndarray, matching: np.ndarray, biased: bool
) -> np.ndarray:
    """Ordered pairs [n, 2] of pictures with one shape; `biased`: those alone that match."""
    out = []
    for shape in range(10):
        own = pictures[features[pictures, 0] == shape]
        pair = np.stack(np.meshgrid(own, own, indexing="ij"), axis=-1).reshape(-1, 2)
        if biased:
            pair = pair[matching[features[pair[:, 0], 1]] == features[pair[:, 1], 2]]
        out.append(pair)
    return np.concatenate(out)


def _description(task):
    return Description(
        name="trifeature",
        rate_hz={},
        unit=dict.fromkeys(MODALITIES, "1"),
        channels=dict.fromkeys(MODALITIES, ("red", "green", "blue")),
        class_names=TASKS[task].names,
        citation="Hermann and Lampinen 2020, arXiv:2006.12433; pairs: Dufumier et al. 2025, "
        "arXiv:2409.07402",
        licence="generated",
        kind=dict.fromkeys(MODALITIES, "image"),
        targets={name: of for name, of in TASKS.items() if name != task},
    )

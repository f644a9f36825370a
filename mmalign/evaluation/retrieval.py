"""What one sensor's embedding says of another's: its own partner found, its probe reused."""

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.linear import fit_linear
from mmalign.evaluation.scoring import scores
from mmalign.evaluation.similarity import TIE, evenly, tiles, unit_pairs
from mmalign.evaluation.threads import one_thread


@one_thread()
def retrieval(a: ArrayLike, b: ArrayLike) -> dict[str, float]:
    """How well rows of a find their own partners among the rows of b, by cosine.

    r1 and r5 are the shares of rows whose partner is first, or among the first five; mrr is the
    mean of 1 / rank. Higher is better. The order of equally near rows is left to chance and the
    expectation is given, so that embeddings without information have what guessing has: 1 / n,
    min(5 / n, 1) and (1 + 1/2 + ... + 1/n) / n. All fall as n grows: compare at equal n. Not
    symmetric in a and b. Rotation of both and the scale of each row do not matter.

    Args:
      a, b: [n, d], n at least 2, finite; rows i are of one window. Of more than 20,000 rows as
        many, evenly spread, are used.
    Returns: dict(r1, r5, mrr), floats in [0, 1].
    Raises: ValueError that names a or b.
    Cost: O(n^2 d), by tiles of 32 MiB, of which a few are alive.
    """
    u, v = evenly(*unit_pairs(a, b))
    count = len(u)
    before, tied = np.empty(count, int), np.empty(count, int)
    for tile in tiles(count, count):
        cosine = u[tile] @ v.T
        row = np.arange(len(cosine))
        own = cosine[row, tile.start + row][:, None]
        before[tile] = (cosine > own + TIE).sum(axis=1)
        tied[tile] = (cosine >= own - TIE).sum(axis=1) - before[tile]  # the partner among them
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, count + 1))])
    within = lambda k: float(np.clip((k - before) / tied, 0, 1).mean())
    reciprocal = (harmonic[before + tied] - harmonic[before]) / tied
    return {"r1": within(1), "r5": within(5), "mrr": float(reciprocal.mean())}


def transfer(
    z_train: ArrayLike, label: ArrayLike, group: ArrayLike, z_test: ArrayLike,
    label_test: ArrayLike, *, seed: int = 0,
) -> dict[str, float]:  # fmt: skip
    """Scores of a linear probe that learned from one sensor and reads another, unseen by it.

    Higher is better; `linear_probe` of the test sensor's own embedding is what to hold it against,
    `majority` what no information gives. Features are standardised by the training sensor, so that
    a `modality_gap` costs accuracy: nothing is fitted to the test sensor.

    Args:
      z_train: [n, d], embeddings of training windows from one sensor, finite.
      label, group: int [n], class (0 or more) and subject of each.
      z_test: [m, d], embeddings of test windows from another sensor, in the same space; finite.
      label_test: int [m].
      seed: of the folds of people that choose the penalty.
    Returns: dict(accuracy, macro_f1), 0 to 1, as `scores` has them.
    Raises: ValueError for embeddings of different widths, and as `fit_linear` and `scores` do.
    Cost: of `fit_linear`.
    """
    widths = [np.shape(z)[1:] for z in (z_train, z_test)]
    if widths[0] != widths[1]:
        raise ValueError(
            f"z_test must be as wide as z_train, got shapes {np.shape(z_test)} and "
            f"{np.shape(z_train)}"
        )
    return scores(label_test, fit_linear(z_train, label, group, seed=seed).predict(z_test))

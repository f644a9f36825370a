"""How much of the known generating factors a linear readout finds in an embedding."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.threads import one_thread

# Ridge penalties tried, per training row and standardised feature.
PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


@one_thread()
def factor_r2(
    embedding_train: ArrayLike,
    factors_train: Mapping[str, ArrayLike],
    embedding_test: ArrayLike,
    factors_test: Mapping[str, ArrayLike],
    *,
    penalties: Sequence[float] = PENALTIES,
    held_out: float = 0.25,
    seed: int = 0,
) -> dict[str, float]:
    """R^2 on test rows of a ridge readout of each factor, a mean over the factor's columns.

    1 = read out exactly, 0 = no better than the mean of the test rows; not clipped, so a readout
    that misleads is negative. Each factor's penalty is the best on training rows held out at
    random; the readout is then fitted on all of them. Columns that are constant in the test rows
    have no R^2 and are left out; a factor of such columns alone gives NaN.

    Args:
      embedding_train, embedding_test: [n, d] and [m, d] floats.
      factors_train, factors_test: {name: [n, k]} and {name: [m, k]} ([n] counts as [n, 1]).
      penalties: ridge penalties to try, per row.
      held_out: share of the training rows to choose on.
      seed: of the draw of these rows.
    Returns: {name: float}.
    Raises: ValueError when rows, columns or names do not match, or under 4 training rows.
    """
    penalties = sorted(penalties)
    x, x_test = np.asarray(embedding_train, float), np.asarray(embedding_test, float)
    if x.ndim != 2 or x_test.ndim != 2 or x.shape[1] != x_test.shape[1]:
        raise ValueError(f"need [n, d] and [m, d] embeddings, got {x.shape} and {x_test.shape}")
    if len(x) < 4 or not len(x_test):
        raise ValueError(f"need 4 training rows and a test row, got {len(x)} and {len(x_test)}")
    if set(factors_train) != set(factors_test):
        raise ValueError(f"factors differ: {sorted(factors_train)} and {sorted(factors_test)}")
    order = np.random.default_rng(seed).permutation(len(x))
    cut = min(max(1, round(held_out * len(x))), len(x) - 2)
    choose, fit = order[:cut], order[cut:]
    trial, final = _Readout(x[fit], penalties), _Readout(x, penalties)
    result = {}
    for name in factors_train:
        y, y_test = _columns(name, factors_train, len(x)), _columns(name, factors_test, len(x_test))
        variance = np.maximum(y.var(axis=0), 1e-12)
        tried = trial.predict(x[choose], y[fit])
        errors = [np.sum((predicted - y[choose]) ** 2 / variance) for predicted in tried]
        best = len(penalties) - 1 - int(np.argmin(errors[::-1]))  # ties: the larger penalty
        result[name] = _mean_r2(y_test, final.predict(x_test, y)[best])
    return result


class _Readout:
    """Ridge at every penalty from one eigendecomposition of the feature covariance."""

    def __init__(self, x, penalties):
        self.mean, self.scale = x.mean(axis=0), x.std(axis=0)
        self.scale[self.scale < 1e-12] = 1.0  # a constant feature says nothing, and stays 0
        self.x = (x - self.mean) / self.scale
        self.values, self.vectors = np.linalg.eigh(self.x.T @ self.x / len(x))
        self.penalties = penalties

    def predict(self, x, y):
        """[m, d], [n, k] -> a list of [m, k], one for each penalty."""
        centre = y.mean(axis=0)
        target = self.vectors.T @ (self.x.T @ (y - centre) / len(y))
        seen = ((x - self.mean) / self.scale) @ self.vectors
        values = np.maximum(self.values, 0)[:, None]
        return [seen @ (target / (values + p)) + centre for p in self.penalties]


def _columns(name, factors, rows):
    y = np.asarray(factors[name], float).reshape(len(factors[name]), -1)
    if len(y) != rows:
        raise ValueError(f"factor {name!r} has {len(y)} rows, the embedding has {rows}")
    return y


def _mean_r2(y, predicted):
    total = np.sum((y - y.mean(axis=0)) ** 2, axis=0)
    varies = total > 1e-12 * len(y)
    if not varies.any():
        return float("nan")
    return float(np.mean(1 - np.sum((y - predicted) ** 2, axis=0)[varies] / total[varies]))

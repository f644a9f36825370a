"""What a score says of people who were not measured: intervals by a bootstrap over people."""

import numpy as np

from mmalign.evaluation.people import accuracy_and_f1

DRAWS = 2000
LEVEL = 0.95


def intervals(counts: np.ndarray, seed: int = 0) -> dict[str, tuple[float, float]] | None:
    """95 % intervals of accuracy and macro-F1 over people, by a bootstrap that draws people.

    counts: [people, true class, predicted class].
    Returns: {"accuracy": (low, high), "macro_f1": (low, high)}; None for a single person, of whom
      nothing can be concluded about others.
    """
    if len(counts) < 2:
        return None
    drawn = accuracy_and_f1(_resampled(counts, seed))
    measured = accuracy_and_f1(counts.sum(axis=0))
    return {
        name: _interval(at, draws, len(counts), within=(0.0, 1.0))
        for name, at, draws in zip(("accuracy", "macro_f1"), measured, drawn)
    }


def difference(
    first: np.ndarray, second: np.ndarray, seed: int = 0
) -> dict[str, tuple[float, float]] | None:
    """95 % intervals of first - second, as `intervals`, both on the same draws of people."""
    if len(first) < 2:
        return None
    pairs = zip(*(accuracy_and_f1(_resampled(x, seed)) for x in (first, second)))
    measured = zip(*(accuracy_and_f1(x.sum(axis=0)) for x in (first, second)))
    return {
        name: _interval(m[0] - m[1], d[0] - d[1], len(first))
        for name, m, d in zip(("accuracy", "macro_f1"), measured, pairs)
    }


def _resampled(counts, seed):
    """Sums over people drawn with replacement, [DRAWS, true class, predicted class]."""
    people = len(counts)
    drawn = np.random.default_rng(seed).integers(0, people, (DRAWS, people))
    times = np.zeros((DRAWS, people))
    np.add.at(times, (np.arange(DRAWS)[:, None], drawn), 1)
    return (times @ counts.reshape(people, -1)).reshape(DRAWS, *counts.shape[1:])


def _interval(measured, drawn, people, within=(-1.0, 1.0)) -> tuple[float, float]:
    """Percentiles, widened around what was measured as Student's t is wider than the normal.

    A bootstrap over n people has the variance of n in place of n - 1, and the tails of a normal;
    of six people its plain percentiles hold the truth in some 85 of 100 cases.
    """
    from scipy import stats

    tail = (1 - LEVEL) / 2
    wider = stats.t.ppf(1 - tail, people - 1) / stats.norm.ppf(1 - tail)
    wider *= np.sqrt(people / (people - 1))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    low, high = np.clip([measured + wider * (x - measured) for x in (low, high)], *within)
    return float(low), float(high)

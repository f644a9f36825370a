"""How far a score holds beyond the people and the seeds that it was measured with.

Intervals of one row's score and of the paired difference of two rows. Confusion matrices are
counts [people, true class, predicted class], or [seeds, people, true class, predicted class] of
runs that differ in their seed and were tested on the same people.
"""

from collections.abc import Callable

import numpy as np

from mmalign.evaluation.people import accuracy_and_f1

DRAWS = 2000
LEVEL = 0.95
METRICS: tuple[str, ...] = ("accuracy", "macro_f1")
Interval = tuple[float, float]


def intervals(counts: np.ndarray, seed: int = 0) -> dict[str, Interval] | None:
    """95 % intervals of accuracy and macro-F1, means over seeds, by a bootstrap that draws people.

    Several seeds widen it by what they differ beyond what their people explain; of a single seed it
    says nothing of others.
    Returns: {"accuracy": (low, high), "macro_f1": (low, high)}; None of a single person and seed,
      of which nothing can be concluded about others.
    """
    counts = _by_seed(counts)
    return _intervals(_scores(counts), counts.shape[:2], seed, within=(0.0, 1.0))


def difference(first: np.ndarray, second: np.ndarray, seed: int = 0) -> dict[str, Interval] | None:
    """95 % intervals of first - second, as `intervals`: the same people and seeds in both.

    Zero lies inside for two methods that do not differ in 93 to 97 of 100 cases, from six people
    and one seed on, or three seeds (two seeds that differ more than people do: 91).
    """
    first, second = _by_seed(first), _by_seed(second)
    if first.shape[:2] != second.shape[:2]:
        raise ValueError(
            "first and second must be of the same seeds and people, got counts of "
            f"{first.shape[:2]} and {second.shape[:2]}"
        )
    a, b = _scores(first), _scores(second)
    return _intervals(lambda times: a(times) - b(times), first.shape[:2], seed, within=(-1.0, 1.0))


def _by_seed(counts):
    return counts if counts.ndim == 4 else counts[None]


def _scores(counts) -> Callable[[np.ndarray], np.ndarray]:
    """times [draws, people] -> accuracy and macro-F1 [2, draws, seeds] of people so often."""
    seeds, people, classes, _ = counts.shape
    flat = counts.reshape(seeds, people, classes * classes).swapaxes(0, 1)

    def score(times):
        pooled = np.tensordot(times, flat, axes=1)
        return np.stack(accuracy_and_f1(pooled.reshape(len(times), seeds, classes, classes)))

    return score


def _intervals(score, shape, seed, within):
    """Of a score as `_scores` gives them.

    A bootstrap over n people has the variance of n in place of n - 1, and the tails of a normal; of
    six people its plain percentiles hold the truth in some 85 of 100 cases. So they are widened
    around what was measured, as Student's t is wider than the normal, and seeds add their own part.
    """
    from scipy import stats

    seeds, people = shape
    t = lambda n: stats.t.ppf((1 + LEVEL) / 2, n - 1)
    measured = score(np.ones((1, people)))[:, 0]
    center = measured.mean(axis=-1)
    if people > 1:
        drawn = score(_drawn(people, seed)).mean(axis=-1)
        tail = (1 - LEVEL) / 2
        sides = np.quantile(drawn, [tail, 1 - tail], axis=-1) - center
        error = np.sqrt(drawn.var(axis=-1) * people / (people - 1))
        between = np.zeros(2) if seeds < 2 else _between_seeds(score, measured, people)
        half = np.sqrt((t(people) * error) ** 2 + (t(max(seeds, 2)) ** 2 * between))
        normal = stats.norm.ppf(1 - tail) * drawn.std(axis=-1)
        sides = sides * np.divide(half, normal, out=np.ones(2), where=normal > 0)
        sides = np.where(normal > 0, sides, half * np.array([[-1], [1]]))
    elif seeds > 1:
        half = t(seeds) * measured.std(axis=-1, ddof=1) / np.sqrt(seeds)
        sides = np.stack([-half, half])
    else:
        return None
    low, high = np.clip(center + sides, *within)
    return {name: (float(a), float(b)) for name, a, b in zip(METRICS, low, high)}


def _between_seeds(score, measured, people):
    """Variance of the mean over seeds that is theirs alone, [2].

    By the two-way analysis of variance of jackknife values, seeds x people, floored at zero.
    """
    without = score(1 - np.eye(people))  # [2, people, seeds]
    values = people * measured[:, None] - (people - 1) * without
    seeds = values.shape[-1]
    of_seeds = values.mean(axis=1, keepdims=True)
    of_people = values.mean(axis=2, keepdims=True)
    rest = values - of_seeds - of_people + values.mean(axis=(1, 2), keepdims=True)
    noise = np.square(rest).sum(axis=(1, 2)) / ((seeds - 1) * (people - 1))
    return np.maximum(of_seeds[:, 0].var(axis=-1, ddof=1) - noise / people, 0) / seeds


def _drawn(people, seed):
    """How often each person is drawn, of as many with replacement, [DRAWS, people]."""
    drawn = np.random.default_rng(seed).integers(0, people, (DRAWS, people))
    times = np.zeros((DRAWS, people))
    np.add.at(times, (np.arange(DRAWS)[:, None], drawn), 1)
    return times

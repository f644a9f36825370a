"""How strongly a linear probe is held back, by cross-validation over folds of training people."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mmalign.evaluation import logistic
from mmalign.evaluation.people import accuracy_and_f1

# Inverse strengths C of the penalty, the strongest penalty first.
STRENGTHS = tuple(10.0**k for k in range(-4, 5))
LIMITS = (1e-8, 1e8)  # of the search beyond them, while the best is at the edge
FOLDS = 5
ALONE = 16  # people at most who are each a fold of their own, however many windows they have
_PAST_THE_BEST = 3  # weaker penalties tried in vain before the search ends
_MOST_DRAWS, _FEW = 5, 6000  # windows; a draw of folds for so many, more of fewer
MOST = 3000  # windows that a choice is made on: neighbours say little new, and time counts


class Choice(NamedTuple):
    """The chosen strength and what it was chosen on.

    strength: C. curve: ((C, mean macro-F1 over folds and draws), ...), ascending.
    by: "group" (no subject on both sides of a fold), "window" (subjects shared) or "nothing"
      (there were too few windows to choose).
    at_edge: whether the best of all was the last that the search tries.
    """

    strength: float
    curve: tuple[tuple[float, float], ...]
    by: str
    at_edge: bool


def choose(
    scaled: np.ndarray, label: np.ndarray, group: np.ndarray, *,
    strengths: Sequence[float] = STRENGTHS, draws: int | None = None, most: int = MOST,
    seed: int = 0,
) -> Choice:  # fmt: skip
    """The strength of a logistic regression with the best macro-F1 on held-out people.

    Each of few people is left out in turn, so that nothing is drawn; more people are drawn into
    FOLDS folds, anew several times where windows are few. Each draw votes for the top of its curve,
    every value averaged with its neighbours by (1, 2, 1) / 4, ties to the stronger penalty; the
    choice is the geometric mean of the votes. From draw to draw that moves the test's macro-F1 by
    0.7 points on window statistics of UCI HAR and 0.9 on those of Stress-Predict, at all labels,
    and not at 1 and 10 %, where each of 20 to 23 people is left out. Of ten people of SP-SW-HAR,
    with five folds drawn as often as time allows, it was up to 10 points on trained embeddings, and
    its mean 2.6 below that of leaving one out at 10 % of the labels, 0.3 at all. The
    one-standard-error rule cost up to 6 points on window statistics: over few people who differ the
    error is large, and the strongest penalty within it far from the best.

    Args:
      scaled: [n, d] standardised features. label: [n]. group: [n], the subject of each.
      strengths: values of C to try first. The search ends early once weaker penalties no longer
        help, and goes on beyond both ends, within LIMITS, while the best is there.
      draws: of folds; None: one, or up to five the fewer windows there are. People who are no more
        than ALONE, or than the folds of all draws, are each left out instead.
      most: windows to choose on, every second or third and so on where there are more.
      seed: of the draws.
    """
    apart = -(-len(label) // most)
    scaled, label, group = scaled[::apart], label[::apart], group[::apart]
    draws = draws or int(np.clip(_FEW // len(label), 1, _MOST_DRAWS))
    folds, by = _folds(label, group, draws, seed)
    strengths = sorted(strengths)
    if len(strengths) == 1 or not folds:
        return Choice(strengths[len(strengths) // 2], (), by, False)
    found = _searched(strengths, _Paths(scaled, label, folds).score)
    grid, scores = np.array(list(found)), np.stack(list(found.values()))
    mean = scores.mean(axis=1)
    votes = [grid[_smooth(curve).argmax()] for curve in scores.T]
    strength = float(np.exp(np.mean(np.log(votes))) / apart)  # C weighs a sum over windows
    at_edge = bool(np.isin(grid[mean.argmax()], LIMITS))
    return Choice(strength, tuple(zip(grid.tolist(), mean.tolist())), by, at_edge)


def _searched(strengths, score: Callable[[float], np.ndarray]) -> dict[float, np.ndarray]:
    """{C: score of each draw} of the values that were tried, ascending."""
    tried: dict[float, np.ndarray] = {}
    best = lambda: max(tried, key=lambda c: (tried[c].mean(), -c))
    for c in strengths:
        tried[c] = score(c)
        if sum(other > best() for other in tried) == _PAST_THE_BEST:
            break
    top = lambda: tried[max(tried)].mean()
    # where all are alike no penalty is weak enough yet, unless all are perfect
    while max(tried) < LIMITS[1] and top() >= tried[best()].mean() and top() < 1:
        c = min(float(f"{max(tried) * 10:.6g}"), LIMITS[1])  # powers of ten stay such
        tried[c] = score(c)
    while best() == min(tried) > LIMITS[0]:
        c = max(float(f"{best() / 10:.6g}"), LIMITS[0])
        tried[c] = score(c)
    return dict(sorted(tried.items()))


class _Paths:
    """Fits of all folds at once, each from the one at the strength before."""

    def __init__(self, scaled, label, draws):
        self._code = np.unique(label, return_inverse=True)[1]
        self._x = logistic.principal_axes(scaled)
        self._draw = np.repeat(np.arange(len(draws)), [len(draw) for draw in draws])
        self._folds = [fold for draw in draws for fold in draw]
        self._weight = np.zeros((len(self._folds), len(label)), np.float32)
        for weight, (fit, _) in zip(self._weight, self._folds):
            weight[fit] = 1
        self._found = None

    def score(self, strength: float) -> np.ndarray:
        """Macro-F1 on held-out rows, over the classes that they have: of each draw its mean."""
        self._found = logistic.solve(self._x, self._code, self._weight, strength, start=self._found)
        classes, out = self._found.shape[2], []
        for coefficients, (_, held_out) in zip(self._found, self._folds):
            predicted = (self._x[held_out] @ coefficients).argmax(axis=1)
            cells = self._code[held_out] * classes + predicted
            counts = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
            out.append(accuracy_and_f1(counts)[1])
        return np.bincount(self._draw, out) / np.bincount(self._draw)


def _smooth(curve):
    padded = np.pad(curve, 1, mode="edge")
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4


def _folds(label, group, draws, seed):
    """([[(rows to fit, held-out rows), ...] of each draw], what they are drawn by)."""
    for by, unit in (("group", np.unique(group, return_inverse=True)[1]),
                     ("window", np.arange(len(label)))):  # fmt: skip
        units = unit.max() + 1
        alone = by == "group" and units <= max(ALONE, FOLDS * draws)
        count = units if alone else min(FOLDS, units)
        if count < 2:
            continue
        seeds = [None] if alone else range(seed, seed + draws)
        drawn = [list(_draw(label, unit, count, one)) for one in seeds]
        if all(drawn):
            return drawn, by
    return [], "nothing"


def _draw(label, unit, count, seed) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The folds of one draw from which something can be learnt of what is held out."""
    from sklearn.model_selection import GroupKFold

    folds = GroupKFold(count, shuffle=seed is not None, random_state=seed)
    for fit, held_out in folds.split(label, groups=unit):
        known = np.isin(label[held_out], label[fit])
        if len(np.unique(label[fit])) > 1 and known.mean() >= 0.5:
            yield fit, held_out

"""Logistic regressions of one data set, many at once: those of all folds.

What a choice by cross-validation costs is many small fits called one by one: here all problems
share each matrix product, and columns are no more than rows.
"""

import numpy as np

_MEMORY = 8  # pairs of L-BFGS
_BACKTRACKS, _SHRINK, _ENOUGH = 12, 0.4, 1e-4  # of the line search
_TINY = 1e-12


def principal_axes(scaled: np.ndarray) -> np.ndarray:
    """Standardised features [n, d] along their principal axes, and a column of ones.

    A turned space has the same penalty. Returns: float32 [n, k + 1], k <= min(n, d): axes without
    variance are left out.
    """
    n, d = scaled.shape
    x = np.asarray(scaled, np.float32)
    if d <= n:
        variance, vectors = np.linalg.eigh(x.T @ x / n)
    else:
        variance, left = np.linalg.eigh(x @ x.T / n)
        vectors = x.T @ left / np.sqrt(n * np.maximum(variance, _TINY)).astype(np.float32)
    kept = variance > 1e-7 * max(variance[-1], _TINY)
    return np.concatenate([x @ vectors[:, kept], np.ones((n, 1), np.float32)], axis=1)


def solve(
    x: np.ndarray, code: np.ndarray, weight: np.ndarray, strength: float, *,
    start: np.ndarray | None = None, steps: int = 100, tolerance: float = 5e-4,
) -> np.ndarray:  # fmt: skip
    """Coefficients of multinomial logistic regressions with an L2 penalty, as scikit-learn has it.

    Args:
      x: float32 [n, columns], the last one ones, whose coefficient is not penalised.
      code: int [n], the class of each row, 0 to classes - 1.
      weight: [problems, n], 1 for rows that a problem learns from and 0 for others.
      strength: C.
      start: as what is returned; None: zeros. The solution of a stronger penalty is a good one.
      steps: of L-BFGS at most.
      tolerance: of the largest derivative of mean loss and penalty.
    Returns: float32 [problems, columns, classes].
    """
    objective = _Objective(x, code, weight, strength)
    at = np.zeros((len(weight), x.shape[1], objective.classes), np.float32)
    at = at if start is None else start
    out, going = at.copy(), np.arange(len(weight))
    value, slope = objective(at, going)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(steps):
        done = np.abs(slope).max(axis=(1, 2)) < tolerance
        if done.any():
            out[going[done]] = at[done]
            going, at, value, slope = going[~done], at[~done], value[~done], slope[~done]
            pairs = [(s[~done], y[~done]) for s, y in pairs]
        if not len(going):
            break
        step = -_times_inverse(slope, pairs)
        new, new_value, new_slope = _line_search(objective, going, at, value, slope, step)
        pairs = [*pairs, (new - at, new_slope - slope)][-_MEMORY:]
        at, value, slope = new, new_value, new_slope
    out[going] = at
    return out


class _Objective:
    """Mean loss and penalty of some problems, and the gradient.

    Windows are the last axis, along which NumPy is fast; what the true classes add to the gradient
    is the same everywhere.
    """

    def __init__(self, x, code, weight, strength):
        self.x, self.transposed = x, np.ascontiguousarray(x.T)
        true = (code[:, None] == np.arange(code.max() + 1)).astype(np.float32)
        self.classes = true.shape[1]
        total = weight.sum(axis=1, keepdims=True)
        self.share = (weight / total).astype(np.float32)
        self.of_true = np.stack([self.transposed @ (true * s[:, None]) for s in self.share])
        penalised = np.append(np.ones(x.shape[1] - 1), 0.0)
        self.penalty = (penalised / (strength * total))[..., None].astype(np.float32)

    def __call__(self, at, which):
        share, of_true = self.share[which], self.of_true[which]
        flat = at.transpose(2, 0, 1).reshape(self.classes * len(which), -1)
        p = (flat @ self.transposed).reshape(self.classes, len(which), -1)
        top = p.max(axis=0)
        p -= top
        np.exp(p, out=p)
        total = p.sum(axis=0)
        penalty = self.penalty[which] * at
        value = ((np.log(total) + top) * share).sum(axis=1, dtype=float)
        value += ((0.5 * penalty - of_true) * at).sum(axis=(1, 2), dtype=float)
        p *= share / total
        slope = (p.reshape(len(flat), -1) @ self.x).reshape(self.classes, len(which), -1)
        return value, slope.transpose(1, 2, 0) + penalty - of_true


def _times_inverse(slope, pairs):
    """The slope by L-BFGS's estimate of the inverse Hessian, of each problem."""
    dot = lambda a, b: (a * b).sum(axis=(1, 2))[:, None, None]
    q, kept = slope.copy(), []
    for s, y in reversed(pairs):
        rho = 1 / np.maximum(dot(s, y), _TINY)
        alpha = rho * dot(s, q)
        q -= alpha * y
        kept.append((s, y, rho, alpha))
    if pairs:
        s, y = pairs[-1]
        q *= np.maximum(dot(s, y), _TINY) / np.maximum(dot(y, y), _TINY)
    for s, y, rho, alpha in reversed(kept):
        q += (alpha - rho * dot(y, q)) * s
    return q


def _line_search(objective, going, at, value, slope, step):
    """(place, value, slope) of each problem after a step that is short enough to help."""
    new, new_value, new_slope = at.copy(), value.copy(), slope.copy()
    expected = (slope * step).sum(axis=(1, 2))
    length, left = 1.0, np.arange(len(going))
    for _ in range(_BACKTRACKS):
        tried = at[left] + np.float32(length) * step[left]
        found, slopes = objective(tried, going[left])
        allowed = value[left] + _ENOUGH * length * expected[left] + 1e-7 * np.abs(value[left])
        good = found <= allowed
        new[left[good]], new_value[left[good]] = tried[good], found[good]
        new_slope[left[good]] = slopes[good]
        left, length = left[~good], length * _SHRINK
        if not len(left):
            break
    return new, new_value, new_slope

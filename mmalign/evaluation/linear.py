"""The linear probe of a frozen embedding, fitted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.penalty import MOST, STRENGTHS, Choice, choose
from mmalign.evaluation.probe_input import finite_rows, labelled_features
from mmalign.evaluation.quiet import fit_quietly
from mmalign.evaluation.threads import one_thread

# Of the fit that counts; `converged` tells whether they sufficed. Tighter fits moved held-out
# scores by less than half a point, up and down.
_ITERATIONS, _TOLERANCE = 300, 5e-4


class LinearProbe(NamedTuple):
    """A fitted probe, and how its strength was chosen."""

    scaler: Any
    model: Any
    choice: Choice
    converged: bool

    @property
    def strength(self) -> float:
        """The chosen C."""
        return self.choice.strength

    def predict(self, features: ArrayLike) -> np.ndarray:
        """[n, d] -> int [n], the class of each row."""
        with one_thread():
            return self.model.predict(self.scaler.transform(finite_rows(features))).astype(np.int32)

    def protocol(self) -> dict[str, Any]:
        """What a record says of it."""
        choice = self.choice
        return {
            "strength": choice.strength, "curve": choice.curve, "chosen_by": choice.by,
            "at_edge": choice.at_edge, "converged": self.converged,
        }  # fmt: skip


def fit_linear(
    features: ArrayLike, label: ArrayLike, group: ArrayLike, *,
    strengths: Sequence[float] = STRENGTHS, draws: int | None = None, most: int = MOST,
    seed: int = 0,
) -> LinearProbe:  # fmt: skip
    """Multinomial logistic regression with an L2 penalty on standardised features.

    The strength is chosen on folds of the training people, see `penalty.choose`; then the probe is
    fitted on all rows. Nothing of a test set is seen.

    Args:
      features: [n, d] floats, finite.
      label: [n] ints, 0 or more.
      group: [n] ints, the subject of each row.
      strengths, draws, most, seed: as `penalty.choose` takes them; a single strength is taken.
    Returns: LinearProbe.
    Raises: ValueError when fewer than two classes are there, or shapes or values do not fit.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features, label = labelled_features(features, label)
    if not len(strengths):
        raise ValueError("strengths is empty; give at least one value of C")
    with one_thread():
        scaler = StandardScaler().fit(features)
        scaled = np.asarray(scaler.transform(features))
        group = np.asarray(group)
        choice = choose(
            scaled, label, group, strengths=strengths, draws=draws, most=most, seed=seed
        )
        model = LogisticRegression(C=choice.strength, max_iter=_ITERATIONS, tol=_TOLERANCE)
        converged = fit_quietly(model, scaled, label)
    return LinearProbe(scaler, model, choice, converged)

"""Fits of scikit-learn that say whether they converged, and do not print it."""

import threading
import warnings
from typing import Any

import numpy as np

_ALONE = threading.Lock()  # filters of warnings are those of the whole process
_FEW_LABELS = "The number of unique classes is greater than"


def fit_quietly(model: Any, x: np.ndarray, y: np.ndarray) -> bool:
    """Fits; whether the solver says that it converged.

    Other warnings pass through, but that labels look like numbers: few labels of many classes do.
    """
    from sklearn.exceptions import ConvergenceWarning

    with _ALONE, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y)
    converged = True
    for w in caught:
        if issubclass(w.category, ConvergenceWarning):
            converged = False
        elif not str(w.message).startswith(_FEW_LABELS):
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    return converged

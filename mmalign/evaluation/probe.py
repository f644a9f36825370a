"""How much of the label a frozen embedding gives away: linear probe, nearest neighbours, scores."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation import held_out
from mmalign.evaluation.threads import one_thread

# Inverse strengths C of the penalty, strongest penalty first: each fit starts from the one before.
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
NEIGHBOURS = 5
_TRIAL_ITERATIONS = (
    100  # while choosing: bounds the cost of weak penalties on near-collinear features
)
_ITERATIONS = 300  # of the fit that counts; `converged` tells whether they sufficed


class LinearProbe(NamedTuple):
    """A fitted probe. `held_out` tells what the strength was chosen on, see held_out.HeldOut."""

    scaler: Any
    model: Any
    strength: float
    held_out: str
    converged: bool

    def predict(self, features: ArrayLike) -> np.ndarray:
        """[n, d] -> int [n], the class of each row."""
        with one_thread():
            return self.model.predict(self.scaler.transform(_float32(features))).astype(np.int32)


def fit_linear(
    features: ArrayLike, label: ArrayLike, group: ArrayLike, *,
    strengths: Sequence[float] = STRENGTHS, seed: int = 0,
) -> LinearProbe:  # fmt: skip
    """Multinomial logistic regression with an L2 penalty on standardised features.

    The strength with the best accuracy on held-out training subjects wins (ties: the stronger
    penalty), then the probe is fitted on all rows. Nothing of a test set is seen.

    float32, a warm start along the strengths and a gradient tolerance of 5e-4 make 7,352 x 512
    features and 6 classes cost one to six seconds; tighter fits moved held-out accuracy by less
    than half a point, up and down.

    Args:
      features: [n, d] floats, finite.
      label: [n] ints, 0 or more.
      group: [n] ints, the subject of each row.
      strengths: values of scikit-learn's C to try, ascending.
      seed: of the draw of held-out subjects.
    Returns: LinearProbe.
    Raises: ValueError when fewer than two classes are there, or shapes or values do not fit.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features, label = _checked(features, label)
    strengths = tuple(sorted(strengths))
    if not strengths:
        raise ValueError("strengths is empty; give at least one value of C")
    held = held_out.hold_out_groups(group, np.arange(len(label)), seed, label=label)
    model = LogisticRegression(max_iter=_TRIAL_ITERATIONS, tol=5e-4, warm_start=True)
    with one_thread():
        scaler = StandardScaler().fit(features)
        scaled = scaler.transform(features)
        strength = strengths[len(strengths) // 2]
        if len(held.validation) and len(strengths) > 1:
            fit, validation = scaled[held.fit], scaled[held.validation]
            best = -1.0
            for c in strengths:
                _fit(model.set_params(C=c), fit, label[held.fit])
                score = np.mean(model.predict(validation) == label[held.validation])
                if score > best:
                    best, strength = score, c
                    start = np.copy(model.coef_), np.copy(model.intercept_)
            model.coef_, model.intercept_ = start
        converged = _fit(model.set_params(C=strength, max_iter=_ITERATIONS), scaled, label)
    return LinearProbe(scaler, model, float(strength), held.by, converged)


def linear_probe(
    features_train: ArrayLike, label: ArrayLike, group: ArrayLike, features_test: ArrayLike,
    label_test: ArrayLike, *, strengths: Sequence[float] = STRENGTHS, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Fits a probe on training rows (`fit_linear`) and scores it on test rows.

    Returns: dict(accuracy, macro_f1, strength, held_out, converged, predictions).
    """
    probe = fit_linear(features_train, label, group, strengths=strengths, seed=seed)
    predictions = probe.predict(features_test)
    return {
        **scores(label_test, predictions),
        "strength": probe.strength,
        "held_out": probe.held_out,
        "converged": probe.converged,
        "predictions": predictions,
    }


def knn_probe(
    features_train: ArrayLike, label: ArrayLike, features_test: ArrayLike, label_test: ArrayLike,
    *, neighbours: int = NEIGHBOURS,
) -> dict[str, Any]:  # fmt: skip
    """Majority vote of the nearest training rows, Euclidean on standardised features.

    A tied vote goes to the smallest class number. Fewer training rows than `neighbours`: all vote.

    Returns: dict(accuracy, macro_f1, neighbours, predictions).
    """
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

    features_train, label = _checked(features_train, label, least_classes=1)
    k = min(neighbours, len(label))
    with one_thread():
        scaler = StandardScaler().fit(features_train)
        model = KNeighborsClassifier(k, algorithm="brute").fit(
            scaler.transform(features_train), label
        )
        predictions = model.predict(scaler.transform(_float32(features_test))).astype(np.int32)
    return {**scores(label_test, predictions), "neighbours": k, "predictions": predictions}


def scores(label_test: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """Accuracy, and macro-F1 averaged over the classes present in the test set.

    A class that no test window has is left out of the mean (some published code counts it as 1,
    which flatters); a class never predicted counts 0.

    Returns: dict(accuracy, macro_f1), floats in [0, 1].
    """
    from sklearn.metrics import f1_score

    label_test, predictions = np.asarray(label_test), np.asarray(predictions)
    if label_test.shape != predictions.shape or label_test.ndim != 1 or not len(label_test):
        raise ValueError(
            "label_test and predictions must be [n] alike with n > 0, "
            f"got {label_test.shape} and {predictions.shape}"
        )
    f1 = f1_score(
        label_test,
        predictions,
        labels=np.unique(label_test),
        average="macro",
        zero_division=0,  # pyright: ignore[reportArgumentType] untyped, its default is a string
    )
    return {"accuracy": float(np.mean(label_test == predictions)), "macro_f1": float(f1)}


def _checked(features, label, least_classes=2):
    features, label = _float32(features), np.asarray(label)
    if label.shape != (len(features),):
        raise ValueError(f"need a label for each of {len(features)} rows, got shape {label.shape}")
    if not len(label):
        raise ValueError("no labelled training windows: a probe has nothing to learn from")
    if label.min() < 0:
        raise ValueError("label holds -1 (unknown); pass labelled rows only")
    classes = np.unique(label)
    if len(classes) < least_classes:
        raise ValueError(
            f"all {len(label)} training windows are of class {classes[0]}; a linear probe needs two"
        )
    return features, label


def _float32(features):
    features = np.ascontiguousarray(features, np.float32)
    if features.ndim != 2:
        raise ValueError(f"features must be [n, d], got shape {features.shape}")
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features)).any(axis=1).sum())
        raise ValueError(f"features hold NaN or infinity in {bad} of {len(features)} rows")
    return features


def _fit(model, x, y):
    """Fits; returns whether the solver says that it converged. Other warnings pass through."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y)
    converged = True
    for w in caught:
        if issubclass(w.category, ConvergenceWarning):
            converged = False
        else:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    return converged

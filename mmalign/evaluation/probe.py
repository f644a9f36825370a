"""How much of the label a frozen embedding gives away: linear probe, nearest neighbours, forest."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.penalty import MOST, STRENGTHS, Choice, choose
from mmalign.evaluation.quiet import fit_quietly
from mmalign.evaluation.threads import one_thread

NEIGHBOURS = 5
TREES = 200
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
            return self.model.predict(self.scaler.transform(_float32(features))).astype(np.int32)

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

    features, label = _checked(features, label)
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


def linear_probe(
    features_train: ArrayLike, label: ArrayLike, group: ArrayLike, features_test: ArrayLike,
    label_test: ArrayLike, *, strengths: Sequence[float] = STRENGTHS, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Fits a probe on training rows (`fit_linear`) and scores it on test rows.

    Returns: dict(accuracy, macro_f1, strength, curve, chosen_by, at_edge, converged, predictions).
    """
    probe = fit_linear(features_train, label, group, strengths=strengths, seed=seed)
    predictions = probe.predict(features_test)
    return {
        **scores(label_test, predictions), **probe.protocol(), "predictions": predictions,
    }  # fmt: skip


def forest(
    features_train: ArrayLike, label: ArrayLike, features_test: ArrayLike, label_test: ArrayLike,
    *, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Random forest of TREES trees, grown to the end; NaN features are missing values to it.

    Returns: dict(accuracy, macro_f1, predictions).
    """
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(TREES, n_jobs=-1, random_state=seed)
    model.fit(np.asarray(features_train, np.float32), np.asarray(label))
    predictions = model.predict(np.asarray(features_test, np.float32)).astype(np.int32)
    return {**scores(label_test, predictions), "predictions": predictions}


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

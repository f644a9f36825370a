"""How much of the label a frozen embedding gives away: linear probe, nearest neighbours, forest."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.linear import LinearProbe, fit_linear
from mmalign.evaluation.penalty import STRENGTHS
from mmalign.evaluation.probe_input import finite_rows, labelled_features
from mmalign.evaluation.quiet import fit_quietly
from mmalign.evaluation.scoring import scores
from mmalign.evaluation.threads import one_thread

NEIGHBOURS = 5
TREES = 200


def linear_probe(
    features_train: ArrayLike, label: ArrayLike, group: ArrayLike, features_test: ArrayLike,
    label_test: ArrayLike, *, strengths: Sequence[float] = STRENGTHS, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Fits a probe on training rows (`fit_linear`) and scores it on test rows.

    Returns: dict(accuracy, macro_f1, strength, curve, chosen_by, at_edge, converged, predictions).
    """
    probe = fit_linear(features_train, label, group, strengths=strengths, seed=seed)
    return linear_outcome(probe, features_test, label_test)


def linear_outcome(
    probe: LinearProbe, features_test: ArrayLike, label_test: ArrayLike
) -> dict[str, Any]:
    """What a fitted probe is worth on test rows; as `linear_probe` returns."""
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
    fit_quietly(model, np.asarray(features_train, np.float32), np.asarray(label))
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

    features_train, label = labelled_features(features_train, label, least_classes=1)
    k = min(neighbours, len(label))
    with one_thread():
        scaler = StandardScaler().fit(features_train)
        model = KNeighborsClassifier(k, algorithm="brute")
        fit_quietly(model, np.asarray(scaler.transform(features_train)), label)
        predictions = model.predict(scaler.transform(finite_rows(features_test))).astype(np.int32)
    return {**scores(label_test, predictions), "neighbours": k, "predictions": predictions}

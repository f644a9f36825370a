"""What a frozen embedding gives away of every target of the data, not of its label alone."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmalign.data.dataset import TEST, TRAIN, Dataset, Task
from mmalign.evaluation.linear import fit_linear
from mmalign.evaluation.probe_input import finite_rows
from mmalign.evaluation.scoring import scores
from mmalign.evaluation.threads import one_thread, side_by_side

_ALPHAS = tuple(10.0**k for k in range(-4, 7))  # ridge penalties, of standardised features


def probe_targets(z: ArrayLike, dataset: Dataset, seed: int = 0) -> list[dict[str, Any]]:
    """A linear probe of each target, fitted to all training windows that know it.

    Classes, as `fit_linear`: {"accuracy", "balanced_accuracy": the mean over the test's classes of
    the share that is found, "macro_f1", "auroc": of one class against the rest, a mean over those
    of the test, None of a single one, "predicted": share of test windows that each class is given}.
    Real numbers, by ridge regression with leave-one-out: {"mse", "r2", "pearson"}, means over the
    numbers, in units of the target. Several labels at once, a probe each: {"macro_f1",
    "weighted_f1"}, over those that a test window has, None where none has any.

    Args:
      z: [n, d], embeddings of all windows.
      dataset: of n windows.
      seed: of folds.
    Returns: [{"task", "kind", "size", "train_windows", "test_windows", and what is above}]; targets
      that no test window knows, or of one class, are left out.
    """
    z = finite_rows(z)

    def probe(item):
        task, of = item
        target = dataset.targets[task]
        known = _known(target, of)
        fit, ask = (known & (dataset.split == role) for role in (TRAIN, TEST))
        if not ask.any() or len(np.unique(target[fit], axis=0)) < 2:
            return None
        found = _PROBES[of.kind](z, target, dataset.group, fit, ask, seed)
        counts = {"train_windows": int(fit.sum()), "test_windows": int(ask.sum())}
        return {"task": task, "kind": of.kind, "size": of.size, **counts, **found}

    return [found for found in side_by_side(probe, dataset.tasks.items()) if found is not None]


def _known(target, of: Task):
    unknown = np.isnan(target) if of.kind == "real" else target < 0
    return ~unknown.reshape(len(target), -1).any(axis=1)


def _classes(z, target, group, fit, ask, seed):
    from sklearn.metrics import recall_score, roc_auc_score

    probe = fit_linear(z[fit], target[fit], group[fit], seed=seed)
    predictions, label = probe.predict(z[ask]), target[ask]
    with one_thread():
        odds = probe.model.predict_proba(probe.scaler.transform(z[ask]))
    of_classes = [
        roc_auc_score(label == c, odds[:, i]) for i, c in enumerate(probe.model.classes_)
        if 0 < (label == c).sum() < len(label)
    ]  # fmt: skip
    return {
        **scores(label, predictions),
        "balanced_accuracy": float(
            recall_score(label, predictions, labels=np.unique(label), average="macro")
        ),
        "auroc": float(np.mean(of_classes)) if of_classes else None,
        "predicted": (np.bincount(predictions, minlength=target.max() + 1) / len(label)).tolist(),
        "strength": probe.strength,
    }


def _real(z, target, group, fit, ask, seed):
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import mean_squared_error, r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    del group, seed
    target = target.reshape(len(target), -1)
    with one_thread():
        model = make_pipeline(StandardScaler(), RidgeCV(_ALPHAS)).fit(z[fit], target[fit])
        guess = model.predict(z[ask]).reshape(ask.sum(), -1)
    true = target[ask]
    both = [np.corrcoef(a, b)[0, 1] for a, b in zip(true.T, guess.T) if b.std() > 1e-6 * a.std()]
    return {
        "mse": float(mean_squared_error(true, guess)),
        "r2": float(r2_score(true, guess)) if len(true) > 1 else None,
        "pearson": float(np.mean(both)) if both else None,
    }


def _multi_hot(z, target, group, fit, ask, seed):
    from sklearn.metrics import f1_score

    guess = np.zeros((int(ask.sum()), target.shape[1]), int)
    for i, column in enumerate(target[fit].T):
        if len(np.unique(column)) == 2:
            guess[:, i] = fit_linear(z[fit], column, group[fit], seed=seed).predict(z[ask])
        else:
            guess[:, i] = column[0]
    true = target[ask]
    there = np.flatnonzero(true.any(axis=0))  # others are left out, as by `scores`
    if not len(there):
        return {"macro_f1": None, "weighted_f1": None}
    f1 = [f1_score(true[:, i], guess[:, i], zero_division=0) for i in there]  # pyright: ignore[reportArgumentType] untyped, its default is a string
    weighted = np.average(f1, weights=true[:, there].sum(axis=0))
    return {"macro_f1": float(np.mean(f1)), "weighted_f1": float(weighted)}


_PROBES = {"classes": _classes, "real": _real, "multi_hot": _multi_hot}

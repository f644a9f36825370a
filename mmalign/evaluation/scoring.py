"""What predictions are worth: accuracy and macro-F1."""

import numpy as np
from numpy.typing import ArrayLike


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

"""Probes on data whose answer is known; nothing of the test set reaches a choice."""

import warnings

import numpy as np
import pytest

from mmalign.evaluation import fit_linear, knn_probe, linear, linear_probe, scores
from mmalign.evaluation.probe import forest
from mmalign.evaluation.quiet import fit_quietly


def blobs(rng, n, classes=4, dim=12, spread=0.3):
    """[n, dim] clusters around fixed corners, their class, and one of ten subjects."""
    label = np.arange(n) % classes
    corners = 3 * np.eye(dim)[:classes]
    return corners[label] + spread * rng.standard_normal((n, dim)), label, np.arange(n) // 4 % 10


def test_separable_classes_are_read_perfectly(rng):
    (x, y, g), (x_test, y_test, _) = blobs(rng, 200), blobs(rng, 80)
    for result in (linear_probe(x, y, g, x_test, y_test), knn_probe(x, y, x_test, y_test)):
        assert result["accuracy"] == result["macro_f1"] == 1.0
        np.testing.assert_array_equal(result["predictions"], y_test)


def test_features_without_information_give_chance(rng):
    x, x_test = rng.standard_normal((600, 10)), rng.standard_normal((600, 10))
    y, y_test, g = (rng.integers(0, k, 600) for k in (4, 4, 12))
    result = linear_probe(x, y, g, x_test, y_test)
    assert abs(result["accuracy"] - 0.25) < 0.08


def test_scale_and_offset_of_features_do_not_matter(rng):
    (x, y, g), (x_test, y_test, _) = blobs(rng, 200, spread=2.0), blobs(rng, 200, spread=2.0)
    scale, offset = np.logspace(-3, 3, 12), np.linspace(-5, 5, 12)
    plain = linear_probe(x, y, g, x_test, y_test)
    moved = linear_probe(x * scale + offset, y, g, x_test * scale + offset, y_test)
    assert plain["strength"] == moved["strength"]
    assert np.mean(plain["predictions"] == moved["predictions"]) > 0.97


def test_test_labels_and_features_never_reach_the_strength(rng):
    x, y, g = blobs(rng, 160, spread=3.0)
    x_test, y_test, _ = blobs(rng, 80, spread=3.0)
    first = linear_probe(x, y, g, x_test, y_test)
    other = linear_probe(x, y, g, x_test, np.roll(y_test, 1))
    far = linear_probe(x, y, g, 100 * x_test, y_test)
    assert first["strength"] == other["strength"] == far["strength"]
    np.testing.assert_array_equal(first["predictions"], other["predictions"])


def test_a_fit_that_did_not_converge_says_so_without_a_warning(rng, monkeypatch):
    x, y, g = blobs(rng, 200, spread=2.0)
    assert fit_linear(x, y, g).converged
    monkeypatch.setattr(linear, "_ITERATIONS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not fit_linear(x, y, g, strengths=(1.0,)).converged


def test_other_warnings_of_the_solver_pass_through():
    class Model:
        def fit(self, x, y):
            warnings.warn("something else", RuntimeWarning, stacklevel=1)

    with pytest.warns(RuntimeWarning, match="something else"):
        assert fit_quietly(Model(), None, None)


def test_few_labels_of_many_classes_are_nothing_to_warn_of(rng):
    x, y, g = blobs(rng, 22, classes=12)  # errors, if they came
    linear_probe(x, y, g, x, y)
    knn_probe(x, y, x, y)
    forest(x, y, x, y)


def test_a_forest_learns_and_copes_with_missing_features(rng):
    (x, y, _), (x_test, y_test, _) = blobs(rng, 200), blobs(rng, 80)
    x[::3, 0], x_test[::4, 1] = np.nan, np.nan
    found = forest(x, y, x_test, y_test)
    assert found["accuracy"] > 0.9
    np.testing.assert_array_equal(found["predictions"], forest(x, y, x_test, y_test)["predictions"])


def test_nearest_neighbours_equal_brute_force(rng):
    x, x_test = rng.standard_normal((150, 6)), rng.standard_normal((70, 6))
    y, y_test = rng.integers(0, 3, 150), rng.integers(0, 3, 70)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    distance = np.linalg.norm(((x_test - mean) / scale)[:, None] - ((x - mean) / scale), axis=2)
    nearest = y[np.argsort(distance, axis=1)[:, :5]]
    want = [np.bincount(votes, minlength=3).argmax() for votes in nearest]
    result = knn_probe(x, y, x_test, y_test)
    np.testing.assert_array_equal(result["predictions"], want)
    assert result["accuracy"] == np.mean(np.array(want) == y_test)


def test_fewer_windows_than_neighbours_all_vote():
    result = knn_probe(np.eye(3), np.array([1, 1, 0]), np.eye(3), np.array([1, 1, 1]))
    assert (result["neighbours"], result["accuracy"]) == (3, 1.0)


def test_macro_f1_averages_over_the_classes_of_the_test_set():
    # class 0: precision 1, recall 1/2; class 1: precision 1, recall 1; class 2 is not in the test
    result = scores([0, 0, 1, 1], [0, 2, 1, 1])
    assert result["accuracy"] == 0.75
    assert result["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    # a class of the test that is never predicted counts 0, silently
    assert scores([0, 1], [0, 0])["macro_f1"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((0, 2)), np.ones(0, int), "no labelled training windows"),
        (np.ones((4, 2)), np.full(4, 7), "are of class 7; a linear probe needs two"),
        (np.ones((4, 2)), np.array([0, 1, -1, 0]), "holds -1"),
        (np.ones((4, 2)), np.array([0, 1]), "a label for each of 4 rows"),
        (np.ones((4, 2, 2)), np.array([0, 1, 0, 1]), r"must be \[n, d\]"),
        (np.array([[0.0], [np.nan]]), np.array([0, 1]), "in 1 of 2 rows"),
    ],
)
def test_what_no_probe_can_learn_from_is_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        fit_linear(x, y, np.zeros(len(y), int))


def test_an_empty_grid_and_unequal_predictions_are_refused():
    with pytest.raises(ValueError, match="strengths is empty"):
        fit_linear(np.eye(2), np.arange(2), np.arange(2), strengths=())
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2,\)"):
        scores([0, 1, 1], [0, 1])

"""Bounds on information: their equations, their order, and closed forms of Gaussians."""

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign import losses

_compiled = jax.jit(losses.mutual_information, static_argnames="bound")
mutual_information = lambda scores, bound: np.asarray(_compiled(scores, bound=bound))


@functools.cache
def graded(bound):
    """Compiled (scores, where) -> (mean of the bound, its gradient)."""
    of = lambda t, where: losses.mutual_information(t, bound=bound, where=where).mean()
    run = jax.jit(jax.value_and_grad(of))
    return lambda *arrays: jax.device_get(run(*arrays))


def _pairs(t, same):
    return [t[i, j] for i, j in np.ndindex(t.shape) if same or i != j]


REFERENCE = {
    "info_nce": lambda t: np.mean(
        [t[i, i] - np.log(np.mean([np.exp(x) for x in t[i]])) for i in range(len(t))]
    ),
    "nwj": lambda t: np.mean(np.diag(t)) - np.mean(np.exp(_pairs(t, same=False))) / np.e,
    "dv": lambda t: np.mean(np.diag(t)) - np.log(np.mean(np.exp(_pairs(t, same=False)))),
    "club": lambda t: np.mean(np.diag(t)) - np.mean(_pairs(t, same=True)),
}
every_bound = pytest.mark.parametrize("bound", REFERENCE)


@every_bound
def test_the_mean_is_its_equation(rng, bound):
    scores = 3 * rng.standard_normal((7, 7))
    with jax.enable_x64(True):
        got = mutual_information(scores, bound=bound).mean()
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, REFERENCE[bound](scores), rtol=1e-12)
    np.testing.assert_allclose(mutual_information(scores, bound=bound).mean(), got, rtol=1e-5)


@every_bound
def test_each_row_holds_the_part_of_its_pair(rng, bound):
    scores = rng.standard_normal((5, 5))
    own, rest = np.diag(scores), ~np.eye(5, dtype=bool)
    want = (
        own
        - {
            "info_nce": np.log(np.exp(scores).mean(axis=1)),
            "nwj": np.exp(scores - 1).mean(axis=1, where=rest),
            "dv": np.log(np.exp(scores).mean(where=rest)),
            "club": scores.mean(axis=1),
        }[bound]
    )
    np.testing.assert_allclose(mutual_information(scores, bound=bound), want, atol=1e-6)


@every_bound
@pytest.mark.parametrize("level", [-3.0, 0.0, 1.0, 4.0])
def test_equal_scores_know_nothing(bound, level):
    want = level - np.exp(level - 1) if bound == "nwj" else 0
    got = mutual_information(np.full((16, 16), level, np.float32), bound=bound)
    np.testing.assert_allclose(got, np.full(16, want), rtol=1e-5, atol=1e-6)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31 - 1), scale=st.floats(0.01, 30), shift=st.floats(-100, 100))
def test_order_and_the_constants_that_do_not_matter(seed, scale, shift):
    rng = np.random.default_rng(seed)
    scores = (scale * rng.standard_normal((8, 8))).astype(np.float32)
    order = rng.permutation(8)
    rows = shift * rng.standard_normal((8, 1)).astype(np.float32)
    bound_of = lambda bound, t: np.asarray(mutual_information(t, bound=bound))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4 * (1 + abs(shift)))
    for bound in REFERENCE:
        want = bound_of(bound, scores)
        close(bound_of(bound, scores[order][:, order]), want[order])
        if bound in ("info_nce", "club"):
            close(bound_of(bound, scores + rows), want)
        if bound == "dv":
            close(bound_of(bound, scores + np.float32(shift)), want)
    assert bound_of("info_nce", scores).mean() <= np.log(8) + 1e-5
    assert bound_of("nwj", scores).mean() <= bound_of("dv", scores).mean() * (1 + 1e-5) + 1e-4


def test_gaussian_pairs_and_their_exact_log_ratio():
    """Lower bounds meet the information there; CLUB adds the divergence the other way round."""
    rho, rows = 0.8, 400
    draws = np.random.default_rng(7).standard_normal((8, 2, rows))
    x, y = draws[:, 0], rho * draws[:, 0] + (1 - rho**2) ** 0.5 * draws[:, 1]
    a, b = x[:, :, None], y[:, None, :]
    information = float(losses.gaussian_mutual_information(rho))
    ratio = information - (rho**2 * (a * a + b * b) - 2 * rho * a * b) / (2 * (1 - rho**2))
    run = lambda t, bound: float(mutual_information(t.astype(np.float32), bound=bound).mean())
    mean = lambda bound, t: np.mean([run(s, bound) for s in t])
    assert abs(mean("info_nce", ratio) - information) < 0.03
    assert abs(mean("dv", ratio) - information) < 0.03
    assert abs(mean("nwj", ratio + 1) - information) < 0.03
    club = rho**2 / (1 - rho**2) * (rows - 1) / rows
    assert abs(mean("club", ratio) - club) < 0.1
    # a critic that is wrong tells less, but by CLUB
    for bound in ("info_nce", "dv"):
        assert mean(bound, ratio / 3) < information - 0.05


def test_perfect_scores_reach_log_n_and_no_more():
    got = mutual_information(100 * np.eye(16, dtype=np.float32), bound="info_nce")
    np.testing.assert_allclose(got, np.full(16, np.log(16)), rtol=1e-6)


def test_a_small_cross_entropy_has_gradients_with_all_their_digits():
    """Softmax of the other columns is 1e-13: the pair's own is 1 to float32, its slope is not 0."""
    _, grad = graded("info_nce")(30 * np.eye(4, dtype=np.float32), np.ones(4, bool))
    other = np.exp(-30) / (1 + 3 * np.exp(-30)) / 4
    want = np.where(np.eye(4, dtype=bool), 3 * other, -other)
    np.testing.assert_allclose(grad, want, rtol=1e-5)


@every_bound
def test_extreme_scores_stay_finite(rng, bound):
    scores = rng.standard_normal((4, 4)).astype(np.float32)
    scores[0, 0], scores[1, 2], scores[2, 2], scores[3, 0] = np.inf, -np.inf, 1e5, -1e5
    everyone = np.ones(4, bool)
    for sign in (1, -1):
        value, grad = graded(bound)(sign * scores, everyone)
        assert np.isfinite(value) and np.isfinite(grad).all()
        assert grad[0, 0] == grad[1, 2] == 0
    scores[0, 1] = np.nan
    assert np.isnan(graded(bound)(scores, everyone)[0])


def test_exponents_of_nwj_stop_at_80():
    scores = np.zeros((4, 4), np.float32)
    scores[0, 1], scores[1, 2] = 1000, 60
    value, grad = graded("nwj")(scores, np.ones(4, bool))
    np.testing.assert_allclose(value, -np.exp(80) / 12, rtol=1e-4)
    assert grad[0, 1] == 0
    np.testing.assert_allclose(grad[1, 2], -np.exp(59) / 12, rtol=1e-4)


@every_bound
def test_a_pair_that_does_not_count_is_neither_row_nor_column(rng, bound):
    scores, where = rng.standard_normal((6, 6)).astype(np.float32), np.arange(6) % 3 != 1
    kept = np.ix_(where, where)
    spoilt = np.full_like(scores, np.nan)
    spoilt[kept] = scores[kept]
    want, want_grad = graded(bound)(scores[kept], np.ones(4, bool))
    got, grad = graded(bound)(spoilt, where)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    np.testing.assert_allclose(grad[kept], want_grad, rtol=1e-4, atol=1e-6)
    assert np.count_nonzero(grad) == np.count_nonzero(grad[kept])


@every_bound
def test_one_pair_says_nothing(rng, bound):
    scores = 5 + rng.standard_normal((4, 4)).astype(np.float32)
    for where in (np.arange(4) == 1, np.zeros(4, bool)):
        value, grad = graded(bound)(scores, where)
        assert value == 0
        np.testing.assert_array_equal(grad, 0)
    assert mutual_information(scores[:1, :1], bound=bound) == 0


def test_bad_arguments_are_named():
    run = losses.mutual_information
    with pytest.raises(ValueError, match=r"bound must be .*got 'mine'"):
        run(np.ones((4, 4), np.float32), bound="mine")
    for shape in ((4,), (4, 3), (4, 4, 1)):
        with pytest.raises(ValueError, match=r"\[batch, global batch\].* 1 device.*got shape \(4"):
            run(np.ones(shape, np.float32), bound="dv")
    split = jax.vmap(functools.partial(run, bound="dv", axis_name="data"), axis_name="data")
    with pytest.raises(ValueError, match=r"2 device\(s\), got shape \(4, 4\)"):
        split(np.ones((2, 4, 4), np.float32))

"""R^2 of factors that an embedding holds exactly, in part, or not at all."""

import numpy as np
import pytest

from mmalign.evaluation import factor_r2


def halves(*arrays):
    return [x[:400] for x in arrays], [x[400:] for x in arrays]


def test_linear_factors_are_read_exactly_and_independent_ones_not(rng):
    z = rng.standard_normal((800, 10))
    held = 7 + 100 * z @ rng.standard_normal((10, 3))
    other = rng.standard_normal((800, 2))
    (a, held_a, other_a), (b, held_b, other_b) = halves(z, held, other)
    r2 = factor_r2(a, {"held": held_a, "other": other_a}, b, {"held": held_b, "other": other_b})
    assert list(r2) == ["held", "other"]
    assert r2["held"] == pytest.approx(1, abs=1e-5)
    assert -0.1 < r2["other"] < 0.02


def test_half_of_the_variance_gives_a_half(rng):
    z = rng.standard_normal((800, 1))
    factor = (z + rng.standard_normal((800, 1)))[:, 0]
    (a, f), (b, g) = halves(z, factor)
    assert factor_r2(a, {"x": f}, b, {"x": g})["x"] == pytest.approx(0.5, abs=0.08)


def test_columns_count_alike_whatever_their_scale(rng):
    z = rng.standard_normal((800, 200))
    factor = np.c_[z[:, 0], rng.standard_normal(800)]  # one wants a small penalty, one a large
    (a, f), (b, g) = halves(z, factor)
    want = factor_r2(a, {"x": f}, b, {"x": g})["x"]
    for scale in ([1000, 0.001], [0.001, 1000]):
        scaled = factor_r2(a, {"x": f * scale}, b, {"x": g * scale})["x"]
        assert scaled == pytest.approx(want)


def test_a_readout_that_misleads_is_negative_not_clipped(rng):
    z = rng.standard_normal((800, 2))
    (a, f), (b, g) = halves(z, z)
    assert factor_r2(a, {"x": f}, b, {"x": -g})["x"] == pytest.approx(-3, abs=0.2)


def test_the_penalty_saves_a_wide_embedding_of_few_rows(rng):
    z = rng.standard_normal((800, 300))
    factor = z[:, :1] + rng.standard_normal((800, 1))
    (a, f), (b, g) = halves(z, factor)
    chosen = factor_r2(a, {"x": f}, b, {"x": g})["x"]
    assert chosen > factor_r2(a, {"x": f}, b, {"x": g}, penalties=(1e-6,))["x"] + 0.3


def test_the_test_rows_do_not_reach_the_readout(rng):
    z, factor = rng.standard_normal((800, 5)), rng.standard_normal((800, 1))
    (a, f), (b, g) = halves(z, factor)
    all_rows = factor_r2(a, {"x": f}, b, {"x": g})["x"]
    total = lambda y: np.sum((y - y.mean()) ** 2)
    parts = [factor_r2(a, {"x": f}, b[i], {"x": g[i]})["x"] for i in (slice(200), slice(200, 400))]
    errors = [(1 - r) * total(y) for r, y in zip(parts, (g[:200], g[200:]), strict=True)]
    assert sum(errors) == pytest.approx((1 - all_rows) * total(g))


def test_constant_factors_and_features_are_no_trouble(rng):
    z = np.c_[rng.standard_normal(40), np.ones(40)]
    r2 = factor_r2(z, {"x": z, "one": z[:, 1]}, z, {"x": z, "one": z[:, 1]})
    assert r2["x"] == pytest.approx(1, abs=1e-4)
    assert np.isnan(r2["one"])


def test_what_does_not_match_is_refused():
    z, f = np.eye(6), {"x": np.arange(6.0)}
    with pytest.raises(ValueError, match=r"\(6, 6\) and \(6, 5\)"):
        factor_r2(z, f, z[:, :5], f)
    with pytest.raises(ValueError, match="factors differ"):
        factor_r2(z, f, z, {"y": f["x"]})
    with pytest.raises(ValueError, match="'x' has 5 rows, the embedding has 6"):
        factor_r2(z, {"x": np.arange(5.0)}, z, f)
    with pytest.raises(ValueError, match="need 4 training rows"):
        factor_r2(z[:3], {"x": np.arange(3.0)}, z, f)

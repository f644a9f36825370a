import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses

infmasking = jax.jit(losses.infmasking, static_argnames=("tile", "normalise"))


def unit(*degrees):
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


Z, DRAWS = unit(0, 90), [unit(30, 60), unit(-60, 120)]


@pytest.mark.parametrize("tile", [None, 2])
def test_equals_its_form_with_a_covariance_of_each_sample(tile):
    """Values made in float64 from the bound, with the d x d covariance that only v is read of."""
    want = {
        (0.5, 0): 0.619188, (0.5, 0.5): 0.627457, (0.5, 1): 0.635867, (0.5, 2): 0.653107,
        (0.1, 0): 0.087633, (0.1, 0.5): 0.465237, (0.1, 1): 0.865030, (0.1, 2): 1.690294,
    }  # fmt: skip
    with jax.enable_x64(True):
        for (temperature, strength), value in want.items():
            got = infmasking(Z, DRAWS, temperature=temperature, strength=strength, tile=tile)
            np.testing.assert_allclose(got.mean(), value, atol=1e-6)
        each = infmasking(Z, DRAWS, temperature=0.5, tile=tile)
        np.testing.assert_allclose(each, [0.747512, 0.524222], atol=1e-6)
        np.testing.assert_allclose(
            each, _by_covariance(Z, DRAWS, temperature=0.5, strength=1.0), rtol=1e-12
        )


def _by_covariance(z, draws, *, temperature, strength):
    out = []
    for i, q in enumerate(z):
        own = np.stack([k[i] for k in draws])
        mean, covariance = own.mean(axis=0), np.cov(own.T, bias=True)
        others = [j for j in range(len(z)) if j != i]
        keys = np.concatenate([z[others], *(k[others] for k in draws)])
        lift = strength * q @ covariance @ q / (2 * temperature**2)
        logits = np.r_[q @ mean / temperature + lift, keys @ q / temperature]
        out.append(np.log(np.exp(logits).sum()) - q @ mean / temperature)
    return out


def test_gradient_by_the_similarities_of_a_sample():
    """All views attract; the variance, at a low temperature, pushes the best away."""

    def loss(similarity, temperature):
        first = jnp.stack([similarity, jnp.sqrt(1 - similarity**2) * np.array([1, -1])], axis=1)
        draws = [jnp.stack([row, draw[1]]) for row, draw in zip(first, DRAWS)]
        return losses.infmasking(Z, draws, temperature=temperature)[0]

    with jax.enable_x64(True):
        place = np.array([draw[0, 0] for draw in DRAWS])
        for temperature, want in ((0.5, (-0.308311, -0.678986)), (0.1, (8.735062, -9.028740))):
            np.testing.assert_allclose(jax.grad(loss)(place, temperature), want, atol=1e-6)


def test_chance_is_a_matter_of_counting():
    for draws, want in ((4, 5.755742), (5, 5.937536), (6, 6.091310)):
        same = np.ones((64, 3))
        got = infmasking(same, [same] * draws, strength=2.0)
        np.testing.assert_allclose(got, want, rtol=1e-6)
    apart = np.eye(64)
    np.testing.assert_allclose(infmasking(apart, [apart] * 6), 0.0198236, rtol=1e-5)


def test_the_strength_counts_only_where_draws_differ_and_their_order_never():
    z = unit(0, 90, 200)
    for strength in (0.0, 1.0, 3.0):
        got = infmasking(z, [z] * 4, temperature=0.5, strength=strength)
        np.testing.assert_allclose(got.mean(), 0.548903, atol=1e-6)
        one = infmasking(z, [unit(10, 70, 220)], temperature=0.5, strength=strength)
        np.testing.assert_allclose(one, infmasking(z, [unit(10, 70, 220)], temperature=0.5))
    draws = [unit(30, 60, 190), unit(-60, 120, 250), unit(5, 95, 160)]
    each = [infmasking(z, [*order], temperature=0.5) for order in itertools.permutations(draws)]
    np.testing.assert_allclose(each, np.tile(each[0], (6, 1)), rtol=1e-6)


def test_what_does_not_fit_is_named():
    z = np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match="strength must be 0 or more, got -1"):
        losses.infmasking(z, [z], strength=-1)
    with pytest.raises(ValueError, match="need 2 views or more, got 1"):
        losses.infmasking(z, [])
    with pytest.raises(ValueError, match="arrays alike"):
        losses.infmasking(z, [z[:2]])

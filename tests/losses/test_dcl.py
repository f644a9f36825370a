import functools

import jax
import numpy as np
import pytest

from mmalign import losses

dcl = jax.jit(losses.dcl, static_argnames=("tile", "normalise"))


def _from_the_equation(z_a, z_b, temperature, sigma=None, normalise=True):
    """Yeh et al., eq. 6: the sum holds the other samples of both views, and not the positive."""
    z, n = np.concatenate([z_a, z_b]), len(z_a)
    z = z / np.linalg.norm(z, axis=1, keepdims=True) if normalise else z
    weight = np.ones(n)
    if sigma is not None:
        close = np.exp(np.sum(z[:n] * z[n:], axis=1) / sigma)
        weight = 2 - n * close / close.sum()
    out = np.zeros(n)
    for i in range(2 * n):
        total = sum(np.exp(z[i] @ z[k] / temperature) for k in range(2 * n) if k % n != i % n)
        positive = z[i] @ z[(i + n) % (2 * n)] / temperature
        out[i % n] += (np.log(total) - weight[i % n] * positive) / 2
    return out


@pytest.mark.parametrize("tile", [None, 4])
def test_equals_the_loop_written_from_the_equation(rng, tile):
    z_a, z_b = rng.standard_normal((2, 7, 4))
    with jax.enable_x64(True):
        for knobs in ({}, {"sigma": 0.5}, {"normalise": False}):
            for temperature in (0.5, 0.011):
                got = dcl(z_a, z_b, temperature=temperature, tile=tile, **knobs)
                want = _from_the_equation(z_a, z_b, temperature, **knobs)
                np.testing.assert_allclose(got, want, rtol=1e-10)


@pytest.mark.parametrize("tile", [None, 2])
def test_published_formulas_have_their_values(vectors, tile):
    a, b, _ = vectors
    run = functools.partial(dcl, temperature=0.5, tile=tile)
    with jax.enable_x64(True):
        np.testing.assert_allclose(run(a, b), [0.71702463, 0.87749891, 0.37207783], atol=1e-8)
        weighted = run(a, b, sigma=0.5)
        np.testing.assert_allclose(weighted, [0.47443, 0.63490429, 1.02302753], atol=1e-8)
        got = run(a, b, where=np.arange(3) < 2)
        np.testing.assert_allclose(got, [0.0875024, -0.16029822, 0], atol=1e-8)


def test_weights_are_those_of_the_whole_batch(rng):
    z_a, z_b = rng.standard_normal((2, 8, 4)).astype(np.float32)
    where = np.arange(8) % 4 != 1
    part = lambda *x: losses.dcl(*x[:2], sigma=0.5, where=x[2], axis_name="i")
    split = jax.vmap(part, axis_name="i")(
        *(x.reshape(4, 2, *x.shape[1:]) for x in (z_a, z_b, where))
    )
    alone = dcl(z_a[where], z_b[where], sigma=0.5)
    np.testing.assert_allclose(split.reshape(8)[where], alone * 8 / 6, rtol=1e-4, atol=1e-5)


def test_agreement_costs_less_than_nothing_and_a_lone_pair_nothing():
    z = np.eye(6, dtype=np.float32)
    np.testing.assert_allclose(dcl(z, z, temperature=0.2), np.log(10) - 5, rtol=1e-6)
    np.testing.assert_array_equal(dcl(z, z, where=np.arange(6) < 1), 0)


def test_a_sigma_that_is_no_positive_number_is_named():
    z = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        losses.dcl(z, z, sigma=0)

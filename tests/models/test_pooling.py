"""Pooling of the tokens that are kept."""

import jax
import numpy as np

from mmalign.models.pooling import largest, masked_mean


def test_masked_means_are_over_what_is_kept():
    features = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    keep = np.zeros((2, 3, 5), bool)
    keep[0, :, 1:3], keep[1, 0, 4] = True, True
    out = jax.jit(masked_mean)(features, keep)
    np.testing.assert_allclose(out[0], features[:, 1:3].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(out[1, 0], features[0, 4], rtol=1e-5)
    np.testing.assert_array_equal(out[1, 1:], 0)  # nothing kept
    whole = jax.jit(lambda x: (masked_mean(x, np.ones((3, 5), bool)), masked_mean(x)))(features)
    np.testing.assert_allclose(*whole, rtol=1e-5, atol=1e-7)


def test_the_largest_is_of_what_is_kept_and_its_gradient_finite_whatever_is():
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    keep = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0]], bool)

    @jax.jit
    def both(x):
        return largest(x), jax.value_and_grad(lambda x: largest(x, keep).sum())(x)

    whole, (total, grad) = both(x)
    np.testing.assert_array_equal(whole, x.max(axis=1))
    want = np.where(keep[..., None], x, -np.inf).max(axis=1)
    np.testing.assert_allclose(total, want[0].sum() + want[2].sum(), rtol=1e-5)
    np.testing.assert_array_equal(grad != 0, (x == want[:, None]) & keep[..., None])
    ties = np.asarray(both(np.ones_like(x))[1][1])
    np.testing.assert_array_equal(ties.sum(axis=1), [[1, 1], [0, 0], [1, 1]])

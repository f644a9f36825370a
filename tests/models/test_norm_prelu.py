"""LayerNorm and PReLU in one: values and gradients are those of the two in turn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from mmalign.models.norm_prelu import norm_prelu

EPS = 1e-3


def drawn(shape=(3, 7, 12), dtype=jnp.float32):
    rng = np.random.default_rng(0)
    x, g = (rng.normal(1, 2, shape).astype(dtype) for _ in range(2))
    return x, *(rng.normal(size=shape[-1]).astype(np.float32) for _ in range(3)), g


def in_turn(x, scale, bias, slope):
    norm = nn.LayerNorm(epsilon=EPS)
    y = norm.apply({"params": {"scale": scale, "bias": bias}}, x.astype(jnp.float32))
    return (jnp.maximum(y, 0) + slope[None, None] * jnp.minimum(y, 0)).astype(x.dtype)


@jax.jit
def both(x, scale, bias, slope, g):
    """(value, gradients) of the one operation and of the two."""
    found = []
    for function in (lambda *a: norm_prelu(*a, EPS), in_turn):
        out, back = jax.vjp(function, x, scale, bias, slope)
        found.append((out, *back(g)))
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-5), (jnp.bfloat16, 2e-2)])
def test_values_and_gradients_are_those_of_the_two_in_turn(dtype, tolerance):
    for found, want in zip(*both(*drawn(dtype=dtype))):
        assert found.dtype == want.dtype and found.shape == want.shape
        found, want = (np.asarray(x, np.float32) for x in (found, want))
        np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance * np.abs(want).max())


def test_rows_without_spread_stay_finite_and_zero_rows_zero():
    x, scale, bias, slope, g = drawn()
    out, *gradients = both(0 * x, scale, 0 * bias, slope, g)[0]
    np.testing.assert_array_equal(out, 0)
    assert all(np.isfinite(d).all() for d in gradients)


def test_only_the_input_and_two_numbers_of_each_step_are_kept():
    x, *rest, _ = drawn((4, 50, 24))
    back = jax.eval_shape(lambda *a: jax.vjp(lambda *b: norm_prelu(*b, EPS), *a)[1], x, *rest)
    kept = sum(leaf.size for leaf in jax.tree.leaves(back))
    assert kept <= x.size + 2 * 4 * 50 + 3 * 24

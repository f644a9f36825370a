import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.losses.numerics import (
    absolute,
    compute_dtype,
    softplus,
    squared_distances,
    unit_norm,
    widen,
)
from mmalign.losses.rows import rows_that_count


def test_compute_dtype_is_float32_or_wider():
    assert compute_dtype(np.ones(2, jnp.bfloat16)) == jnp.float32
    assert compute_dtype(np.ones(2, jnp.float16), np.ones(2, jnp.bfloat16)) == jnp.float32
    with jax.enable_x64(True):
        assert compute_dtype(np.ones(2, jnp.float32), np.ones(2, jnp.float64)) == jnp.float64
        assert [x.dtype for x in widen(np.ones(2), np.ones(2, np.float32))] == [jnp.float64] * 2


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.bool_, jnp.complex64])
def test_one_array_that_is_not_floating_point_is_an_error(dtype):
    with pytest.raises(TypeError, match="expected floating-point arrays"):
        compute_dtype(np.ones(2), np.ones(2, dtype))


def test_infinite_entries_become_large_finite_ones_without_a_gradient():
    @functools.partial(jax.grad, has_aux=True)
    def graded(x):
        (wide,) = widen(x)
        return wide[:3].sum(), wide

    slope, wide = jax.jit(graded)(np.array([1.0, np.inf, -np.inf, np.nan], jnp.bfloat16))
    np.testing.assert_array_equal(wide, np.array([1, 1e6, -1e6, np.nan], np.float32))
    np.testing.assert_array_equal(slope, [1, 0, 0, 0])


def test_unit_norm_gives_length_one_at_any_usual_scale(rng):
    x = rng.standard_normal((50, 7)) * np.geomspace(1e-4, 1e37, 50)[:, None]
    got = np.asarray(jax.jit(unit_norm)(x.astype(np.float32)), np.float64)
    np.testing.assert_allclose(got, x / np.linalg.norm(x, axis=1, keepdims=True), atol=3e-7)


def test_unit_norm_of_a_zero_row_is_zero_with_a_finite_gradient():
    run = jax.jit(lambda x: (unit_norm(x), jax.jacobian(unit_norm)(x)))
    unit, slopes = run(np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(unit, 0)
    assert np.isfinite(slopes).all()


def test_rows_that_count_are_all_for_none():
    np.testing.assert_array_equal(rows_that_count(None, (2, 3)), np.ones((2, 3), bool))


def test_absolute_is_flat_at_zero():
    run = jax.jit(jax.vmap(jax.value_and_grad(absolute)))
    value, slope = run(np.array([-2.0, 0.0, 3.0], np.float32))
    np.testing.assert_array_equal(value, [2, 0, 3])
    np.testing.assert_array_equal(slope, [-1, 0, 1])


def test_softplus_and_its_slope_keep_their_digits_at_any_size():
    x = np.array([-1e6, -80, -15, -1e-3, 0, 2, 30, 1e6], np.float32)
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(softplus)))(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(value, np.logaddexp(0, exact), rtol=3e-7)
    np.testing.assert_allclose(slope, np.exp(-np.logaddexp(0, -exact)), rtol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_squared_distances_are_those_of_the_loop_and_never_negative(rng, offset):
    a, b = (rng.standard_normal((n, 3)).astype(np.float32) + np.float32(offset) for n in (5, 7))
    want = [[np.sum((p - q) ** 2) for q in b.astype(np.float64)] for p in a.astype(np.float64)]
    np.testing.assert_allclose(jax.jit(squared_distances)(a, b), want, rtol=1e-4, atol=1e-5)

    @functools.partial(jax.grad, has_aux=True)
    def graded(a):
        distances = squared_distances(a, a)
        return distances.sum(), distances

    for rows in (a, np.repeat(a[:1], 5, axis=0)):
        slope, distances = jax.device_get(jax.jit(graded)(rows))
        assert (distances >= 0).all() and np.isfinite(slope).all()


def test_the_gradient_of_a_short_row_is_bounded_and_exact_from_1e_3_on(rng):
    direction = np.array([[1, 0, 0]], np.float32)
    pull = jax.jit(jax.grad(lambda x: unit_norm(x)[0, 1]))
    for length, want in ((1e-2, 100), (1e-3, 1000), (1e-4, 100), (1e-7, 0.01), (0, 0)):
        slope = pull(direction * np.float32(length))
        np.testing.assert_allclose(slope, [[0, want, 0]], rtol=1e-4, atol=1e-12)

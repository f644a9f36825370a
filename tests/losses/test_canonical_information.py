"""Information by canonical correlations against its equation, closed forms, and itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses

WHERE = np.arange(16) % 4 != 1


def reference(x, y, noise=0.3):
    """By canonical correlations, from singular values of the whitened cross-correlation."""

    def white(z):
        z = (z - z.mean(axis=0)) / z.std(axis=0)
        values, vectors = np.linalg.eigh(z.T @ z / len(z) + noise**2 * np.eye(z.shape[1]))
        return z @ vectors / np.sqrt(values)

    rho = np.linalg.svd(white(x).T @ white(y) / len(x), compute_uv=False)
    return -0.5 * np.log(1 - rho**2).sum()


@functools.cache
def program():
    of = lambda x, y, where: losses.canonical_information(x, y, where=where)
    run = jax.jit(jax.value_and_grad(of, argnums=(0, 1)))
    return lambda *arrays: jax.device_get(run(*arrays))


def batch(rng, rows=16, dtype=np.float32):
    x = rng.standard_normal((rows, 3))
    y = x[:, :1] * [1.0, -0.5] + 0.7 * rng.standard_normal((rows, 2))
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("noise", [0.1, 0.3, 1.0])
def test_it_is_its_equation(rng, noise):
    with jax.enable_x64(True):
        x, y = batch(rng, dtype=np.float64)
        got = jax.jit(losses.canonical_information)(x, y, noise=noise)
        assert got.dtype == jnp.float64 and got.shape == ()
    np.testing.assert_allclose(got, reference(x, y, noise), rtol=1e-10)
    single, _ = program()(*(z.astype(np.float32) for z in (x, y)), np.ones(16, bool))
    np.testing.assert_allclose(single, reference(x, y), rtol=1e-4)


def test_scalars_of_a_known_correlation_have_the_information_of_the_closed_form(rng):
    x = rng.standard_normal((100_000, 1))
    for rho in (0.3, 0.9):
        y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(x.shape)
        got = losses.canonical_information(x, y, noise=0.01)
        np.testing.assert_allclose(got, losses.gaussian_mutual_information(rho), atol=0.01)
    with jax.enable_x64(True):  # a copy has what the noise leaves: rho = 1 / (1 + noise^2)
        got = losses.canonical_information(x, -3 * x + 1, noise=0.5)
    np.testing.assert_allclose(got, losses.gaussian_mutual_information(0.8), rtol=1e-6)


def test_it_is_symmetric_and_blind_to_means_scales_and_order(rng):
    x, y = batch(rng)
    want, _ = program()(x, y, WHERE)
    order = rng.permutation(16)
    far = x * np.float32([1e-12, 1, 1e12]) + np.float32([0, 3, 0])
    for a, b, where in ((far, y, WHERE), (x[order], y[order], WHERE[order]), (1e18 * x, y, WHERE)):
        np.testing.assert_allclose(program()(a, b, where)[0], want, rtol=1e-4)
    np.testing.assert_allclose(losses.canonical_information(y, x, where=WHERE), want, rtol=1e-5)


def test_rows_that_do_not_count_are_not_seen(rng):
    x, y = batch(rng)
    dirty = [np.where(WHERE[:, None], z, np.nan) for z in (x, y)]
    want, want_grads = program()(x, y, WHERE)
    got, grads = program()(*dirty, WHERE)
    np.testing.assert_array_equal(got, want)
    alone = losses.canonical_information(x[WHERE], y[WHERE])
    np.testing.assert_allclose(got, alone, rtol=1e-5)
    for grad, want_grad in zip(grads, want_grads):
        np.testing.assert_array_equal(grad, want_grad)
        np.testing.assert_array_equal(grad[~WHERE], 0)


@pytest.mark.parametrize("mapped", ["vmap", "shard_map"])
def test_devices_share_a_batch(rng, mapped):
    x, y = batch(rng)
    loss = lambda *z: losses.canonical_information(*z[:2], where=z[2], axis_name="data")

    def total(x, y):
        if mapped == "vmap":
            pieces = [z.reshape(4, 4, *z.shape[1:]) for z in (x, y, WHERE)]
            return jax.vmap(loss, axis_name="data")(*pieces)[0]
        mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        rows = jax.P("data")
        return jax.shard_map(loss, mesh=mesh, in_specs=rows, out_specs=jax.P())(x, y, WHERE)

    want, want_grads = program()(x, y, WHERE)
    got, grads = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))(x, y)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    for grad, want_grad in zip(grads, want_grads):
        np.testing.assert_allclose(grad, want_grad, rtol=1e-4, atol=1e-6)


def test_degenerate_batches_are_finite(rng):
    x, y = batch(rng)
    constant = x.copy()
    constant[:, 1] = 7.1
    one, none = np.arange(16) == 3, np.zeros(16, bool)
    overflown = np.where(np.arange(16)[:, None] == 2, np.inf, x)
    for a, b, where, zero in (
        (0 * x, y, WHERE, True), (x, y, one, True), (x, y, none, True),
        (constant, y, WHERE, False), (overflown, y, WHERE, False), (x, x[:, :2], WHERE, False),
    ):  # fmt: skip
        value, grads = program()(a.astype(np.float32), b, where)
        assert np.isfinite(value) and all(np.isfinite(grad).all() for grad in grads)
        assert (abs(value) < 1e-5) == zero


def test_columns_that_are_alike_are_finite_with_any_noise(rng):
    x = rng.standard_normal((256, 32)).astype(np.float32)
    y = (x @ rng.standard_normal((32, 64))).astype(np.float32)
    of = lambda x, y: losses.canonical_information(x, y, noise=1e-6)
    value, grads = jax.jit(jax.value_and_grad(of, (0, 1)))(x, y)
    assert value > 50 and all(np.isfinite(grad).all() for grad in grads)


def test_gradients_match_finite_differences(rng, check_slopes):
    with jax.enable_x64(True):
        x, y = batch(rng, dtype=np.float64)
        check_slopes(lambda x, y: losses.canonical_information(x, y, where=WHERE), (x, y))


def test_narrow_floats_are_computed_in_float32(rng):
    x, y = (z.astype(jnp.bfloat16) for z in batch(rng))
    got = losses.canonical_information(x, y)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, reference(*(z.astype(np.float64) for z in (x, y))), rtol=1e-4)


def test_bad_input_is_an_error():
    x = np.zeros((4, 2), np.float32)
    with pytest.raises(ValueError, match=r"need \[batch, dim_x\] and \[batch, dim_y\], got"):
        losses.canonical_information(x, x[:3])
    with pytest.raises(ValueError, match="need a row and a column"):
        losses.canonical_information(x, x[:, :0])
    with pytest.raises(ValueError, match="noise must be positive, got 0"):
        losses.canonical_information(x, x, noise=0)
    with pytest.raises(TypeError, match="expected floating-point arrays, got int32"):
        losses.canonical_information(x.astype(np.int32), x)
    with pytest.raises(ValueError, match=r"where must be of shape \[4\], got \[2\]"):
        losses.canonical_information(x, x, where=np.ones(2, bool))

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign import losses

info_nce = jax.jit(losses.info_nce, static_argnames=("symmetric", "axis_name"))
nt_xent = jax.jit(losses.nt_xent, static_argnames="axis_name")
one_way = functools.partial(info_nce, symmetric=False)
both = pytest.mark.parametrize("loss", [info_nce, nt_xent], ids=["info_nce", "nt_xent"])


def _unit(z):
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def _info_nce_one_way(z_a, z_b, temperature):
    """-log exp(s_ii) / sum_k exp(s_ik), s = cosine / temperature: van den Oord et al., eq. 4."""
    a, b = _unit(z_a), _unit(z_b)
    out = []
    for i in range(len(a)):
        scores = [np.exp(a[i] @ b[k] / temperature) for k in range(len(b))]
        out.append(-np.log(scores[i] / sum(scores)))
    return np.array(out)


def _info_nce(z_a, z_b, temperature):
    return 0.5 * (
        _info_nce_one_way(z_a, z_b, temperature) + _info_nce_one_way(z_b, z_a, temperature)
    )


def _nt_xent(z_a, z_b, temperature):
    """Chen et al., eq. 1, over the 2N vectors; the loss of a pair is the mean of l(i,j), l(j,i)."""
    z, n = _unit(np.concatenate([z_a, z_b])), len(z_a)
    out = np.zeros(n)
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        scores = [np.exp(z[i] @ z[k] / temperature) for k in range(2 * n) if k != i]
        out[i % n] += 0.5 * -np.log(np.exp(z[i] @ z[partner] / temperature) / sum(scores))
    return out


@pytest.mark.parametrize(
    ("loss", "reference"),
    [(info_nce, _info_nce), (one_way, _info_nce_one_way), (nt_xent, _nt_xent)],
    ids=["info_nce", "one_way", "nt_xent"],
)
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_equals_the_loop_written_from_the_equation(rng, loss, reference, temperature):
    z_a, z_b = rng.standard_normal((2, 9, 4))
    want = reference(z_a, z_b, temperature)
    np.testing.assert_allclose(loss(z_a, z_b, temperature=temperature), want, rtol=2e-5)
    with jax.enable_x64(True):
        np.testing.assert_allclose(loss(z_a, z_b, temperature=temperature), want, rtol=1e-12)


def test_constant_embeddings_cost_log_of_the_candidates(per_example):
    z = jnp.ones((16, 5))
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_allclose(per_example(info_nce, z, z), np.log(16), rtol=1e-6)
        np.testing.assert_allclose(per_example(nt_xent, z, z), np.log(31), rtol=1e-6)


def test_orthogonal_samples_with_equal_views_cost_the_analytic_value():
    z = jnp.eye(12)
    tail = np.exp(-1 / 0.2)
    np.testing.assert_allclose(info_nce(z, z, temperature=0.2), np.log1p(11 * tail), rtol=1e-6)
    np.testing.assert_allclose(nt_xent(z, z, temperature=0.2), np.log1p(22 * tail), rtol=1e-6)


@both
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), scale=st.floats(1e-3, 1e3))
def test_scale_order_rotation_and_sides_do_not_matter(loss, seed, scale):
    rng = np.random.default_rng(seed)
    z_a, z_b = rng.standard_normal((2, 8, 4)).astype(np.float32)
    order = rng.permutation(8)
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0].astype(np.float32)
    want = loss(z_a, z_b)
    np.testing.assert_allclose(loss(scale * z_a[order], z_b[order]), want[order], rtol=1e-4)
    np.testing.assert_allclose(loss(z_a @ turn, z_b @ turn), want, rtol=1e-4)
    np.testing.assert_allclose(loss(z_b, z_a), want, rtol=1e-5)


def test_rows_with_false_are_no_negatives(rng):
    z_a, z_b = rng.standard_normal((2, 6, 4))
    where = np.array([True, True, False, True, True, False])
    for loss, reference in ((info_nce, _info_nce), (nt_xent, _nt_xent)):
        want = np.zeros(6)
        want[where] = reference(z_a[where], z_b[where], 0.1) * 6 / 4
        np.testing.assert_allclose(loss(z_a, z_b, where=where), want, rtol=1e-4)


@both
@pytest.mark.parametrize("rows", [1, 4])
def test_a_row_without_negatives_costs_nothing(rng, loss, rows):
    z_a, z_b = rng.standard_normal((2, rows, 4))
    where = np.arange(rows) == 0
    value, grads = jax.value_and_grad(lambda *z: loss(*z, where=where).sum(), argnums=(0, 1))(
        z_a, z_b
    )
    assert value == 0
    np.testing.assert_array_equal(grads, 0)


@both
def test_digits_survive_down_to_tiny_losses(loss):
    """float32 against float64 at temperature 0.03; log-sum-exp minus positive loses all digits."""
    rng = np.random.default_rng(3)
    z_a = rng.standard_normal((64, 128)).astype(np.float32)
    noise = np.linspace(0.7, 2.5, 64)[:, None].astype(np.float32)
    z_b = z_a + noise * rng.standard_normal((64, 128)).astype(np.float32)

    def value_and_row_grads(z_a, z_b):
        def one(row, i):  # gradient of a row's own loss, not swamped by those of large ones
            return loss(z_a.at[i].set(row), z_b, temperature=0.03)[i]

        return jax.vmap(jax.value_and_grad(one))(z_a, jnp.arange(64))

    got, grads = jax.tree.map(np.asarray, jax.jit(value_and_row_grads)(z_a, z_b))
    with jax.enable_x64(True):
        wide = jax.jit(value_and_row_grads)(z_a.astype(np.float64), z_b.astype(np.float64))
        want, want_grads = jax.tree.map(np.asarray, wide)
    assert want.min() < 1e-7
    assert want.max() > 0.01
    np.testing.assert_allclose(got, want, rtol=1e-5)
    error = np.linalg.norm(grads - want_grads, axis=1)
    assert (error <= 1e-5 * np.linalg.norm(want_grads, axis=1)).all()


@both
def test_a_very_low_temperature_does_not_overflow(rng, loss):
    z = rng.standard_normal((2, 8, 4))
    run = jax.value_and_grad(lambda z: loss(*z, temperature=1e-3).mean())
    value, grads = jax.jit(run)(z)
    assert value > 80  # exp of the gap would be infinite
    assert jnp.isfinite(value)
    assert jnp.isfinite(grads).all()
    assert jnp.abs(grads).max() > 0
    value = float(value)
    with jax.enable_x64(True):
        np.testing.assert_allclose(value, loss(*z, temperature=1e-3).mean(), rtol=1e-5)


@both
@pytest.mark.parametrize(
    "rows", [np.zeros((8, 4)), np.ones((8, 4)), np.eye(8, 4)], ids=["zero", "equal", "some_zero"]
)
def test_zero_and_identical_rows_have_finite_gradients(loss, rows):
    z = jnp.asarray(rows, jnp.float32)
    grads = jax.jit(jax.grad(lambda a, b: loss(a, b).sum(), argnums=(0, 1)))(z, z)
    assert all(jnp.isfinite(g).all() for g in grads)


@both
def test_the_temperature_can_be_learned(rng, loss):
    z_a, z_b = rng.standard_normal((2, 8, 4))
    with jax.enable_x64(True):
        value = jax.jit(lambda t: loss(z_a, z_b, temperature=t).mean())
        slope = jax.grad(value)(0.3)
        np.testing.assert_allclose(slope, (value(0.301) - value(0.299)) / 0.002, rtol=1e-4)


@both
def test_bad_arguments_are_named(loss):
    z = jnp.ones((4, 3))
    with pytest.raises(ValueError, match=r"two \[batch, dim\] arrays alike, got \(4, 3\) and \(5"):
        loss(z, jnp.ones((5, 3)))
    with pytest.raises(ValueError, match=r"two \[batch, dim\] arrays alike"):
        loss(z[0], z[0])
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        loss.__wrapped__(z, z, temperature=0.0)
    with pytest.raises(ValueError, match=r"temperature must be a scalar, got shape \(4,\)"):
        loss(z, z, temperature=jnp.ones(4))
    with pytest.raises(TypeError, match="floating-point"):
        loss(z, jnp.ones((4, 3), jnp.int32))

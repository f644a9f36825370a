import functools

import jax
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
    z = np.ones((16, 5), np.float32)
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_allclose(per_example(info_nce, z, z), np.log(16), rtol=1e-6)
        np.testing.assert_allclose(per_example(nt_xent, z, z), np.log(31), rtol=1e-6)


def test_orthogonal_samples_with_equal_views_cost_the_analytic_value():
    z = np.eye(12, dtype=np.float32)
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
    of = lambda z_a, z_b, where: loss(z_a, z_b, where=where).sum()
    value, grads = jax.jit(jax.value_and_grad(of, argnums=(0, 1)))(z_a, z_b, np.arange(rows) == 0)
    assert value == 0
    np.testing.assert_array_equal(grads, 0)


@both
def test_a_very_low_temperature_does_not_overflow(rng, loss):
    z = rng.standard_normal((2, 8, 4))
    run = jax.jit(jax.value_and_grad(lambda z: loss(*z, temperature=1e-3).mean()))
    value, grads = jax.device_get(run(z))
    assert value > 80  # exp of the gap would be infinite
    assert np.isfinite(value)
    assert np.isfinite(grads).all()
    assert np.abs(grads).max() > 0
    with jax.enable_x64(True):
        np.testing.assert_allclose(value, run(z)[0], rtol=1e-5)


@both
def test_zero_and_identical_rows_have_finite_gradients(loss):
    run = jax.jit(jax.grad(lambda a, b: loss(a, b).sum(), argnums=(0, 1)))
    for z in (np.zeros((8, 4)), np.ones((8, 4)), np.eye(8, 4)):
        assert all(np.isfinite(g).all() for g in run(z, z))


@both
def test_the_temperature_can_be_learned(rng, check_slopes, loss):
    z_a, z_b = rng.standard_normal((2, 8, 4))
    with jax.enable_x64(True):
        check_slopes(lambda t: loss(z_a, z_b, temperature=t).mean(), [np.array(0.3)], rtol=1e-4)


@both
def test_bad_arguments_are_named(loss):
    z = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"two \[batch, dim\] arrays alike, got \(4, 3\) and \(5"):
        loss(z, np.ones((5, 3), np.float32))
    with pytest.raises(ValueError, match=r"two \[batch, dim\] arrays alike"):
        loss(z[0], z[0])
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        loss.__wrapped__(z, z, temperature=0.0)
    with pytest.raises(ValueError, match=r"temperature must be a scalar, got shape \(4,\)"):
        loss(z, z, temperature=np.ones(4, np.float32))
    with pytest.raises(TypeError, match="floating-point"):
        loss(z, np.ones((4, 3), np.int32))

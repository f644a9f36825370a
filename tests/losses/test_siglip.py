import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses

sigmoid = jax.jit(losses.sigmoid, static_argnames=("tile", "axis_name"))


def _from_the_equation(z_a, z_b, scale, bias):
    """Zhai et al., eq. 1: the sum over j of -log sigmoid(y_ij (scale x_i.y_j + bias))."""
    a, b = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (z_a, z_b))
    out = np.zeros(len(a))
    for i in range(len(a)):
        for j in range(len(b)):
            sign = 1 if i == j else -1
            out[i] += np.log1p(np.exp(-sign * (scale * a[i] @ b[j] + bias)))
    return out


@pytest.mark.parametrize("tile", [None, 4])
def test_equals_the_loop_written_from_the_equation(rng, tile):
    z_a, z_b = rng.standard_normal((2, 9, 4))
    want = _from_the_equation(z_a, z_b, 10.0, -10.0)
    got = sigmoid(z_a, z_b, np.log(10.0), -10.0, tile=tile)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    with jax.enable_x64(True):
        got = sigmoid(z_a, z_b, np.log(10.0), -10.0, tile=tile)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_logits_of_zero_cost_log_2_a_pair():
    a, b = jnp.eye(16)[:8], jnp.eye(16)[8:]
    np.testing.assert_allclose(sigmoid(a, b, 0.0, 0.0), 8 * np.log(2), rtol=1e-6)


def test_scale_and_bias_can_be_learned(rng):
    z_a, z_b = rng.standard_normal((2, 8, 4))
    with jax.enable_x64(True):
        value = jax.jit(lambda s, b: losses.sigmoid(z_a, z_b, s, b, tile=3).mean())
        slopes = jax.grad(value, argnums=(0, 1))(1.0, -2.0)
        np.testing.assert_allclose(
            slopes[0], (value(1.001, -2.0) - value(0.999, -2.0)) / 0.002, rtol=1e-4
        )
        np.testing.assert_allclose(
            slopes[1], (value(1.0, -1.999) - value(1.0, -2.001)) / 0.002, rtol=1e-4
        )


def test_tiny_losses_keep_their_digits():
    z = np.eye(8, dtype=np.float32)
    got = sigmoid(z, z, np.log(40.0), -20.0)
    np.testing.assert_allclose(got, 8 * np.log1p(np.exp(-20.0)), rtol=1e-5)


def test_bad_arguments_are_named(rng):
    z = jnp.ones((4, 3))
    with pytest.raises(ValueError, match=r"two \[batch, dim\] arrays alike"):
        losses.sigmoid(z, z[:3], 1.0, 0.0)
    with pytest.raises(ValueError, match=r"bias must be a scalar, got shape \(4,\)"):
        losses.sigmoid(z, z, 1.0, jnp.ones(4))
    with pytest.raises(ValueError, match="log_scale must be a scalar"):
        losses.sigmoid(z, z, jnp.ones(1), 0.0)

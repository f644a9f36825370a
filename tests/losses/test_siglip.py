import jax
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
    a, b = np.split(np.eye(16, dtype=np.float32), 2)
    np.testing.assert_allclose(sigmoid(a, b, 0.0, 0.0), 8 * np.log(2), rtol=1e-6)


def test_scale_and_bias_can_be_learned(rng, check_slopes):
    z_a, z_b = rng.standard_normal((2, 8, 4))
    of = lambda scale, bias: losses.sigmoid(z_a, z_b, scale, bias, tile=3).mean()
    with jax.enable_x64(True):
        for _ in range(2):  # lines in the plane of both
            check_slopes(of, [np.array(1.0), np.array(-2.0)])


def test_tiny_losses_keep_their_digits():
    z = np.eye(8, dtype=np.float32)
    got = sigmoid(z, z, np.log(40.0), -20.0)
    np.testing.assert_allclose(got, 8 * np.log1p(np.exp(-20.0)), rtol=1e-5)


def test_bad_arguments_are_named(rng):
    z = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"two \[batch, dim\] arrays alike"):
        losses.sigmoid(z, z[:3], 1.0, 0.0)
    with pytest.raises(ValueError, match=r"bias must be a scalar, got shape \(4,\)"):
        losses.sigmoid(z, z, 1.0, np.ones(4, np.float32))
    with pytest.raises(ValueError, match="log_scale must be a scalar"):
        losses.sigmoid(z, z, np.ones(1, np.float32), 0.0)

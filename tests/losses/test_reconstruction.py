import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses

masked_mse = jax.jit(losses.masked_mse, static_argnames="axis_name")


@pytest.fixture
def patches(rng):
    prediction, target = rng.standard_normal((2, 8, 3, 5, 4)).astype(np.float32)
    mask = rng.random((8, 3, 5)) < 0.5
    mask[2] = False
    return prediction, target, mask


def _loop(prediction, target, mask):
    out = []
    for p, t, m in zip(*(np.asarray(x, np.float64) for x in (prediction, target, mask))):
        errors = [np.mean((p[i] - t[i]) ** 2) for i in np.ndindex(m.shape) if m[i]]
        out.append(np.mean(errors) if errors else 0.0)
    return np.array(out)


def test_equals_the_loop_over_scored_patches(patches):
    np.testing.assert_allclose(masked_mse(*patches), _loop(*patches), rtol=1e-6)


def test_an_error_of_three_everywhere_costs_nine(per_example):
    target = jnp.zeros((8, 6, 2))
    mask = jnp.arange(6)[None] < jnp.arange(1, 5).repeat(2)[:, None]
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_allclose(per_example(masked_mse, target + 3, target, mask), 9)


def test_an_example_without_scored_patches_costs_nothing(patches):
    assert masked_mse(*patches)[2] == 0


@pytest.mark.parametrize("value", [1e6, np.inf, np.nan])
@pytest.mark.parametrize("side", [0, 1], ids=["prediction", "target"])
def test_patches_that_are_not_scored_change_nothing(patches, value, side):
    *arrays, mask = patches
    value_and_grad = jax.value_and_grad(lambda *x: masked_mse(*x, mask).sum(), argnums=(0, 1))
    want, want_grads = value_and_grad(*arrays)
    arrays[side] = np.where(mask[..., None], arrays[side], np.float32(value))
    got, grads = value_and_grad(*arrays)
    assert got == want
    for grad, want_grad in zip(grads, want_grads):
        np.testing.assert_array_equal(grad, want_grad)
        np.testing.assert_array_equal(grad[~mask], 0)


def test_the_order_and_grid_of_patches_do_not_matter(rng, patches):
    flat = [x.reshape(8, 15, *x.shape[3:]) for x in patches]
    order = rng.permutation(15)
    np.testing.assert_allclose(masked_mse(*flat), masked_mse(*patches), rtol=1e-6)
    got = masked_mse(*(x[:, order] for x in flat))
    np.testing.assert_allclose(got, masked_mse(*patches), rtol=1e-6)


def test_bad_arguments_are_named(patches):
    prediction, target, mask = patches
    with pytest.raises(ValueError, match=r"prediction and target must both be \[batch, ..., val"):
        masked_mse(prediction, target[:, :2], mask)
    with pytest.raises(ValueError, match="prediction and target must both be"):
        masked_mse(np.ones(3), np.ones(3), np.ones(3, bool))
    with pytest.raises(ValueError, match=r"mask must be of shape \[8, 3, 5\], got \[8, 3\]"):
        masked_mse(prediction, target, mask[..., 0])
    with pytest.raises(TypeError, match="mask must be bool, got float32"):
        masked_mse(prediction, target, mask.astype(np.float32))

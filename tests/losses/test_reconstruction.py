import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign import losses

masked_mse = jax.jit(losses.masked_mse, static_argnames="axis_name")
masked_l1 = jax.jit(losses.masked_l1, static_argnames="axis_name")
masked_huber = jax.jit(losses.masked_huber, static_argnames="axis_name")
PENALTIES = {
    masked_mse: lambda e: e**2,
    masked_l1: abs,
    masked_huber: lambda e: e**2 / 2 if abs(e) <= 1 else abs(e) - 1 / 2,
}
every_loss = pytest.mark.parametrize("loss", PENALTIES, ids=["mse", "l1", "huber"])


@pytest.fixture
def patches(rng):
    prediction, target = rng.standard_normal((2, 8, 3, 5, 4)).astype(np.float32)
    mask = rng.random((8, 3, 5)) < 0.5
    mask[2] = False
    return prediction, target, mask


def _loop(penalty, prediction, target, mask):
    out = []
    for p, t, m in zip(*(np.asarray(x, np.float64) for x in (prediction, target, mask))):
        errors = [np.mean([penalty(e) for e in p[i] - t[i]]) for i in np.ndindex(m.shape) if m[i]]
        out.append(np.mean(errors) if errors else 0.0)
    return np.array(out)


@every_loss
def test_equals_the_loop_over_scored_patches(patches, loss):
    want = _loop(PENALTIES[loss], *patches)
    np.testing.assert_allclose(loss(*patches), want, rtol=1e-6)


@every_loss
def test_without_a_mask_every_patch_is_scored(patches, loss):
    prediction, target, mask = patches
    got = loss(prediction, target)
    want = loss(prediction, target, np.ones_like(mask))
    np.testing.assert_allclose(got, want, rtol=1e-6)
    vectors = prediction[:, 0, 0], target[:, 0, 0]  # [batch, values] are one patch each
    want = _loop(PENALTIES[loss], *(x[:, None] for x in vectors), np.ones((8, 1)))
    np.testing.assert_allclose(loss(*vectors), want, rtol=1e-6)


def test_an_error_of_three_everywhere_costs_nine(per_example):
    target = np.zeros((8, 6, 2), np.float32)
    mask = np.arange(6)[None] < np.arange(1, 5).repeat(2)[:, None]
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_allclose(per_example(masked_mse, target + 3, target, mask), 9)


def test_an_example_without_scored_patches_costs_nothing(patches):
    assert np.asarray(masked_mse(*patches))[2] == 0


@pytest.mark.parametrize("size", [0.5, 3.0])
def test_errors_of_one_size_have_closed_forms(size):
    target = np.zeros((2, 3, 4), np.float32)
    for delta in (0.5, 1.0, 2.0, 10.0):
        want = size**2 / 2 if size <= delta else delta * (size - delta / 2)
        np.testing.assert_allclose(masked_huber(target - size, target, delta=delta), [want] * 2)
    np.testing.assert_allclose(masked_l1(target - size, target), [size] * 2)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-10, 10),
    share=st.floats(0, 1),
)
def test_unit_and_level_do_what_they_say(seed, scale, shift, share):
    rng = np.random.default_rng(seed)
    prediction, target = rng.standard_normal((2, 4, 6, 3)).astype(np.float32)
    mask, scale = rng.random((4, 6)) < share, np.float32(scale)
    moved = [x + np.float32(shift) for x in (prediction, target)]
    for loss, power in ((masked_mse, 2), (masked_l1, 1)):
        want = np.asarray(loss(prediction, target, mask))
        np.testing.assert_allclose(loss(target, prediction, mask), want, rtol=1e-6)
        np.testing.assert_allclose(loss(*moved, mask), want, rtol=1e-3, atol=1e-5)
        scaled = loss(scale * prediction, scale * target, mask)
        np.testing.assert_allclose(scaled, want * scale**power, rtol=1e-4)
    want = np.asarray(masked_huber(prediction, target, mask))
    scaled = masked_huber(scale * prediction, scale * target, mask, delta=scale)
    np.testing.assert_allclose(scaled, want * scale**2, rtol=1e-4)
    assert (want <= np.asarray(masked_mse(prediction, target, mask)) / 2 + 1e-6).all()
    assert (want <= np.asarray(masked_l1(prediction, target, mask)) + 1e-6).all()


@every_loss
def test_no_error_has_no_gradient_and_extreme_ones_a_finite_one(patches, loss):
    prediction, _, mask = patches
    run = jax.jit(jax.grad(lambda x, y: loss(x, y, mask).mean()))
    grad = lambda *arrays: np.asarray(run(*arrays))
    np.testing.assert_array_equal(grad(prediction, prediction), 0)
    far = prediction.copy()
    far[0], far[1] = np.inf, 1e15
    slope = grad(far, prediction)
    assert np.isfinite(loss(far, prediction, mask)).all() and np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[0], 0)


@functools.cache
def _value_and_grads(loss):
    run = jax.jit(jax.value_and_grad(lambda *x: loss(*x).sum(), argnums=(0, 1)))
    return lambda *arrays: jax.device_get(run(*arrays))


@pytest.mark.parametrize("value", [1e6, np.inf, np.nan])
@pytest.mark.parametrize("side", [0, 1], ids=["prediction", "target"])
@every_loss
def test_patches_that_are_not_scored_change_nothing(patches, loss, value, side):
    *arrays, mask = patches
    run = _value_and_grads(loss)
    want, want_grads = run(*arrays, mask)
    arrays[side] = np.where(mask[..., None], arrays[side], np.float32(value))
    got, grads = run(*arrays, mask)
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
    for delta, said in ((0, "positive, got 0"), (-1.0, "positive, got -1"), (mask[0], "a scalar")):
        with pytest.raises(ValueError, match=f"delta must be {said}"):
            losses.masked_huber(prediction, target, mask, delta=delta)


# normalise_patches

normalise_patches = jax.jit(losses.normalise_patches)


def test_normalised_patches_have_mean_zero_and_variance_one(rng, check_slopes):
    target = 3 + 5 * rng.standard_normal((4, 2, 3, 6)).astype(np.float32)
    got = np.asarray(normalise_patches(target))
    np.testing.assert_allclose(got.mean(axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(got.var(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(normalise_patches(-100 * target + 7), -got, atol=1e-4)
    with jax.enable_x64(True):
        wide = target.astype(np.float64)
        want = (wide - wide.mean(axis=-1, keepdims=True)) / np.sqrt(
            wide.var(axis=-1, keepdims=True) + 0.5
        )
        np.testing.assert_allclose(normalise_patches(wide, eps=0.5), want, rtol=1e-12)
        of = lambda target: (losses.normalise_patches(target) ** 3).sum()
        check_slopes(of, [wide[0, 0]], rtol=1e-4)
    np.testing.assert_allclose(masked_mse(0 * got, got), np.ones(4), rtol=1e-5)


def test_flat_patches_and_single_values_become_zero_with_a_finite_gradient():
    for target in (np.full((2, 5), 0.1, np.float32), np.array([[3.0], [-1.0]], np.float32)):
        np.testing.assert_allclose(normalise_patches(target), np.zeros_like(target), atol=1e-4)
        assert np.isfinite(jax.jit(jax.jacobian(losses.normalise_patches))(target)).all()


def test_a_patch_that_is_not_finite_spoils_no_other():
    target = np.array([[1, 3], [np.nan, 0], [np.inf, 0]], jnp.bfloat16)
    with jax.numpy_dtype_promotion("strict"):
        got = normalise_patches(target)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, [[-1, 1], [np.nan, np.nan], [1, -1]], rtol=1e-5)


def test_bad_targets_are_named():
    for shape in ((), (3, 0)):
        with pytest.raises(ValueError, match=r"target must be \[..., values\], got shape \("):
            losses.normalise_patches(np.ones(shape, np.float32))
    with pytest.raises(TypeError, match="floating-point arrays, got int32"):
        losses.normalise_patches(np.ones((2, 3), np.int32))

"""Digits and edges: what cancels, overflows, has no direction or no size, and is still right."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses

SINGLE, HALF = np.float32, np.float16


@functools.cache
def covariance():
    of = lambda z: losses.vicreg(z, z)["covariance"] / 2
    run = jax.jit(jax.value_and_grad(of))
    return lambda z: jax.device_get(run(z))


@pytest.mark.parametrize("shape", [(4, 2), (24, 6), (8, 20)])
@pytest.mark.parametrize("width", [1, 100, 1e3, 1e6])
def test_a_wide_column_costs_no_digit_of_vicregs_covariance(rng, shape, width):
    z = rng.standard_normal(shape) * np.where(np.arange(shape[1]) == 0, width, 1)
    x = z - z.mean(axis=0)
    off = x.T @ x / (len(z) - 1)
    np.fill_diagonal(off, 0)
    value, slope = covariance()(z.astype(SINGLE))
    np.testing.assert_allclose(value, np.sum(off**2) / shape[1], rtol=1e-4 if width > 1e3 else 2e-5)
    want = 4 / (len(z) - 1) / shape[1] * x @ off
    for column in (0, slice(1, None)):  # the gradients of wide and of narrow ones differ in size
        error = np.linalg.norm(slope[:, column] - want[:, column])
        assert error < 1e-4 * np.linalg.norm(want[:, column]) * max(1, width / 1e3)


def test_the_covariance_of_four_rows_is_what_it_is():
    z = np.array([[1000, 1], [-1000, 1], [1000, -1], [-1000, -1.1]], SINGLE)
    np.testing.assert_allclose(2 * covariance()(z)[0], 2222.2222, rtol=1e-4)


@pytest.mark.parametrize("shape", [(8, 3), (4, 9)])
def test_huge_entries_are_scaled_before_they_are_squared(rng, shape):
    x, y = rng.standard_normal((2, *shape)).astype(SINGLE)
    for huge in (1e10, 1e19, 1e30):
        big, other = x * SINGLE(huge), y * SINGLE(huge)
        np.testing.assert_allclose(losses.mmd(big, other), losses.mmd(x, y), rtol=1e-5, atol=1e-6)
        assert losses.coral(big, -big) == 0
        terms, want = losses.barlow_twins(big, other), losses.barlow_twins(1e4 * x, 1e4 * y)
        for name, value in terms.items():
            np.testing.assert_allclose(value, want[name], rtol=1e-4)
        terms = losses.vicreg(big, big)
        assert terms["invariance"] == terms["variance"] == 0
        assert terms["covariance"] > 1e30  # and infinite from about 1e10 on
        patch = losses.normalise_patches(big)
        np.testing.assert_allclose(patch, losses.normalise_patches(1e4 * x), rtol=1e-4, atol=1e-6)
        ranking = losses.sequence_ranking(big[:4], length=2, margin=huge)
        want = losses.sequence_ranking(x[:4], length=2, margin=1.0) * SINGLE(huge)
        np.testing.assert_allclose(ranking, want, rtol=1e-5)


@pytest.mark.parametrize("form", ["linear", "exponent"])
def test_without_concentration_it_is_the_debiased_loss_down_to_opposite_rows(form):
    a = np.array([[1, 0], [-1, 0]], SINGLE)
    hard = jax.jit(functools.partial(losses.hard_negative, beta=0, prior=0, form=form))
    of = lambda a, b: hard(a, b, temperature=0.1).mean()
    np.testing.assert_allclose(hard(a, -a, temperature=0.1), 20, rtol=1e-6)
    np.testing.assert_allclose(hard(a, -a, temperature=0.5), np.log1p(np.exp(4) + 1), rtol=1e-6)
    other = losses.hard_negative(a, -a, beta=0, prior=0, form=form, temperature=0.5, own_view=False)
    np.testing.assert_allclose(other, 4.01815, rtol=1e-5)
    assert all(np.isfinite(g).all() for g in jax.grad(of, argnums=(0, 1))(a, -a))


@pytest.mark.parametrize("dtype", [HALF, SINGLE])
def test_a_row_without_direction_gets_no_gradient_and_a_short_one_a_bounded_one(rng, dtype):
    graded = jax.jit(jax.grad(lambda z, y: losses.info_nce(z, y).mean()))
    z, y = rng.standard_normal((2, 32, 8)).astype(dtype)
    usual = np.linalg.norm(graded(z, y), axis=1).max()
    for length in (0, 1e-7, 1e-5, 1e-3):
        z[3] = y[0] * dtype(length)
        slope = np.linalg.norm(graded(z, y).astype(SINGLE), axis=1)
        assert np.isfinite(slope).all()
        assert slope[3] <= 5e3 * usual
        if length < 1e-6:
            assert slope[3] <= 2 * usual


def test_information_of_tables_with_empty_cells_has_a_gradient():
    slope = jax.grad(losses.entropy)(jnp.array([1.0, 0.0]))
    np.testing.assert_array_equal(slope, [-1, 0])
    table = jnp.array([[0.5, 0.0], [0.25, 0.25]])
    assert np.isfinite(jax.grad(losses.total_correlation)(table)).all()


def test_scales_temperatures_and_bandwidths_are_bounded(rng):
    x, y = rng.standard_normal((2, 4, 3)).astype(SINGLE)
    for of in (
        lambda t: losses.info_nce(x, y, temperature=t).mean(),
        lambda t: losses.sigmoid(x, y, 100 - t, -10.0).mean(),
        lambda t: losses.mmd(x, y, bandwidths=t),
        lambda t: losses.cocoa([x, y], temperature=t).mean(),
    ):
        for cold in (1e-40, 0.0):
            value, slope = jax.jit(jax.value_and_grad(of))(cold)
            assert np.isfinite(value) and np.isfinite(slope)
    np.testing.assert_array_equal(
        losses.info_nce(x, y, temperature=1e-40), losses.info_nce(x, y, temperature=1e-6)
    )


@pytest.mark.parametrize(
    "label",
    [
        np.array([0, 1, 0, 1]) + 3_000_000_000, np.array([0, 1, 0, 1]) * 2**32,
        (np.array([0, 1, 0, 1]) + 2**31).astype(np.uint32), np.array([2, 3, 2, 3]) * 2**40,
        np.array([7, 9, 7, 9], np.uint8),
    ],
)  # fmt: skip
def test_labels_of_any_integers_are_told_apart(rng, label):
    z = rng.standard_normal((4, 3)).astype(SINGLE)
    np.testing.assert_array_equal(losses.supcon(z, label), losses.supcon(z, np.array([0, 1, 0, 1])))
    negative = np.array([-(2**40), 1, 2**40, 2**40])
    want = losses.supcon(z, np.array([-1, 1, 2, 2]))
    np.testing.assert_array_equal(losses.supcon(z, negative), want)


def test_traced_unsigned_labels_are_known_across_devices(rng):
    z = rng.standard_normal((8, 3)).astype(SINGLE)
    label = np.arange(8) % 3
    part = lambda z, k: losses.supcon(z, k, axis_name="i")
    run = jax.jit(lambda z, k: jax.vmap(part, axis_name="i")(z.reshape(4, 2, 3), k.reshape(4, 2)))
    got = run(z, (label + 2**31).astype(np.uint32)).reshape(8)
    np.testing.assert_allclose(got, losses.supcon(z, label), rtol=1e-5)


def _calls():
    z, none = np.ones((4, 3), SINGLE), np.ones((0, 3), SINGLE)
    views = lambda loss: functools.partial(lambda loss, z, **k: loss([z, z], **k), loss)
    two = {
        "info_nce": losses.info_nce,
        "vicreg": losses.vicreg,
        "mmd": losses.mmd,
        "dcl": losses.dcl,
    }
    for name, loss in two.items():
        yield f"{name}-empty", ValueError, "row and a column", lambda loss=loss: loss(none, none)
        yield (
            f"{name}-flat",
            ValueError,
            "row and a column",
            lambda loss=loss: loss(z[:, :0], z[:, :0]),
        )
    for name in ("cmc", "cocoa", "weighted_supcon", "leave_one_out", "symile", "frossl"):
        loss = views(getattr(losses, name))
        yield f"{name}-empty", ValueError, "row and a column", lambda loss=loss: loss(none)
    for loss in (losses.koleo, functools.partial(losses.sequence_ranking, length=2)):
        yield "one-empty", ValueError, "row and a column", lambda loss=loss: loss(none)
    yield "logits", ValueError, "row and", lambda: losses.density_ratio(none[:, 0], none[:, 0])
    yield "patches", ValueError, "row and a column", lambda: losses.masked_mse(none, none)
    yield (
        "length",
        ValueError,
        "whole number, got 2.0",
        lambda: losses.sequence_ranking(z, length=2.0),
    )
    for bad in (None, "0.1", True):
        said = f"temperature must be a number, got {bad!r}"
        for name in ("info_nce", "nt_xent", "debiased", "dcl"):
            loss = getattr(losses, name)
            yield name, TypeError, said, lambda loss=loss, bad=bad: loss(z, z, temperature=bad)
        for name in ("cmc", "cocoa", "weighted_supcon", "symile"):
            loss = views(getattr(losses, name))
            yield name, TypeError, said, lambda loss=loss, bad=bad: loss(z, temperature=bad)
    yield "scale", TypeError, "log_scale must be a number", lambda: losses.clip(z, z, None)
    yield "bias", TypeError, "bias must be a number", lambda: losses.sigmoid(z, z, 1.0, "b")


@pytest.mark.parametrize(("error", "said", "call"), [c[1:] for c in _calls()])
def test_what_cannot_be_is_said(error, said, call):
    with pytest.raises(error, match=said):
        call()

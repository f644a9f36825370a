import functools

import jax
import numpy as np
import pytest

from mmalign import losses

STATIC = ("own_view", "symmetric", "tile")
info_nce = jax.jit(losses.info_nce, static_argnames=("symmetric", "tile"))
nt_xent = jax.jit(losses.nt_xent)
debiased = jax.jit(losses.debiased, static_argnames=STATIC)
hard_negative = jax.jit(losses.hard_negative, static_argnames=(*STATIC, "beta", "form"))
released = functools.partial(dict, temperature=0.2, prior=0.01, own_view=False, symmetric=False)


def _released_inputs():
    """The inputs at which CroSSL's released code was run."""
    i, j = np.indices((6, 4))
    z_a = np.sin(0.7 * i + 1.3 * j + 0.1 * i * j)
    return z_a, np.cos(0.5 * i - 0.9 * j + 0.2 * i * j)


def _unit(z):
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def _from_the_equation(z_a, z_b, temperature, prior, beta):
    """Robinson et al., eq. 4 with samples (beta = 0: Chuang et al., eq. 7), over both views."""
    z, n = _unit(np.concatenate([z_a, z_b])), len(z_a)
    out = np.zeros(n)
    for i in range(2 * n):
        positive = np.exp(z[i] @ z[(i + n) % (2 * n)] / temperature)
        others = [k for k in range(2 * n) if k % n != i % n]
        scores = np.array([np.exp(z[i] @ z[k] / temperature) for k in others])
        weights = scores**beta / np.mean(scores**beta)
        corrected = (np.sum(weights * scores) - len(others) * prior * positive) / (1 - prior)
        negative = max(corrected, len(others) * np.exp(-1 / temperature))
        out[i % n] += -0.5 * np.log(positive / (positive + negative))
    return out


@pytest.mark.parametrize("tile", [None, 4])
def test_gives_what_crossls_released_code_gives(tile):
    arrays = _released_inputs()
    with jax.enable_x64(True):
        plain = info_nce(*arrays, temperature=0.2, symmetric=False, tile=tile)
        dcl = debiased(*arrays, tile=tile, **released())
        hard = hard_negative(*arrays, tile=tile, beta=2, form="linear", **released())
    np.testing.assert_allclose(np.asarray(plain).mean(), 2.504935, atol=1e-6)
    np.testing.assert_allclose(np.asarray(dcl).mean(), 2.506828, atol=1e-6)
    np.testing.assert_allclose(np.asarray(hard).mean(), 4.093379, atol=1e-6)


@pytest.mark.parametrize("prior", [0.0, 0.1, 0.6])  # the last meets the floor
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_equals_the_loop_written_from_the_equation(rng, prior, beta):
    z_a, z_b = rng.standard_normal((2, 7, 3))
    want = _from_the_equation(z_a, z_b, 0.5, prior, beta)
    for tile in (None, 3):
        got = hard_negative(z_a, z_b, beta=beta, prior=prior, tile=tile)
        np.testing.assert_allclose(got, want, rtol=2e-5)
    if beta == 0:
        np.testing.assert_allclose(debiased(z_a, z_b, prior=prior), want, rtol=2e-5)


def test_without_a_prior_it_is_the_plain_loss(rng):
    z_a, z_b = rng.standard_normal((2, 7, 3)).astype(np.float32)
    knobs = {"prior": 0.0, "temperature": 0.3}
    want = nt_xent(z_a, z_b, temperature=0.3)
    np.testing.assert_allclose(debiased(z_a, z_b, **knobs), want, rtol=1e-5)
    want = info_nce(z_a, z_b, temperature=0.3)
    np.testing.assert_allclose(debiased(z_a, z_b, own_view=False, **knobs), want, rtol=1e-5)


def test_both_forms_agree_at_beta_1(rng):
    z_a, z_b = rng.standard_normal((2, 7, 3)).astype(np.float32)
    want = hard_negative(z_a, z_b)
    np.testing.assert_allclose(hard_negative(z_a, z_b, form="linear"), want, rtol=1e-6)


@pytest.mark.parametrize("loss", [debiased, hard_negative])
@pytest.mark.parametrize("tile", [None, 2])
def test_a_row_without_negatives_and_a_low_temperature_are_finite(rng, loss, tile):
    def total(z_a, z_b, where):
        return loss(z_a, z_b, temperature=0.01, where=where, tile=tile).sum()

    z_a, z_b = rng.standard_normal((2, 4, 3)).astype(np.float32)
    graded = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))
    run = lambda *arrays: jax.device_get(graded(*arrays))
    value, grads = run(z_a, z_b, np.arange(4) == 0)
    assert value == 0
    np.testing.assert_array_equal(grads, 0)
    value, grads = run(z_a, z_b, np.ones(4, bool))
    assert value > 10
    assert np.isfinite(grads).all()


def test_bad_arguments_are_named():
    z = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"prior must lie in \[0, 1\), got 1"):
        losses.debiased(z, z, prior=1)
    with pytest.raises(ValueError, match="symmetric=False goes with own_view=False"):
        losses.debiased(z, z, symmetric=False)
    with pytest.raises(ValueError, match="beta must be a Python number, 0 or more, got -1"):
        losses.hard_negative(z, z, beta=-1)
    with pytest.raises(ValueError, match='form must be "exponent" or "linear", got \'hard\''):
        losses.hard_negative(z, z, form="hard")

"""Contrastive losses of rows as they are, normalise=False: exact, tiled, and of unit rows."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses

ROWS, DIM = 6, 3


def _supcon(a, b, **knobs):
    return losses.supcon([a, b], jnp.arange(ROWS) // 2, **knobs)


def _views(loss, **fixed):
    return lambda a, b, **knobs: loss([a, b, a[::-1]], **fixed, **knobs)


LOSSES = {
    "info_nce": losses.info_nce,
    "nt_xent": losses.nt_xent,
    "clip": functools.partial(losses.clip, log_scale=0.5),
    "sigmoid": functools.partial(losses.sigmoid, log_scale=0.5, bias=-1.0),
    "debiased": functools.partial(losses.debiased, prior=0.3),
    "hard_negative": functools.partial(losses.hard_negative, own_view=False),
    "cmc": _views(losses.cmc, temperature=0.7),
    "gmc": lambda a, b, **knobs: losses.gmc([a], b, **knobs),
    "comm": lambda a, b, **knobs: losses.comm([a, b], [b, a], **knobs),
    "cocoa": _views(losses.cocoa, temperature=2.0),
    "cocoa_ratio": _views(losses.cocoa, form="ratio"),
    "supcon": _supcon,
    "supcon_inside": functools.partial(_supcon, inside=True),
    "weighted_supcon": _views(losses.weighted_supcon),
    "leave_one_out": _views(losses.leave_one_out),
    "symile": _views(losses.symile),
    "gram": lambda a, b, **knobs: losses.gram(a, [b], **knobs),
    "triangle": lambda a, b, **knobs: losses.triangle(a, b, a[::-1], **knobs),
}


SUMS = ("info_nce", "nt_xent", "hard_negative", "cocoa_ratio", "supcon_inside", "symile", "gram")


@functools.cache
def compiled(loss, graded=False, **knobs):
    of = lambda z: loss(*z, **knobs)
    run = lambda z: (of(z), jax.grad(lambda z: jnp.sin(of(z)).sum())(z))
    run = jax.jit(run if graded else of)
    return lambda z: jax.device_get(run(z))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_of_unit_rows_they_are_the_losses_of_normalised_ones(rng, loss):
    z = rng.standard_normal((2, ROWS, DIM))
    with jax.enable_x64(True):
        want = compiled(loss)(z)
        tiled = compiled(loss, normalise=False, tile=4)
        np.testing.assert_allclose(tiled(z / np.linalg.norm(z, axis=2, keepdims=True)), want)
        assert np.abs(tiled(3 * z) - want).max() > 1e-3


@pytest.mark.parametrize("name", SUMS)
def test_tiles_give_what_the_plain_form_does(rng, name):
    z = rng.standard_normal((2, ROWS, DIM))
    knobs = {"graded": True, "normalise": False}
    with jax.enable_x64(True):
        for scale in (1, 3):  # similarities up to 30 and below
            want, slope = compiled(LOSSES[name], **knobs)(scale * z)
            got, tiled = compiled(LOSSES[name], **knobs, tile=4)(scale * z)
            np.testing.assert_allclose(got, want, rtol=1e-9)
            np.testing.assert_allclose(tiled, slope, rtol=1e-7, atol=1e-9 * np.abs(slope).max())


@pytest.mark.parametrize("tile", [None, 4])
def test_they_are_the_equations_of_inner_products(rng, tile):
    """InfoNCE both ways, SigLIP and COCOA's ratio by their sums; the rest is built of these."""
    a, b = rng.standard_normal((2, ROWS, DIM))
    s = a @ b.T
    lse = lambda x, axis: np.log(np.exp(x).sum(axis=axis))
    info = (lse(s / 0.5, 0) + lse(s / 0.5, 1)) / 2 - np.diag(s) / 0.5
    sign = 2 * np.eye(ROWS) - 1
    sigmoid = np.log1p(np.exp(-sign * (2 * s - 1))).sum(axis=1)
    others = ~np.eye(ROWS, dtype=bool)
    negative = sum(np.exp(z @ z.T / 2).mean(axis=1, where=others) for z in (a, b))
    ratio = np.log1p(negative / (2 * np.exp(np.diag(s) / 2)))
    knobs = {"normalise": False, "tile": tile}
    with jax.enable_x64(True):
        found = jax.jit(
            lambda a, b: (
                losses.info_nce(a, b, temperature=0.5, **knobs),
                losses.sigmoid(a, b, np.log(2), -1.0, **knobs),
                losses.cocoa([a, b], form="ratio", temperature=2.0, **knobs),
            )
        )(a, b)
    for got, want in zip(found, (info, sigmoid, ratio)):
        np.testing.assert_allclose(got, want, rtol=1e-9)

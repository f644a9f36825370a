"""Losses between two views by name: each is the equation that its name and defaults stand for."""

import jax
import numpy as np
import pytest

from mmalign.methods.view_losses import DEFAULTS, view_loss

CHANGED = {  # of the defaults; of all others the temperature
    "vicreg": {"invariance": 2.0, "variance": 3.0, "covariance": 5.0, "unbiased": False},
    "barlow_twins": {"redundancy": 0.3},
}
SOME = np.array([1, 1, 0, 1, 1, 1], bool)


@pytest.fixture(scope="module")
def views():
    """The inputs at which CroSSL's released code was run."""
    i, j = np.indices((6, 4))
    z_a = np.sin(0.7 * i + 1.3 * j + 0.1 * i * j)
    return z_a, np.cos(0.5 * i - 0.9 * j + 0.2 * i * j)


@pytest.fixture(scope="module")
def found(small, views):
    """{what is asked: {name: (loss, terms)}}, all in one program."""

    def of(name, z_a, z_b, where, *spread, **knobs):
        if name == "cocoa":
            return view_loss(name, **knobs)([z_a, z_b], [where] * 2)
        return view_loss(name, **knobs)(z_a, z_b, where, *spread)

    @small.jit
    def program(a, b):
        everyone, few = np.ones(6, bool), np.ones(5, bool)
        warm = {"temperature": 0.6}
        return {
            "usual": {n: of(n, a, b, everyone) for n in DEFAULTS},
            "changed": {n: of(n, a, b, everyone, **CHANGED.get(n, warm)) for n in DEFAULTS},
            "lacking": {n: of(n, a, b, SOME) for n in DEFAULTS},
            "without": {n: of(n, a[SOME], b[SOME], few) for n in DEFAULTS},
            "spread": {"vicreg": of("vicreg", a, b, everyone, (2 * a, 3 * b))},
        }

    with jax.enable_x64(True):
        return jax.device_get(program(*views))


def vicreg(plain, a, b, invariance, variance, covariance, unbiased=True):
    hinge = (plain.hinge(a, unbiased) + plain.hinge(b, unbiased)) / 2
    crossed = plain.off_diagonal(a) + plain.off_diagonal(b)
    return invariance * np.square(a - b).mean() + variance * hinge + covariance * crossed


def barlow_twins(a, b, redundancy):
    x, y = ((z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) for z in (a, b))
    c = x.T @ y / len(x)
    return np.square(1 - np.diag(c)).sum() + redundancy * np.square(c - np.diag(np.diag(c))).sum()


def cocoa(a, b, temperature):
    unit = lambda z: z / np.linalg.norm(z, axis=1, keepdims=True)
    apart = np.exp((1 - (unit(a) * unit(b)).sum(axis=1)) / temperature)
    near = [np.exp(unit(z) @ unit(z).T / temperature) for z in (a, b)]
    others = sum((x.sum() - np.trace(x)) / (len(x) - 1) for x in near) / len(a)
    return ((2 + 2 * apart) / 4).mean() / 32 + 3.9e-3 * others


def test_defaults_are_those_of_the_released_code(found, views, plain):
    usual = found["usual"]
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        wanted = {
            "nce": 2.504935, "debiased": 2.506828, "hard_negative": 4.093379,  # what it gave
            "info_nce": plain.both_ways(*views, 0.2), "nt_xent": plain.nt_xent(*views, 0.2),
            "vicreg": vicreg(plain, *views, 25, 25, 1), "cocoa": cocoa(*views, 0.2),
            "barlow_twins": barlow_twins(*views, 0.0051),
        }  # fmt: skip
    assert set(wanted) == set(DEFAULTS)
    for name, want in wanted.items():
        np.testing.assert_allclose(usual[name][0], want, rtol=1e-5, err_msg=name)


def test_knobs_and_weights_reach_the_loss(found, views, plain):
    usual, changed = found["usual"], found["changed"]
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        wanted = {
            "nce": plain.info_nce(*views, 0.6), "info_nce": plain.both_ways(*views, 0.6),
            "nt_xent": plain.nt_xent(*views, 0.6), "cocoa": cocoa(*views, 0.6),
            "vicreg": vicreg(plain, *views, 2, 3, 5, unbiased=False),
            "barlow_twins": barlow_twins(*views, 0.3),
        }  # fmt: skip
    for name, want in wanted.items():
        np.testing.assert_allclose(changed[name][0], want, rtol=1e-5, err_msg=name)
    for name in DEFAULTS:
        assert abs(changed[name][0] - usual[name][0]) > 1e-3
    for loss in (usual["vicreg"], usual["barlow_twins"]):  # their terms come without weights
        assert loss[0] != pytest.approx(sum(loss[1].values()), rel=1e-3)


def test_another_spread_changes_variance_and_covariance_alone(found, views, plain):
    (_, terms), (a, b) = found["spread"]["vicreg"], views
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        hinge = (plain.hinge(2 * a, True) + plain.hinge(3 * b, True)) / 2
        crossed = plain.off_diagonal(2 * a) + plain.off_diagonal(3 * b)
    np.testing.assert_allclose(terms["invariance"], np.square(a - b).mean(), rtol=1e-6)
    np.testing.assert_allclose(terms["variance"], hinge, rtol=1e-5)
    np.testing.assert_allclose(terms["covariance"], crossed, rtol=1e-5)


@pytest.mark.parametrize("name", DEFAULTS)
def test_rows_that_do_not_count_are_left_out(found, name):
    value, terms = found["lacking"][name]
    np.testing.assert_allclose(value, found["without"][name][0], rtol=1e-6)
    assert value.shape == () and all(x.shape == () for x in terms.values())

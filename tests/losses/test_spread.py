"""Losses that spread rows out: SIGReg, FroSSL and KoLeo, from their equations and closed forms."""

import functools

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from mmalign import losses

LINES = np.array([[1.0, 0, 0], [0, 3, 4]])


def sigreg(views, **knobs):
    return losses.sigreg(views[0], LINES.astype(views[0].dtype), **knobs)


def frossl(views, **knobs):
    terms = losses.frossl(views, **knobs)
    return terms["spectrum"] + 2 * terms["invariance"]


def sigreg_reference(views, knots=17, limit=3.0):
    """Balestriero and LeCun, by numpy's own trapezoids over both halves of the line."""
    t = np.linspace(-limit, limit, 2 * knots - 1)
    out = []
    for line in LINES / np.linalg.norm(LINES, axis=1, keepdims=True):
        mean = np.exp(1j * t[:, None] * (views[0] @ line)[None]).mean(axis=1)
        gap = np.abs(mean - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2)
        out.append(len(views[0]) * np.trapezoid(gap, t))
    return np.mean(out)


def frossl_reference(views, center=True):
    """Skean et al., eq. 6: columns of length 1, covariances and not Gram matrices."""
    x = [z - z.mean(axis=0) if center else z for z in views]
    x = [z / np.linalg.norm(z, axis=0) for z in x]
    spectrum = sum(np.log(np.sum((z.T @ z / z.shape[1]) ** 2)) for z in x)
    apart = sum(np.sum((z - np.mean(x, axis=0)) ** 2) for z in x)
    return spectrum + 2 * len(x) * apart / len(x[0])


BOTH = pytest.mark.parametrize(
    ("loss", "reference"), [(sigreg, sigreg_reference), (frossl, frossl_reference)]
)


@functools.cache
def graded(loss):
    run = jax.jit(jax.value_and_grad(lambda z, where: loss(list(z), where=where)))
    return lambda *arrays: jax.device_get(run(*arrays))


def views(rng, rows=8, dtype=np.float64):
    z = rng.standard_normal((2, rows, 3))
    return np.stack([z[0], z[0] + z[1]]).astype(dtype)


@BOTH
def test_it_is_its_equation_with_its_gradient(rng, loss, reference):
    z, move = views(rng), 1e-6 * rng.standard_normal((2, 8, 3))
    with jax.enable_x64(True):
        value, slope = graded(loss)(z, None)
    np.testing.assert_allclose(value, reference(z), rtol=1e-10)
    along = (reference(z + move) - reference(z - move)) / 2
    np.testing.assert_allclose(np.vdot(slope, move), along, rtol=1e-6)


@BOTH
def test_devices_and_missing_rows_do_not_show(rng, loss, reference):
    z, where = views(rng, 16, np.float32), np.arange(16) % 4 != 1
    spoilt = np.where(where[:, None], z, np.nan).astype(np.float32)
    value, slope = graded(loss)(spoilt, where)
    np.testing.assert_allclose(value, reference(z[:, where].astype(float)), rtol=1e-5)
    np.testing.assert_array_equal(slope[:, ~where], 0)
    mesh = jax.make_mesh((8,), ("i",), axis_types=(AxisType.Auto,))
    rows = jax.P(None, "i")

    def per_device(z, where):
        return jax.lax.pmean(loss(list(z), where=where, axis_name="i"), "i")

    split = jax.shard_map(per_device, mesh=mesh, in_specs=(rows, jax.P("i")), out_specs=jax.P())
    got, got_slope = jax.jit(jax.value_and_grad(split))(spoilt, where)
    np.testing.assert_allclose(got, value, rtol=1e-5)
    np.testing.assert_allclose(got_slope, slope, rtol=1e-4, atol=1e-6)
    for few in (np.arange(16) < 1, np.zeros(16, bool)):
        value, slope = graded(loss)(spoilt, few)
        assert np.isfinite(value) and np.isfinite(slope).all()
    assert value == 0 and not slope.any()


def test_sigreg_has_its_published_values(vectors):
    a, lines = vectors[0], LINES
    run = jax.jit(losses.sigreg, static_argnames=("knots", "limit"))
    with jax.enable_x64(True):
        np.testing.assert_allclose(run(a, lines), 1.30240778, atol=1e-8)
        np.testing.assert_allclose(run(a, lines, knots=9, limit=5.0), 1.30412402, atol=1e-8)
        np.testing.assert_allclose(run(a, lines, where=np.arange(3) < 2), 1.53887113, atol=1e-8)
        np.testing.assert_allclose(run(0 * a, lines), 3 * 0.40204758, atol=1e-7)


def test_frossl_has_its_published_values(vectors):
    wanted = {
        (2, False): (-1.57664809, 0.29985515), (2, True): (-0.99325177, 0.51196613),
        (3, False): (-2.26979527, 1.63392144),
    }  # fmt: skip
    with jax.enable_x64(True):
        for (count, center), want in wanted.items():
            terms = losses.frossl(vectors[:count], center=center)
            got = terms["spectrum"], terms["invariance"]
            np.testing.assert_allclose(got, want, atol=1e-8)


def test_frossl_of_few_rows_is_that_of_the_larger_product(rng):
    wide = rng.standard_normal((2, 4, 9))
    with jax.enable_x64(True):
        got = frossl(list(wide), center=False)
    np.testing.assert_allclose(got, frossl_reference(wide, center=False), rtol=1e-10)


def test_koleo_is_its_loop_and_equal_rows_have_no_gradient(rng, vectors):
    graded = jax.jit(jax.value_and_grad(lambda z: losses.koleo(z).sum(), has_aux=False))
    with jax.enable_x64(True):
        got = jax.jit(losses.koleo)(vectors[0])
        np.testing.assert_allclose(got, [0.2674, 0.2674, 0], atol=1e-8)
        z = rng.standard_normal((7, 3))
        x = z / np.linalg.norm(z, axis=1, keepdims=True)
        apart = np.linalg.norm(x[:, None] - x[None], axis=2) + 9 * np.eye(7)
        value, slope = graded(z)
    np.testing.assert_allclose(value, -np.log(apart.min(axis=1) + 1e-8).sum(), rtol=1e-10)
    value, slope = graded(np.ones((4, 3), np.float32))
    np.testing.assert_allclose(value / 4, -np.log(1e-8), rtol=1e-6)
    np.testing.assert_array_equal(slope, 0)


def test_what_does_not_fit_is_named():
    z = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"directions must be \[directions, dim\] with dim = 3"):
        losses.sigreg(z, z[:, :2])
    with pytest.raises(ValueError, match="knots must be a whole number, 2 or more, got 1"):
        losses.sigreg(z, z, knots=1)
    with pytest.raises(ValueError, match="limit must be positive, got 0"):
        losses.sigreg(z, z, limit=0)
    for loss in (losses.koleo, lambda z: losses.sigreg(z, z)):
        with pytest.raises(ValueError, match=r"z must be \[batch, dim\], got shape \(4,\)"):
            loss(z[:, 0])
    with pytest.raises(ValueError, match="need 2 views or more, got 1"):
        losses.frossl([z])

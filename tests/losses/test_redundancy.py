"""VICReg and Barlow Twins against their equations, published values, and themselves."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses

ROW, COL = np.meshgrid(np.arange(6), np.arange(4), indexing="ij")
ZA = np.sin(0.7 * ROW + 1.3 * COL + 0.1 * ROW * COL)
ZB = np.cos(0.5 * ROW - 0.9 * COL + 0.2 * ROW * COL)
BOTH = [losses.vicreg, losses.barlow_twins]
both = pytest.mark.parametrize("loss", BOTH)
# more rows than dimensions, and fewer: the two ways to sum over pairs of dimensions
shapes = pytest.mark.parametrize("shape", [(24, 6), (8, 20)], ids=["tall", "wide"])


def views(rng, shape, dtype=np.float32):
    first = rng.standard_normal(shape)
    return first.astype(dtype), (first + 0.5 * rng.standard_normal(shape)).astype(dtype)


def vicreg_reference(a, b, gamma=1.0, eps=1e-4, ddof=1):
    hinge = lambda z: np.maximum(0, gamma - np.sqrt(z.var(axis=0, ddof=ddof) + eps)).mean()

    def off(z):
        c = np.cov(z.T)
        return (np.sum(c**2) - np.sum(np.diag(c) ** 2)) / len(c)

    return {"invariance": np.mean((a - b) ** 2), "variance": (hinge(a) + hinge(b)) / 2,
            "covariance": off(a) + off(b)}  # fmt: skip


def barlow_reference(a, b, eps=1e-5):
    scaled = [(z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + eps) for z in (a, b)]
    c = scaled[0].T @ scaled[1] / len(a)
    off = c - np.diag(np.diag(c))
    return {"invariance": np.sum((1 - np.diag(c)) ** 2), "redundancy": np.sum(off**2)}


REFERENCE = {losses.vicreg: vicreg_reference, losses.barlow_twins: barlow_reference}
vicreg = jax.jit(losses.vicreg, static_argnames=("gamma", "unbiased"))
barlow_twins = jax.jit(losses.barlow_twins)
COMPILED = {losses.vicreg: vicreg, losses.barlow_twins: barlow_twins}


@functools.cache
def graded(loss):
    """(a, b, where) -> the sum of the terms, and its gradient by a; compiled."""
    run = jax.jit(jax.value_and_grad(lambda a, b, where: sum(loss(a, b, where=where).values())))
    return lambda *arrays: jax.device_get(run(*arrays))


def same(got, want, rtol=1e-5, atol=0):
    assert set(got) == set(want)
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize(
    ("scale", "unbiased", "s", "v", "c"),
    [
        (1.0, False, 0.8522939, (0.3481827, 0.3247417), (0.2867825, 0.4313648)),
        (1.0, True, 0.8522939, (0.2859845, 0.2603051), (0.2867825, 0.4313648)),
        (0.5, False, 0.2130735, (0.6739721, 0.6622596), (0.0179239, 0.0269603)),
        (0.5, True, 0.2130735, (0.6428833, 0.6300510), (0.0179239, 0.0269603)),
    ],
)
def test_vicreg_has_the_values_of_the_public_codes(scale, unbiased, s, v, c):
    a, b = ((scale * z).astype(np.float32) for z in (ZA, ZB))
    want = {"invariance": s, "variance": sum(v) / 2, "covariance": sum(c)}
    same(vicreg(a, b, unbiased=unbiased), want)


@both
@shapes
def test_it_is_its_equation(rng, loss, shape):
    a, b = views(rng, shape)
    want = REFERENCE[loss](*(z.astype(np.float64) for z in (a, b)))
    same(COMPILED[loss](a, b), want, rtol=2e-5)


@pytest.mark.parametrize("shape", [(520, 640), (640, 520)], ids=["wide", "tall"])
def test_products_by_blocks_are_those_of_the_covariances(rng, shape):
    a, b = views(rng, shape, np.float64)
    with jax.enable_x64():
        run = jax.value_and_grad(lambda a, b: losses.vicreg(a, b)["covariance"])
        value, slope = jax.jit(run)(a, b)
    x = a - a.mean(axis=0)
    c = np.cov(a.T)
    off = c - np.diag(np.diag(c))
    np.testing.assert_allclose(value, vicreg_reference(a, b)["covariance"], rtol=1e-12)
    want = 4 / (len(a) - 1) / len(c) * x @ off
    np.testing.assert_allclose(slope, want, rtol=1e-9, atol=1e-12)


@both
@shapes
def test_gradients_are_those_of_finite_differences(rng, check_slopes, loss, shape):
    weigh = lambda a, b: sum(i * x for i, x in enumerate(loss(a, b).values(), 1))
    modes = (check_slopes.forward, check_slopes.reverse)
    with jax.enable_x64(True):
        check_slopes(weigh, views(rng, shape, np.float64), modes=modes, order=2)


@both
@shapes
def test_devices_and_missing_rows_do_not_show(rng, loss, shape):
    (a, b), where = views(rng, shape), np.arange(shape[0]) % 4 != 1
    want, want_grad = graded(loss)(a[where], b[where], None)
    spoilt = np.where(where[:, None], a, np.float32(np.nan))

    def total(*arrays):
        run = lambda a, b, where: loss(a, b, where=where, axis_name="devices")
        pieces = [x.reshape(4, -1, *x.shape[1:]) for x in arrays]
        return sum(jax.vmap(run, axis_name="devices")(*pieces).values()).mean()

    for run in (graded(loss), jax.jit(jax.value_and_grad(total))):
        value, grad = jax.device_get(run(spoilt, b, where))
        np.testing.assert_allclose(value, want, rtol=1e-5)
        np.testing.assert_allclose(grad[where], want_grad, rtol=1e-4, atol=1e-6)
        assert not grad[~where].any()


@both
def test_in_shard_map_the_gradient_is_that_of_the_whole_batch(rng, loss):
    mesh = jax.make_mesh((8,), ("devices",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = jax.P("devices")
    a, b = views(rng, (8, 20))

    def per_device(a, b):
        return jax.lax.pmean(sum(loss(a, b, axis_name="devices").values()), "devices")

    sharded = jax.shard_map(per_device, mesh=mesh, in_specs=rows, out_specs=jax.P())
    want, got = graded(loss)(a, b, None), jax.jit(jax.value_and_grad(sharded))(a, b)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-5)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-4, atol=1e-6)


def test_collapse_costs_gamma_and_agreement_nothing(rng):
    alike = np.ones((16, 5), np.float32)
    terms = vicreg(alike, alike, gamma=2.0)
    same(terms, {"invariance": 0, "variance": 2.0 - 0.01, "covariance": 0})
    assert np.isfinite(graded(losses.vicreg)(alike, alike, None)[1]).all()
    varied = 3 * views(rng, (400, 5))[0]
    terms = vicreg(varied, varied)
    assert terms["invariance"] == terms["variance"] == 0 < terms["covariance"]
    same(barlow_twins(varied, varied), {"invariance": 0, "redundancy": 0}, atol=0.15)


@both
def test_too_few_rows_are_finite_and_cost_no_more_than_their_distance(loss):
    a, b = np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)
    for count in (0, 1):
        value, grad = graded(loss)(a, b, np.arange(3) < count)
        assert np.isfinite(value) and np.isfinite(grad).all()
        if count == 0:
            assert value == 0 and not grad.any()
    terms = vicreg(a, b, where=np.arange(3) < 1)
    same(terms, {"invariance": 1, "variance": 0, "covariance": 0})


@both
def test_half_precision_is_computed_in_float32_and_float64_kept(rng, loss):
    a, b = (z.astype(jnp.bfloat16) for z in views(rng, (24, 6)))
    want = COMPILED[loss](a.astype(np.float32), b.astype(np.float32))
    for name, value in COMPILED[loss](a, b).items():
        assert value.dtype == jnp.float32
        np.testing.assert_array_equal(value, want[name])
    with jax.enable_x64(True):
        terms = jax.eval_shape(loss, *views(rng, (24, 6), np.float64))
    assert {x.dtype for x in terms.values()} == {np.dtype("f8")}


@both
def test_what_does_not_fit_is_named(loss):
    z = np.ones((4, 3), np.float32)
    for error, said, arrays, where in (
        (ValueError, r"arrays alike, got \(4, 3\) and \(4, 2\)", (z, z[:, :2]), None),
        (ValueError, r"two \[batch, dim\] arrays alike, got \(4,\)", (z[:, 0], z[:, 0]), None),
        (ValueError, r"where must be of shape \[4\], got \[3\]", (z, z), np.ones(3, bool)),
        (TypeError, "floating-point arrays, got int32", (z.astype(np.int32),) * 2, None),
    ):
        with pytest.raises(error, match=said):
            loss(*arrays, where=where)

"""MMD, CORAL and sliced Wasserstein against their equations, closed forms, and themselves."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign import losses

DIM = 3
DIRECTIONS = np.random.default_rng(5).integers(-9, 10, (7, DIM)).astype(np.float32)


def sliced(x, y, **knobs):
    return losses.sliced_wasserstein(x, y, DIRECTIONS.astype(x.dtype), **knobs)


def mmd_reference(x, y, bandwidths=None, unbiased=True):
    rows = np.concatenate([x, y])
    if bandwidths is None:
        pairs = [np.sum((a - b) ** 2) for i, a in enumerate(rows) for b in rows[:i]]
        squares = [c * np.mean(pairs) for c in (0.25, 0.5, 1, 2, 4)]
    else:
        squares = [s**2 for s in bandwidths]
    k = lambda a, b: np.mean([np.exp(-np.sum((a - b) ** 2) / (2 * s)) for s in squares])
    return np.mean([
        k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i])
        for i, j in np.ndindex(len(x), len(x)) if i != j or not unbiased
    ])  # fmt: skip


def coral_reference(x, y):
    gap = np.cov(x.T) - np.cov(y.T)
    return sum(g**2 for g in gap.flat) / (4 * x.shape[1] ** 2)


def sliced_reference(x, y):
    total = 0
    for d in np.asarray(DIRECTIONS, np.float64):
        a, b = (sorted(row @ d / np.linalg.norm(d) for row in z) for z in (x, y))
        total += np.mean([(p - q) ** 2 for p, q in zip(a, b)])
    return total / len(DIRECTIONS)


def with_knobs(**knobs):
    return functools.partial(losses.mmd, **knobs), functools.partial(mmd_reference, **knobs)


# name: (statistic, reference, power of the scale it grows with)
STATISTICS = {
    "mmd": (losses.mmd, mmd_reference, 0),
    "coral": (losses.coral, coral_reference, 4),
    "sliced": (sliced, sliced_reference, 2),
    "mmd_biased": (*with_knobs(unbiased=False), 0),
    "mmd_fixed": (*with_knobs(bandwidths=(0.5, 2.0)), None),
}
every_statistic = pytest.mark.parametrize(
    ("statistic", "reference", "power"), STATISTICS.values(), ids=STATISTICS
)
each_kind = pytest.mark.parametrize("name", ["mmd", "coral", "sliced"])
WHERE = np.arange(16) % 4 != 1


@functools.cache
def value_and_grads(statistic):
    of = lambda x, y, where: statistic(x, y, where=where)
    run = jax.jit(jax.value_and_grad(of, argnums=(0, 1)))
    return lambda *arrays: jax.device_get(run(*arrays))


@functools.cache
def compiled(statistic):
    return jax.jit(statistic)


def batches(rng, rows=16, dtype=np.float32):
    x = rng.standard_normal((rows, DIM))
    y = 0.5 + 1.5 * rng.standard_normal((rows, DIM)) @ np.triu(np.ones((DIM, DIM)))
    return x.astype(dtype), y.astype(dtype)


def spoil(z, where=WHERE):
    out = np.where(where[:, None], z, np.nan)
    out[~where, 0] = np.inf
    return out


@every_statistic
def test_it_is_its_equation(rng, statistic, reference, power):
    with jax.enable_x64(True):
        x, y = batches(rng, dtype=np.float64)
        got = compiled(statistic)(x, y)
        assert got.dtype == jnp.float64 and got.shape == ()
        np.testing.assert_allclose(got, reference(x, y), rtol=1e-10)
    x, y = (z.astype(np.float32) for z in (x, y))
    np.testing.assert_allclose(compiled(statistic)(x, y), reference(x, y), rtol=1e-4)


def test_points_apart_have_the_distance_of_their_kernel():
    """All x at one place, all y at distance 3: 2 - 2 k(3), the biased form too."""
    x, y = np.zeros((4, 2)), np.tile([0.0, 3.0], (4, 1))
    pair = (np.exp(-4.5) + np.exp(-0.5)) / 2
    run = jax.jit(losses.mmd, static_argnames="unbiased")
    for bandwidths, kernel in ((2.0, np.exp(-9 / 8)), ([3.0], np.exp(-0.5)), ((1.0, 3.0), pair)):
        for unbiased in (True, False):
            got = run(x, y, bandwidths=bandwidths, unbiased=unbiased)
            np.testing.assert_allclose(got, 2 - 2 * kernel, rtol=1e-5)


def test_closed_forms_of_coral_and_sliced_wasserstein(rng):
    x, _ = batches(rng)
    square = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])  # covariance 4/3 of the identity
    got = compiled(losses.coral)(square, 2 * square)
    np.testing.assert_allclose(got, 2 * 16 / 16, rtol=1e-6)
    move = np.array([1.0, -2.0, 0.5], np.float32)
    run = jax.jit(losses.sliced_wasserstein)
    axes, scaled = np.eye(3, dtype=np.float32), np.stack([5 * move, move, 0 * move])
    got = run(x, x[::-1] + move, axes)
    np.testing.assert_allclose(got, np.sum(move**2) / 3, rtol=1e-5)
    two_along_one_zero = run(x, x + move, scaled)
    np.testing.assert_allclose(two_along_one_zero, np.sum(move**2) * 2 / 3, rtol=1e-5)


@every_statistic
def test_equal_batches_have_no_distance(rng, statistic, reference, power):
    x, _ = batches(rng)
    value, grads = value_and_grads(statistic)(x, x, np.ones(16, bool))
    assert abs(value) < 1e-7
    np.testing.assert_allclose(grads, np.zeros((2, 16, DIM)), atol=1e-6)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    scale=st.floats(1e-3, 1e3),
    name=st.sampled_from(sorted(STATISTICS)),
)
def test_order_place_roles_and_scale(seed, scale, name):
    statistic, _, power = STATISTICS[name]
    rng, run = np.random.default_rng(seed), compiled(statistic)
    x, y = batches(rng)
    want = float(run(x, y))
    close = functools.partial(np.testing.assert_allclose, rtol=2e-3, atol=1e-6)
    together, apart = rng.permutation(16), rng.permutation(16)
    close(run(x[together], y[together]), want)
    if name not in ("mmd", "mmd_fixed"):  # the unbiased form leaves out pairs
        close(run(x[together], y[apart]), want)
    close(run(y, x), want)
    close(run(x + np.float32(10), y + np.float32(10)), want)
    if power is not None:
        scaled = run(*(np.float32(scale) * z for z in (x, y)))
        close(scaled / np.float32(scale) ** power, want)


def test_turning_does_not_matter(rng):
    x, y = batches(rng)
    turn = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0].astype(np.float32)
    for run in (compiled(losses.mmd), compiled(losses.coral)):
        np.testing.assert_allclose(run(x @ turn, y @ turn), run(x, y), rtol=1e-4)
    turned = jax.jit(losses.sliced_wasserstein)(x @ turn, y @ turn, DIRECTIONS @ turn)
    np.testing.assert_allclose(turned, compiled(sliced)(x, y), rtol=1e-4)


@pytest.mark.parametrize("name", ["mmd_fixed", "coral", "sliced"])  # mmd stops at its bandwidths
def test_gradients_are_those_of_finite_differences(rng, check_slopes, name):
    with jax.enable_x64(True):
        check_slopes(STATISTICS[name][0], batches(rng, rows=6, dtype=np.float64), step=1e-6)


def test_bandwidths_from_the_batch_get_no_gradient(rng):
    x, y = batches(rng)
    rows = np.concatenate([x, y])
    mean = np.square(rows[:, None] - rows[None]).sum() / (32 * 31)
    given = np.sqrt(mean * np.array([0.25, 0.5, 1, 2, 4]))
    fixed = jax.jit(jax.value_and_grad(lambda x, y, s: losses.mmd(x, y, bandwidths=s)))(x, y, given)
    value, (grad, _) = value_and_grads(losses.mmd)(x, y, np.ones(16, bool))
    np.testing.assert_allclose(value, fixed[0], rtol=1e-4)
    np.testing.assert_allclose(grad, fixed[1], rtol=1e-4, atol=1e-7)


def over_devices(statistic, way):
    """The statistic of a batch that is split by a mapped axis over 4, or over 8 devices."""

    def named(x, y, where):
        return statistic(x, y, where=where, axis_name="data")

    def mapped(*arrays):
        pieces = [z.reshape(4, -1, *z.shape[1:]) for z in arrays]
        return jax.vmap(named, axis_name="data")(*pieces).mean()

    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    value = lambda *arrays: jax.lax.pmean(named(*arrays), "data")
    sharded = jax.shard_map(value, mesh=mesh, in_specs=jax.P("data"), out_specs=jax.P())
    return jax.jit(jax.value_and_grad({"vmap": mapped, "shard_map": sharded}[way], argnums=(0, 1)))


@pytest.mark.parametrize("way", ["whole", "vmap", "shard_map"])
@each_kind
def test_devices_and_missing_rows_do_not_show(rng, name, way):
    statistic, (x, y) = STATISTICS[name][0], batches(rng)
    kept = np.ones(WHERE.sum(), bool)
    want, want_grads = value_and_grads(statistic)(x[WHERE], y[WHERE], kept)
    run = value_and_grads(statistic) if way == "whole" else over_devices(statistic, way)
    value, grads = jax.device_get(run(spoil(x), spoil(y), WHERE))
    np.testing.assert_allclose(value, want, rtol=1e-5, atol=1e-6)
    for grad, want_grad in zip(grads, want_grads):
        np.testing.assert_allclose(grad[WHERE], want_grad, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(grad[~WHERE], 0)


@each_kind
def test_called_eagerly_it_is_what_it_is_compiled(rng, name):
    statistic, (x, y) = STATISTICS[name][0], batches(rng)
    want, _ = value_and_grads(statistic)(x, y, WHERE)
    np.testing.assert_allclose(statistic(x, y, where=WHERE), want, rtol=1e-5)


@each_kind
def test_in_shard_map_without_pmean_the_value_is_already_everybodys(rng, name):
    statistic, (x, y) = STATISTICS[name][0], batches(rng)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    run = jax.shard_map(
        functools.partial(statistic, axis_name="data"),
        mesh=mesh, in_specs=jax.P("data"), out_specs=jax.P(),
    )  # fmt: skip
    np.testing.assert_allclose(jax.jit(run)(x, y), compiled(statistic)(x, y), rtol=1e-5)


@each_kind
def test_fewer_than_two_rows_have_distance_zero(rng, name):
    statistic, (x, y) = STATISTICS[name][0], batches(rng)
    for where in (np.zeros(16, bool), np.arange(16) == 3):
        value, grads = value_and_grads(statistic)(spoil(x, where), spoil(y, where), where)
        assert value == 0
        np.testing.assert_array_equal(grads, 0)
    assert compiled(statistic)(x[:1], y[:1]) == 0


@every_statistic
@pytest.mark.parametrize("fill", [0.0, 0.1, 1e4])
def test_constant_rows_are_finite(rng, statistic, reference, power, fill):
    everywhere = np.ones(16, bool)
    constant = np.full((16, DIM), fill, np.float32)
    for y in (constant, constant + 1, batches(rng)[1]):
        value, grads = value_and_grads(statistic)(constant, y, everywhere)
        assert np.isfinite(value) and all(np.isfinite(g).all() for g in grads)
        if y is constant:
            assert abs(value) < 1e-6


@every_statistic
def test_infinite_entries_are_finite_and_nan_comes_out(rng, statistic, reference, power):
    x, y = batches(rng)
    x[0, 0], x[3, 1], y[5, 2] = np.inf, -np.inf, np.inf
    where = np.arange(16) < 13
    value, grads = value_and_grads(statistic)(x, y, where)
    assert np.isfinite(value) and all(np.isfinite(g).all() for g in grads)
    assert grads[0][0, 0] == grads[0][3, 1] == grads[1][5, 2] == 0
    x[1, 1] = np.nan
    assert np.isnan(value_and_grads(statistic)(x, y, where)[0])


@each_kind
def test_half_precision_is_computed_in_float32(rng, name):
    statistic = STATISTICS[name][0]
    x, y = (z.astype(jnp.bfloat16) for z in batches(rng))
    with jax.numpy_dtype_promotion("strict"):
        got = compiled(statistic)(x, y)
    assert got.dtype == jnp.float32
    want = compiled(statistic)(*(z.astype(np.float32) for z in (x, y)))
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_a_common_offset_costs_few_digits(rng):
    x, y = batches(rng)
    for run in (compiled(losses.mmd), compiled(losses.coral), compiled(sliced)):
        far = [z + np.float32(1000) for z in (x, y)]
        near = [z - np.float32(1000) for z in far]  # rounded alike
        np.testing.assert_allclose(run(*far), run(*near), rtol=1e-4)


def test_equal_distributions_cost_what_the_docstrings_say():
    rows, draws = 16, 2000
    x, y = np.random.default_rng(0).standard_normal((2, draws, rows, DIM), np.float32)
    mean = lambda run, *arrays: float(jax.jit(jax.vmap(run))(*arrays).mean())
    want = (1 + 1 / DIM) / (2 * (rows - 1))
    np.testing.assert_allclose(mean(losses.coral, x, y), want, rtol=0.05)
    fixed = functools.partial(losses.mmd, bandwidths=1.0)
    kernel = 3 ** (-DIM / 2)  # mean of exp(-d^2 / 2), d^2 being twice a chi-squared
    biased = mean(functools.partial(fixed, unbiased=False), x, y)
    np.testing.assert_allclose(biased, 2 * (1 - kernel) / rows, rtol=0.03)
    for other in (y, -x):  # also where pairs depend on each other
        assert abs(mean(fixed, x, other)) < biased / 30


def test_bad_arguments_are_named():
    z, where = np.ones((4, 3), np.float32), np.ones(3, bool)
    whole = z.astype(np.int32)
    for run in (losses.mmd, losses.coral, sliced):
        with pytest.raises(ValueError, match=r"arrays alike, got \(4, 3\) and \(4, 2\)"):
            run(z, z[:, :2])
        with pytest.raises(ValueError, match=r"two \[batch, dim\] arrays alike, got \(4,\)"):
            run(z[:, 0], z[:, 0])
        with pytest.raises(ValueError, match=r"where must be of shape \[4\], got \[3\]"):
            run(z, z, where=where)
        with pytest.raises(TypeError, match="where must be bool, got float32"):
            run(z, z, where=np.ones(4, np.float32))
        with pytest.raises(TypeError, match="floating-point arrays, got int32"):
            run(whole, whole)
    for bandwidths in (0.0, -1, [1.0, 0.0], (float("nan"),)):
        with pytest.raises(ValueError, match="bandwidths must be positive, got"):
            losses.mmd(z, z, bandwidths=bandwidths)
    for bandwidths in ([], np.ones((2, 2))):
        with pytest.raises(ValueError, match=r"a number or \[bandwidths\], got shape \("):
            losses.mmd(z, z, bandwidths=bandwidths)
    for shape in ((3,), (2, 4), (0, 3)):
        with pytest.raises(ValueError, match=r"directions, dim\] with dim = 3, got shape \("):
            losses.sliced_wasserstein(z, z, np.ones(shape, np.float32))
    with pytest.raises(TypeError, match="floating-point arrays, got int"):
        losses.sliced_wasserstein(z, z, np.ones((2, 3), np.int32))

"""What the package promises of every loss: `where`, devices, dtypes, gradients, imports."""

import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mmalign import losses

BATCH = 16
PATCHES = [(2, 3, 4), (2, 3, 4), (2, 3)]


def _density_ratio(joint, product, **knobs):
    return losses.density_ratio(joint, product.T, **knobs)


def _three_ratio(own, other, joint, **knobs):
    form = {"form": "three_ratio", "beta": 0.3}
    return losses.shared_information(own, other.T, joint, **form, **knobs)


def _masked(loss, prediction, target, mask, **knobs):
    return loss(prediction, target, mask > 0, **knobs)


def _supcon(z, score, **knobs):
    return losses.supcon(z, jnp.digitize(score, jnp.array([-0.5, 0.5], score.dtype)), **knobs)


def _of_three(loss, **fixed):
    """A loss of three views, of which one is made of the first."""
    return lambda z_a, z_b, **knobs: loss([z_a, z_b, jnp.roll(z_a, 1, axis=1)], **fixed, **knobs)


def _weighted_supcon(z_a, z_b, weight, **knobs):
    return losses.weighted_supcon([z_a, z_b], weight, **knobs)


def _gmc(z_a, z_b, joint, **knobs):
    return losses.gmc([z_a, z_b], joint, **knobs)


def _comm(first, second, third, **knobs):
    return losses.comm([first, second], [third, jnp.roll(first, 1, axis=1)], weight=[2, 1], **knobs)


def _neighbourhood(neighbour, distant, **knobs):
    return losses.neighbourhood_coding(neighbour, distant.T, weight=0.3, **knobs)


def _bound(bound, scores, axis_name=None, **knobs):
    if axis_name is None:  # a table of the rows in WHERE alone is meant to be of these columns too
        scores = scores if len(scores) == BATCH else scores[:, WHERE]
    return losses.mutual_information(scores, bound=bound, axis_name=axis_name, **knobs)


# name: (loss, shapes of its arrays after the batch axis)
CASES = {
    "info_nce": (losses.info_nce, [(5,), (5,)]),
    "info_nce_one_way": (functools.partial(losses.info_nce, symmetric=False), [(5,), (5,)]),
    "nt_xent": (losses.nt_xent, [(5,), (5,)]),
    "info_nce_tiled": (functools.partial(losses.info_nce, tile=3), [(5,), (5,)]),
    "info_nce_one_way_tiled": (
        functools.partial(losses.info_nce, symmetric=False, tile=8, temperature=0.01),
        [(5,), (5,)],
    ),
    "nt_xent_tiled": (functools.partial(losses.nt_xent, tile=5), [(5,), (5,)]),
    "clip": (functools.partial(losses.clip, log_scale=2.0), [(5,), (5,)]),
    "sigmoid": (functools.partial(losses.sigmoid, log_scale=1.0, bias=-2.0), [(5,), (5,)]),
    "sigmoid_tiled": (
        functools.partial(losses.sigmoid, log_scale=1.0, bias=-2.0, tile=3),
        [(5,), (5,)],
    ),
    "debiased": (functools.partial(losses.debiased, tile=5), [(5,), (5,)]),
    "hard_negative": (losses.hard_negative, [(5,), (5,)]),
    "hard_negative_one_way": (
        functools.partial(
            losses.hard_negative, form="linear", own_view=False, symmetric=False, beta=2, tile=3
        ),
        [(5,), (5,)],
    ),
    "supcon": (_supcon, [(5,), ()]),
    "supcon_tiled": (functools.partial(_supcon, tile=7, temperature=0.3), [(5,), ()]),
    "weighted_supcon": (_weighted_supcon, [(5,), (5,), ()]),
    "weighted_supcon_tiled": (_of_three(losses.weighted_supcon, tile=5), [(5,), (5,)]),
    "cmc": (_of_three(losses.cmc), [(5,), (5,)]),
    "gmc": (functools.partial(_gmc, tile=5), [(5,), (5,), (5,)]),
    "comm": (_comm, [(5,), (5,), (5,)]),
    "cocoa": (_of_three(losses.cocoa, temperature=0.5), [(5,), (5,)]),
    "cocoa_ratio": (_of_three(losses.cocoa, form="ratio", tile=5), [(5,), (5,)]),
    "density_ratio": (_density_ratio, [(), (3,)]),
    "two_ratio": (functools.partial(losses.shared_information, beta=0.3), [(), ()]),
    "three_ratio": (_three_ratio, [(), (2,), ()]),
    "private": (functools.partial(losses.private_information, gamma=0.1, epsilon=2.0), [(), ()]),
    "info_nce_bound": (functools.partial(_bound, "info_nce"), [(BATCH,)]),
    "nwj": (functools.partial(_bound, "nwj"), [(BATCH,)]),
    "dv": (functools.partial(_bound, "dv"), [(BATCH,)]),
    "club": (functools.partial(_bound, "club"), [(BATCH,)]),
    "orthogonality": (losses.orthogonality, [(5,), (5,)]),
    "masked_mse": (functools.partial(_masked, losses.masked_mse), PATCHES),
    "masked_l1": (functools.partial(_masked, losses.masked_l1), PATCHES),
    "masked_huber": (functools.partial(_masked, losses.masked_huber), PATCHES),
    "neighbourhood_coding": (_neighbourhood, [(), (3,)]),
    "sequence_ranking": (functools.partial(losses.sequence_ranking, length=2, margin=3), [(5,)]),
}
every_loss = pytest.mark.parametrize(("loss", "shapes"), CASES.values(), ids=CASES)
# Pairs of rows go together: they are the windows of one sequence.
WHERE = np.repeat([True, False, True, True, False, True, False, False], 2)


def _arrays(rng, shapes, dtype=np.float32):
    return [rng.standard_normal((BATCH, *shape)).astype(dtype) for shape in shapes]


def _weighted(values):
    return jnp.vdot(values, jnp.cos(jnp.arange(len(values), dtype=values.dtype)))


def _values_and_grad(loss, call):
    """Of the first array; `call` as the fixture per_example, `where` the last array."""

    def masked(*arrays, axis_name=None):
        *arrays, where = arrays
        return loss(*arrays, where=where, axis_name=axis_name)

    def total(first, *rest):
        values = call(masked, first, *rest)
        return _weighted(values), values

    return jax.value_and_grad(total, has_aux=True)


@functools.cache
def _one_device(loss):
    return jax.jit(_values_and_grad(loss, lambda masked, *arrays: masked(*arrays)))


@every_loss
def test_values_and_gradients_are_those_of_one_device(request, per_example, rng, loss, shapes):
    arrays = [*_arrays(rng, shapes), WHERE]
    (_, want), want_grad = _one_device(loss)(*arrays)
    run = _values_and_grad(loss, per_example)
    eager = request.node.callspec.params["per_example"] == "eager"
    (_, got), grad = (run if eager else jax.jit(run))(*arrays)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grad, want_grad, rtol=1e-5, atol=1e-5)


@every_loss
def test_plain_mean_is_the_mean_over_rows_that_count(rng, loss, shapes):
    arrays = _arrays(rng, shapes)
    values = np.asarray(jax.jit(loss)(*arrays, where=WHERE))
    alone = np.asarray(jax.jit(loss)(*(x[WHERE] for x in arrays)))
    np.testing.assert_allclose(values.mean(), alone.mean(), rtol=1e-5)
    counts = WHERE.reshape(len(values), -1).any(axis=1)
    np.testing.assert_allclose(values[counts], alone * len(values) / len(alone), rtol=1e-4)
    np.testing.assert_array_equal(values[~counts], 0)


@every_loss
def test_rows_that_do_not_count_may_hold_nan_and_if_none_does_all_is_zero(rng, loss, shapes):
    clean = _arrays(rng, shapes)
    dirty = [np.where(WHERE.reshape(-1, *[1] * len(s)), x, np.nan) for x, s in zip(clean, shapes)]
    run = jax.jit(jax.value_and_grad(lambda arrays, where: loss(*arrays, where=where).mean()))
    want, want_grads = run(clean, WHERE)
    got, grads = run(dirty, WHERE)
    np.testing.assert_array_equal(got, want)
    for grad, want_grad in zip(grads, want_grads):
        np.testing.assert_array_equal(grad, want_grad)
        np.testing.assert_array_equal(grad[~WHERE], 0)
    value, grads = run(clean, np.zeros(BATCH, bool))
    assert value == 0
    for grad in grads:
        np.testing.assert_array_equal(grad, 0)


@every_loss
def test_degenerate_rows_have_finite_values_and_gradients(rng, loss, shapes):
    """All zero, all alike, a single one that counts, and overflown entries."""
    run = jax.jit(jax.value_and_grad(lambda arrays, where: jnp.sum(loss(*arrays, where=where))))
    arrays, everyone = _arrays(rng, shapes), np.ones(BATCH, bool)
    overflown = [x.copy() for x in arrays]
    for x in overflown:
        x[3] = np.inf
        x[5, ...] = np.where(x[5] > 0, x[5], -np.inf)
    pair = np.arange(BATCH) < 2  # the windows of one sequence
    for inputs, where in [
        ([np.zeros_like(x) for x in arrays], everyone),
        ([np.ones_like(x) for x in arrays], everyone),
        (arrays, np.arange(BATCH) < 1), (arrays, pair), (overflown, everyone),
    ]:  # fmt: skip
        value, grads = run(inputs, where)
        assert jnp.isfinite(value)
        assert all(jnp.isfinite(grad).all() for grad in grads)


@every_loss
def test_narrow_floats_are_computed_in_float32_and_float64_is_kept(rng, loss, shapes):
    arrays = _arrays(rng, shapes)
    run = jax.jit(loss)
    with jax.numpy_dtype_promotion("strict"):
        narrow = [x.astype(jnp.bfloat16) for x in arrays]
        got = run(*narrow, where=WHERE)
        assert got.dtype == jnp.float32
        want = run(*(x.astype(np.float32) for x in narrow), where=WHERE)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
        single = np.asarray(run(*arrays, where=WHERE))
        with jax.enable_x64(True):
            double = run(*(x.astype(np.float64) for x in arrays), where=WHERE)
            assert double.dtype == jnp.float64
            np.testing.assert_allclose(double, single, rtol=1e-4, atol=1e-5)


@every_loss
def test_gradients_match_finite_differences(rng, loss, shapes):
    with jax.enable_x64(True):
        arrays = [jnp.asarray(x) for x in _arrays(rng, shapes, np.float64)]
        rest = arrays[2:]  # masks of patches come from a sign: no derivative there
        run = jax.jit(lambda *x: _weighted(loss(*x, *rest, where=WHERE)))
        check_grads(run, arrays[:2], order=1, modes=["rev"], rtol=1e-5, eps=1e-5)


@every_loss
def test_integers_and_wrong_where_are_errors(rng, loss, shapes):
    arrays = _arrays(rng, shapes)
    with pytest.raises(TypeError, match="expected floating-point arrays, got int32"):
        loss(arrays[0].astype(np.int32), *arrays[1:])
    with pytest.raises(TypeError, match="where must be bool, got float32"):
        loss(*arrays, where=WHERE.astype(np.float32))
    with pytest.raises(ValueError, match=r"where must be of shape \[16\], got \[4\]"):
        loss(*arrays, where=WHERE[:4])


def test_importing_losses_loads_jax_and_optax_alone():
    heavy = {"flax", "orbax", "sklearn", "matplotlib", "tensorflow", "tensorflow_datasets", "grain"}
    code = (
        "import sys, mmalign.losses\n"
        "rooms = {m.split('.')[1] for m in sys.modules if m.startswith('mmalign.')}\n"
        "assert rooms == {'losses'}, rooms\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_exported_name_exists_and_is_documented():
    for name in losses.__all__:
        assert getattr(losses, name).__doc__

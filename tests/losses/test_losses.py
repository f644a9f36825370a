"""What the package promises of every loss: `where`, devices, dtypes, gradients, imports."""

import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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


def _infmasking(z, first, second, **knobs):
    return losses.infmasking(z, [first, second], strength=0.7, temperature=0.5, **knobs)


def _to_target(loss, **fixed):
    """A loss that learns from its first array alone."""

    def run(z, target, **knobs):
        return loss(z, target, **fixed, **knobs)

    run.learns_from = 1
    return run


def _queue_nce(z, key, **knobs):
    queue = (np.arange(35) * 3 % 8 - 4).reshape(7, 5).astype(key.dtype)
    return losses.queue_nce(z, key, queue, queue_where=np.arange(7) != 2, **knobs)


def _positives(z, scores, axis_name=None, **knobs):
    if axis_name is None:  # a table of the rows in WHERE alone is meant to be of these columns too
        scores = scores if len(scores) == BATCH else scores[:, WHERE]
    return losses.supcon([z, z[:, ::-1]], positives=scores > 0, axis_name=axis_name, **knobs)


def _triangle(views, **knobs):
    return losses.triangle(*views, **knobs)


def _volume(z_a, z_b, z_c, **knobs):
    return losses.gram(z_a, [z_b, z_c], smoothing=0.1, **knobs)


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
    "supcon_inside_tiled": (functools.partial(_supcon, inside=True, tile=7), [(5,), ()]),
    "supcon_positives": (functools.partial(_positives, tile=6, inside=True), [(5,), (BATCH,)]),
    "as_they_are_tiled": (
        functools.partial(losses.info_nce, normalise=False, temperature=2.0, tile=5),
        [(5,), (5,)],
    ),
    "dcl": (functools.partial(losses.dcl, tile=5), [(5,), (5,)]),
    "queue_nce": (_to_target(_queue_nce, tile=3), [(5,), (5,)]),
    "weighted_supcon": (_weighted_supcon, [(5,), (5,), ()]),
    "weighted_supcon_tiled": (_of_three(losses.weighted_supcon, tile=5), [(5,), (5,)]),
    "cmc": (_of_three(losses.cmc), [(5,), (5,)]),
    "gmc": (functools.partial(_gmc, tile=5), [(5,), (5,), (5,)]),
    "comm": (_comm, [(5,), (5,), (5,)]),
    "infmasking": (_infmasking, [(5,), (5,), (5,)]),
    "infmasking_tiled": (functools.partial(_infmasking, tile=5), [(5,), (5,), (5,)]),
    "cocoa": (_of_three(losses.cocoa, temperature=0.5), [(5,), (5,)]),
    "cocoa_ratio": (_of_three(losses.cocoa, form="ratio", tile=5), [(5,), (5,)]),
    "leave_one_out": (_of_three(losses.leave_one_out, renormalise=True), [(5,), (5,)]),
    "symile": (_of_three(losses.symile), [(5,), (5,)]),
    "symile_shifted": (_of_three(losses.symile, shifts=np.array([5]), tile=3), [(5,), (5,)]),
    "gram": (functools.partial(_volume, tile=5), [(5,), (5,), (5,)]),
    "triangle": (_of_three(_triangle, tile=5), [(5,), (5,)]),
    "hierarchical_contrast": (losses.hierarchical_contrast, [(3, 2), (3, 2)]),
    "negative_cosine": (_to_target(losses.negative_cosine), [(5,), (5,)]),
    "distillation": (
        _to_target(losses.distillation, teacher_temperature=0.5),
        [(5,), (5,)],
    ),
    "koleo": (losses.koleo, [(5,)]),
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


def _graded(loss, call=lambda loss, *arrays: loss(*arrays)):
    """Compiled (arrays, where) -> values, and the gradients of a weighted sum by all arrays."""

    def masked(*arrays, axis_name=None):
        *arrays, where = arrays
        return loss(*arrays, where=where, axis_name=axis_name)

    def total(arrays, where):
        values = call(masked, *arrays, where)
        return _weighted(values), values

    @jax.jit
    def run(arrays, where):
        with jax.numpy_dtype_promotion("strict"):
            gradients, values = jax.grad(total, has_aux=True)(arrays, where)
        return values, gradients

    return lambda *arguments: jax.device_get(run(*arguments))


@functools.cache
def _program(loss):
    """The one program of a loss that most of its promises are seen in."""
    return _graded(loss)


@every_loss
@pytest.mark.parametrize("per_example", ["vmap", "shard_map"], indirect=True)
def test_values_and_gradients_are_those_of_one_device(per_example, rng, loss, shapes):
    arrays = _arrays(rng, shapes)
    want, want_grads = _program(loss)(arrays, WHERE)
    got, grads = _graded(loss, per_example)(arrays, WHERE)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    for grad, want_grad in zip(grads, want_grads, strict=True):
        np.testing.assert_allclose(grad, want_grad, rtol=1e-5, atol=1e-5)


@every_loss
def test_called_eagerly_it_is_what_it_is_compiled(rng, loss, shapes):
    arrays = _arrays(rng, shapes)
    got = loss(*arrays, where=WHERE)
    np.testing.assert_allclose(got, _program(loss)(arrays, WHERE)[0], rtol=1e-5, atol=1e-6)


@every_loss
def test_plain_mean_is_the_mean_over_rows_that_count(rng, loss, shapes):
    arrays = _arrays(rng, shapes)
    values, _ = _program(loss)(arrays, WHERE)
    alone = np.asarray(jax.jit(loss)(*(x[WHERE] for x in arrays)))
    np.testing.assert_allclose(values.mean(), alone.mean(), rtol=1e-5)
    counts = WHERE.reshape(len(values), -1).any(axis=1)
    np.testing.assert_allclose(values[counts], alone * len(values) / len(alone), rtol=1e-4)
    np.testing.assert_array_equal(values[~counts], 0)


@every_loss
def test_rows_that_do_not_count_may_hold_nan_and_if_none_does_all_is_zero(rng, loss, shapes):
    run, clean = _program(loss), _arrays(rng, shapes)
    dirty = [np.where(WHERE.reshape(-1, *[1] * len(s)), x, np.nan) for x, s in zip(clean, shapes)]
    want, want_grads = run(clean, WHERE)
    got, grads = run([x.astype(np.float32) for x in dirty], WHERE)
    np.testing.assert_array_equal(got, want)
    for grad, want_grad in zip(grads, want_grads):
        np.testing.assert_array_equal(grad, want_grad)
        np.testing.assert_array_equal(grad[~WHERE], 0)
    values, grads = run(clean, np.zeros(BATCH, bool))
    np.testing.assert_array_equal(values, 0)
    for grad in grads:
        np.testing.assert_array_equal(grad, 0)


@every_loss
def test_degenerate_rows_have_finite_values_and_gradients(rng, loss, shapes):
    """All zero, all alike, a single one that counts, and overflown entries."""
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
        values, grads = _program(loss)(inputs, where)
        assert np.isfinite(values).all()
        assert all(np.isfinite(grad).all() for grad in grads)


@every_loss
def test_narrow_floats_are_computed_in_float32_and_float64_is_kept(rng, loss, shapes):
    arrays = _arrays(rng, shapes)
    narrow = [x.astype(jnp.bfloat16) for x in arrays]
    with jax.numpy_dtype_promotion("strict"):
        got = jax.jit(loss)(*narrow, where=WHERE)
    assert got.dtype == jnp.float32
    want, _ = _program(loss)([x.astype(np.float32) for x in narrow], WHERE)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    single, _ = _program(loss)(arrays, WHERE)
    with jax.enable_x64(True):
        double, _ = _program(loss)([x.astype(np.float64) for x in arrays], WHERE)
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(double, single, rtol=1e-4, atol=1e-5)


@every_loss
def test_gradients_match_finite_differences(rng, loss, shapes):
    arrays = _arrays(rng, shapes, np.float64)
    # masks of patches come from the sign of a third array: no derivative there
    learns_from = getattr(loss, "learns_from", 2)
    move = [rng.standard_normal(x.shape) * (i < learns_from) for i, x in enumerate(arrays)]
    with jax.enable_x64(True):
        up, down = (
            _program(loss)([x + side * 1e-5 * v for x, v in zip(arrays, move)], WHERE)[0]
            for side in (1, -1)
        )
        _, grads = _program(loss)(arrays, WHERE)
    slope = np.cos(np.arange(len(up))) @ (up - down) / 2e-5
    want = sum(np.vdot(grad, v) for grad, v in zip(grads, move))
    np.testing.assert_allclose(slope, want, rtol=1e-5)


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

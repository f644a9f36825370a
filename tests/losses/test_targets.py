"""Negative cosine, distillation, its centre and Sinkhorn's assignments."""

import jax
import numpy as np
import pytest

from mmalign import losses

SPLIT = {"student_temperature": 1.0, "teacher_temperature": 0.5}
CENTER = np.array([0.5, 0, 0.25])


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_negative_cosine_has_its_values_and_leaves_the_target_alone(vectors):
    a, b, _ = vectors
    of = lambda p, z: losses.negative_cosine(p, z).sum()
    with jax.enable_x64(True):
        got = jax.jit(losses.negative_cosine)(a, b)
        along, target = jax.device_get(jax.jit(jax.grad(of, argnums=(0, 1)))(a, b))
    np.testing.assert_allclose(got, [-np.sqrt(0.5), -np.sqrt(0.5), -0.9486832981], atol=1e-9)
    np.testing.assert_allclose(np.sum(along * a, axis=1), 0, atol=1e-12)
    assert np.abs(along).max() > 0 and not np.any(target)
    got = losses.negative_cosine(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(got, 0)


def test_distillation_is_its_equation_and_leaves_the_teacher_alone(rng, vectors):
    a, b, c = vectors
    run = jax.jit(losses.distillation)
    with jax.enable_x64(True):
        got = run(a, b, CENTER, **SPLIT)
        np.testing.assert_allclose(got, [1.21994575, 0.87290902, 0.87099549], atol=1e-8)
        pairs = [run(s, t, CENTER, **SPLIT) for t, s in ((a, b), (a, c), (b, a), (b, c))]
        np.testing.assert_allclose(np.mean(pairs), 1.08529707, atol=1e-8)
        s, t = rng.standard_normal((2, 5, 7))
        want = -np.sum(softmax(t / 0.04) * np.log(softmax(s / 0.1)), axis=1)
        np.testing.assert_allclose(run(s, t), want, rtol=1e-10)
    grad = jax.grad(lambda t, c: losses.distillation(a, t, c).sum(), argnums=(0, 1))(b, CENTER)
    assert not np.any(grad[0]) and not np.any(grad[1])
    np.testing.assert_allclose(run(0 * a, b), np.log(3), rtol=1e-6)  # a uniform student


def test_a_centre_moves_to_the_mean_of_rows_that_count_on_all_devices(vectors):
    a, b, c = vectors
    with jax.enable_x64(True):
        got = losses.update_center(CENTER, np.concatenate([a, b]))
        np.testing.assert_allclose(got, [0.5, 0.08333333, 0.29166667], atol=1e-8)
        split = jax.vmap(
            lambda t, w: losses.update_center(CENTER, t, where=w, axis_name="i"), axis_name="i"
        )(np.stack([a, np.full_like(b, np.nan), b]), np.arange(3)[:, None] != np.ones(3)[None])
    np.testing.assert_allclose(split, np.tile(got, (3, 1)), rtol=1e-12)
    np.testing.assert_array_equal(losses.update_center(CENTER, c, where=np.zeros(3, bool)), CENTER)


@pytest.mark.parametrize("axis", [False, True])
def test_sinkhorn_is_its_loop_split_or_not_and_makes_a_teacher(rng, vectors, axis):
    logits, where = rng.standard_normal((8, 3)), np.arange(8) % 4 != 1
    q = np.exp(logits[where] / 0.5)
    for _ in range(3):
        q = q / q.sum(axis=0)
        q = q / q.sum(axis=1, keepdims=True)
    spoilt = np.where(where[:, None], logits, np.nan)

    def run(x, w):
        if not axis:
            return losses.sinkhorn(x, temperature=0.5, where=w)
        part = lambda x, w: losses.sinkhorn(x, temperature=0.5, where=w, axis_name="i")
        return jax.vmap(part, axis_name="i")(x.reshape(2, 4, 3), w.reshape(2, 4)).reshape(8, 3)

    with jax.enable_x64(True):
        got = np.exp(jax.device_get(jax.jit(run)(spoilt, where)))
        np.testing.assert_allclose(got[where], q, rtol=1e-10)
        np.testing.assert_allclose(got[~where], 1 / 3)
        teacher = losses.sinkhorn(vectors[1], temperature=0.5)
        cost = losses.distillation(vectors[0], teacher, **SPLIT | {"teacher_temperature": 1.0})
    np.testing.assert_allclose(np.asarray(cost).mean(), 0.8480844, atol=1e-8)


def test_what_does_not_fit_is_named():
    z = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"center must be \[classes\] = \[3\], got shape \(4,\)"):
        losses.distillation(z, z, z[:, 0])
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        losses.distillation(z, z, teacher_temperature=0)
    with pytest.raises(ValueError, match=r"need center \[classes\] and teacher \[batch, classes\]"):
        losses.update_center(z, z)
    with pytest.raises(ValueError, match=r"logits must be \[batch, classes\], got shape \(4,\)"):
        losses.sinkhorn(z[:, 0])

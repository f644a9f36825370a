import functools

import jax
import numpy as np
import pytest

from mmalign import losses
from mmalign.losses.classes import partner_sums

supcon = jax.jit(losses.supcon, static_argnames=("tile", "axis_name"))
weighted = jax.jit(losses.weighted_supcon, static_argnames=("tile", "axis_name"))
tiles = pytest.mark.parametrize("tile", [None, 4])

# Three samples in three slots, as angles of plane vectors, with values of the released loss.
DEGREES = np.array([[0, 30, 10], [90, 60, 100], [200, 185, 170]])
SLOTS = [np.stack([np.cos(a), np.sin(a)], axis=1) for a in np.deg2rad(DEGREES.T)]
WEIGHT = np.array([1, 0.5, 0.25])
PRESENT = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], bool).T


def _from_the_equation(z, label, temperature):
    """Khosla et al., eq. 2, for every anchor; None without a positive."""
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    out = []
    for i in range(len(z)):
        others = [k for k in range(len(z)) if k != i]
        total = sum(np.exp(z[i] @ z[k] / temperature) for k in others)
        terms = [z[i] @ z[k] / temperature for k in others if label[k] == label[i]]
        out.append(-np.mean([np.log(np.exp(t) / total) for t in terms]) if terms else 0.0)
    return np.array(out)


@tiles
@pytest.mark.parametrize(
    ("slots", "temperature", "weight", "where", "want"),
    [
        (3, 0.07, None, None, 1.0598573915763552),
        (3, 0.07, WEIGHT, None, 0.6159483698759876),
        (3, 1.0, None, None, 1.4232460483688834),
        (3, 1.0, WEIGHT, None, 0.84517121581148),
        (2, 0.07, None, None, 0.23372437476763017),
        (2, 0.07, WEIGHT, None, 0.17529320411417104),
        (3, 0.07, None, PRESENT, 0.031019919940237155),
        (3, 0.07, WEIGHT, PRESENT, 0.016218611670156813),
    ],
)
def test_gives_what_mmbinds_loss_gives(tile, slots, temperature, weight, where, want):
    where = np.ones((slots, 3), bool) if where is None else where
    weight = np.ones(3) if weight is None else weight
    knobs = {"temperature": temperature, "where": where, "tile": tile}
    got = weighted(SLOTS[:slots], weight, **knobs)
    np.testing.assert_allclose(np.asarray(got).mean(), want, rtol=1e-4)
    with jax.enable_x64(True):
        got = np.asarray(weighted(SLOTS[:slots], weight, **knobs)).mean()
    np.testing.assert_allclose(got, want, rtol=1e-12)


@tiles
@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])  # the first is one of low ones
def test_equals_the_loop_written_from_the_equation(rng, tile, temperature):
    z, label = rng.standard_normal((11, 4)), np.array([0, 1, 2, 0, 0, 3, 1, 5, 5, 5, 5])
    want = _from_the_equation(z, label, temperature)
    with jax.enable_x64(True):
        got = supcon(z, label, temperature=temperature, tile=tile)
        np.testing.assert_allclose(got, want, rtol=1e-10)
        views = supcon([z, 2 * z[::-1] - 1], label, temperature=temperature, tile=tile)
    both = np.concatenate([z, 2 * z[::-1] - 1])
    want = _from_the_equation(both, np.tile(label, 2), temperature).reshape(2, -1).mean(axis=0)
    np.testing.assert_allclose(views, want, rtol=1e-10)


def test_samples_as_labels_are_the_unweighted_loss_and_order_does_not_matter(rng):
    z_a, z_b = rng.standard_normal((2, 9, 4)).astype(np.float32)
    want = weighted([z_a, z_b])
    np.testing.assert_allclose(supcon([z_a, z_b], np.arange(9)), want, rtol=1e-5)
    np.testing.assert_allclose(weighted([z_a, z_b], np.ones(9, np.float32)), want, rtol=1e-6)
    order = rng.permutation(9)
    np.testing.assert_allclose(weighted([3 * z_b[order], z_a[order]]), want[order], rtol=1e-5)


def test_constant_embeddings_cost_log_of_the_others():
    z = np.ones((8, 3), np.float32)
    np.testing.assert_allclose(weighted([z, z, z]), np.log(23), rtol=1e-6)
    np.testing.assert_allclose(supcon(z, np.arange(8) % 2), np.log(7), rtol=1e-6)


@tiles
def test_unknown_labels_do_not_count_and_a_lone_label_costs_nothing(rng, tile):
    z = rng.standard_normal((8, 4)).astype(np.float32)
    label = np.array([0, -1, 0, 1, -1, 1, 2, 0])
    got = np.asarray(supcon(z, label, tile=tile))
    known = label >= 0
    alone = supcon(z[known], label[known], tile=tile)
    np.testing.assert_allclose(got[known], alone * 8 / 6, rtol=1e-5)
    np.testing.assert_array_equal(got[~known], 0)
    assert got[6] == 0


@pytest.mark.parametrize("axis", [False, True])
def test_partner_sums_are_those_of_a_loop_with_their_gradient(rng, axis):
    rows, label = rng.standard_normal((8, 3)), np.array([4, 2, -1, 4, 7, 2, 4, -1])

    @functools.partial(jax.grad, has_aux=True)
    def graded(rows, label, weights):
        if axis:
            part = lambda r, k: partner_sums(r, k, axis_name="data")
            pieces = rows.reshape(4, 2, 3), label.reshape(4, 2)
            sums, count = jax.vmap(part, axis_name="data")(*pieces)
            sums, count = sums.reshape(8, 3), count.reshape(8)
        else:
            sums, count = partner_sums(rows, label)
        return (sums * weights).sum(), (sums, count)

    same = (label[:, None] == label) & (label >= 0) & ~np.eye(8, dtype=bool)
    with jax.enable_x64(True):
        weights = rng.standard_normal((8, 3))
        grad, (sums, count) = jax.jit(graded)(rows, label, weights)
    np.testing.assert_allclose(sums, same @ rows, atol=1e-12)
    np.testing.assert_array_equal(count, same.sum(axis=1))
    np.testing.assert_allclose(grad, same @ weights, atol=1e-12)


def test_bad_arguments_are_named():
    z = np.ones((4, 3), np.float32)
    with pytest.raises(TypeError, match="label must be integers, got float32"):
        losses.supcon(z, np.ones(4, np.float32))
    with pytest.raises(ValueError, match=r"label must be \[batch\] = \[4\], got shape \(3,\)"):
        losses.supcon(z, np.ones(3, np.int32))
    with pytest.raises(ValueError, match="need 2 views or more, got 1"):
        losses.weighted_supcon([z])
    with pytest.raises(ValueError, match=r"weight must be \[batch\] = \[4\], got \(5,\)"):
        losses.weighted_supcon([z, z], np.ones(5, np.float32))
    with pytest.raises(ValueError, match="temperature must be positive"):
        losses.weighted_supcon([z, z], temperature=-1)

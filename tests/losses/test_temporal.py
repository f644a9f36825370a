import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign import losses

sequence_ranking = jax.jit(losses.sequence_ranking, static_argnames=("length", "axis_name"))
neighbourhood_coding = jax.jit(losses.neighbourhood_coding, static_argnames="axis_name")


def _loop(h, length, margin=1.0, where=None):
    """InfoMAE eq. 10, a sequence's mean over the others; C_ss without the zero diagonal."""
    h = np.asarray(h, np.float64)
    where = np.ones(len(h), bool) if where is None else where
    windows = [[i for i in range(k, k + length) if where[i]] for k in range(0, len(h), length)]
    windows = [w for w in windows if len(w) > 1]

    def distance(s, t):
        return np.mean([np.linalg.norm(h[a] - h[b]) for a in s for b in t if a != b])

    return np.array(
        [
            np.mean([max(distance(s, s) - distance(s, t) + margin, 0) for t in windows if t != s])
            for s in windows
        ]
    )


@pytest.mark.parametrize(("length", "dim", "margin"), [(2, 3, 1.0), (4, 6, 0.5), (6, 1, 3.0)])
def test_equals_the_loop_written_from_the_equation(rng, length, dim, margin):
    h = rng.standard_normal((24, dim)) + 5
    want = _loop(h, length, margin)
    assert want.max() > 0
    ranking = functools.partial(sequence_ranking, length=length, margin=margin)
    np.testing.assert_allclose(ranking(h), want, rtol=1e-4, atol=1e-6)
    with jax.enable_x64(True):
        np.testing.assert_allclose(ranking(h), want, rtol=1e-10, atol=1e-10)


def test_windows_that_do_not_count_leave_the_means(rng):
    h = rng.standard_normal((20, 3))
    where = np.ones(20, bool)
    where[[1, 5, 6, 8, 9, 10]] = False  # sequence 2 keeps a single window: it is left out
    want = np.insert(_loop(h, 4, where=where) * 5 / 4, 2, 0)
    np.testing.assert_allclose(sequence_ranking(h, length=4, where=where), want, rtol=1e-5)


def test_is_zero_where_others_are_further_by_the_margin_and_grows_linearly_below(rng):
    """Two sequences on a line: C_ss = 1 and C_ss' = gap, as windows differ along another axis."""
    gaps = []
    for gap in (2.001, 3.0, 1.9, 1.0):
        square = np.array([[0.0, 0.0], [0.0, 1.0]])
        h = np.concatenate([square, square + np.array([gap, 0.0])])
        between = (gap + np.hypot(gap, 1)) / 2
        want = max(1 - between + 1, 0)
        gaps.append(want)
        np.testing.assert_allclose(sequence_ranking(h, length=2), [want] * 2, atol=1e-6)
    assert gaps[:2] == [0, 0]
    assert gaps[3] > 0


def test_the_intra_mean_leaves_out_the_diagonal():
    """Windows 1 apart, sequences 1.75 away: with the zero self-distances C_ss would be a half."""
    h = np.array([[0.0, 0.5], [0.0, -0.5], [3.0**0.5, 0.0], [3.0**0.5, 1e-9]])
    between = (3 + 0.25) ** 0.5
    want = [1 - between + 1, 0]
    np.testing.assert_allclose(sequence_ranking(h, length=2), want, atol=1e-5)


def test_equal_windows_everywhere_cost_the_margin(per_example):
    ranking = functools.partial(sequence_ranking, length=2, margin=0.7)
    with jax.numpy_dtype_promotion("strict"):
        got = per_example(ranking, np.ones((16, 3), np.float32))
    np.testing.assert_allclose(got, np.full(8, 0.7), rtol=1e-6)


def test_identical_rows_have_finite_gradients(rng):
    run = jax.jit(jax.grad(lambda h: sequence_ranking(h, length=4).sum()))
    for fill in (0.0, 1.0, 1e4):
        h = np.full((12, 3), fill, np.float32)
        h[8:] += rng.standard_normal((4, 3)).astype(np.float32)
        grad = np.asarray(run(h))
        assert np.isfinite(grad).all()
        assert np.abs(grad).max() < 10  # distances have unit slopes


def test_moving_turning_and_reordering_do_not_matter(rng):
    h = rng.standard_normal((12, 3)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)
    want = np.asarray(sequence_ranking(h, length=3))
    np.testing.assert_allclose(sequence_ranking(h @ turn + 20, length=3), want, atol=1e-4)
    order = rng.permutation(4)
    moved = h.reshape(4, 3, 3)[order][:, ::-1].reshape(12, 3)
    np.testing.assert_allclose(sequence_ranking(moved, length=3), want[order], rtol=1e-5)


def test_neighbours_in_time_keep_their_digits(rng):
    """Distances of 1e-3 within a sequence, a thousand times smaller than between sequences."""
    h = np.repeat(rng.standard_normal((4, 8)), 3, axis=0) * 10
    h = (h + 1e-3 * rng.standard_normal(h.shape)).astype(np.float32)
    got = sequence_ranking(h, length=3, margin=100.0)
    np.testing.assert_allclose(got, _loop(h, 3, 100.0), rtol=1e-6)
    slope = jax.jit(jax.grad(lambda h: sequence_ranking(h, length=3, margin=100.0).sum()))
    single = np.asarray(slope(h))
    with jax.enable_x64(True):
        np.testing.assert_allclose(single, slope(h.astype(np.float64)), atol=1e-3)


def test_a_common_offset_costs_no_digits(rng):
    h = (rng.standard_normal((12, 3)) + 1000).astype(np.float32)
    np.testing.assert_allclose(sequence_ranking(h, length=3), _loop(h, 3), rtol=1e-4)


def test_bad_arguments_are_named():
    h = np.ones((12, 3), np.float32)
    with pytest.raises(ValueError, match=r"h must be \[batch, dim\], got shape \(12,\)"):
        sequence_ranking(h[:, 0], length=2)
    for length in (1, 5, 0):
        with pytest.raises(ValueError, match=f"divide the batch of 12, got {length}"):
            sequence_ranking(h, length=length)
    with pytest.raises(ValueError, match="two sequences or more"):
        sequence_ranking(h, length=12)


# neighbourhood_coding


def _cross_entropies(neighbour, distant, weight):
    """TNC's loss from probabilities: BCE of neighbours to 1, of distant ones to both labels."""
    near, far = (1 / (1 + np.exp(-np.asarray(x, np.float64))) for x in (neighbour, distant))
    unlabelled = weight * -np.log(far) - (1 - weight) * np.log(1 - far)
    return (-np.log(near) + unlabelled.mean(axis=0)) / 2


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    scale=st.floats(0.01, 8),
    weight=st.floats(0, 1),
    several=st.sampled_from([1, 3]),
)
def test_neighbourhood_coding_is_its_equation(seed, scale, weight, several):
    rng = np.random.default_rng(seed)
    neighbour = (scale * rng.standard_normal(6)).astype(np.float32)
    distant = (scale * rng.standard_normal((several, 6))).astype(np.float32)
    want = _cross_entropies(neighbour, distant, weight)
    np.testing.assert_allclose(
        neighbourhood_coding(neighbour, distant, weight=weight), want, rtol=1e-4, atol=1e-6
    )
    order = rng.permutation(6)
    moved = neighbourhood_coding(neighbour[order], distant[::-1, order], weight=weight)
    np.testing.assert_allclose(moved, want[order], rtol=1e-4, atol=1e-6)


def test_chance_costs_log_two_and_the_best_discriminator_half_the_entropy_of_the_weight():
    zero = np.zeros(4, np.float32)
    np.testing.assert_allclose(neighbourhood_coding(zero, zero), np.full(4, np.log(2)), rtol=1e-6)
    best = np.full(4, np.log(0.05 / 0.95), np.float32)
    loss = lambda far: losses.neighbourhood_coding(zero + 100, far).sum() / 4
    value, grad = jax.jit(jax.value_and_grad(loss))(best)
    np.testing.assert_allclose(value, 0.0992, atol=1e-4)
    np.testing.assert_allclose(grad, np.zeros(4), atol=1e-7)


def test_without_weight_it_is_half_the_density_ratio(rng):
    neighbour, distant = rng.standard_normal((2, 5)).astype(np.float32)
    want = np.asarray(jax.jit(losses.density_ratio)(neighbour, distant)) / 2
    np.testing.assert_allclose(neighbourhood_coding(neighbour, distant, weight=0), want, rtol=1e-6)
    flipped = neighbourhood_coding(neighbour, -distant, weight=1.0)
    np.testing.assert_allclose(flipped, want, rtol=1e-6)


def test_extreme_logits_of_neighbours_stay_finite():
    near, far = np.array([1e4, -1e4, -np.inf]), np.array([[-1e4, 1e4, np.inf]])
    want = [0.05 * 1e4 / 2, (1 + 0.95) * 1e4 / 2, (1 + 0.95) * 1e6 / 2]
    np.testing.assert_allclose(neighbourhood_coding(near, far), want, rtol=1e-6)
    run = jax.jit(jax.grad(lambda *x: losses.neighbourhood_coding(*x).sum(), argnums=(0, 1)))
    np.testing.assert_allclose(run(near, far)[0], [0, -0.5, 0])
    np.testing.assert_allclose(run(near, far)[1], [[-0.025, 0.475, 0]], rtol=1e-6)


def test_each_side_is_the_mean_of_the_windows_that_count(rng):
    neighbour, distant = rng.standard_normal(6), rng.standard_normal((2, 6))
    where = np.array([True, True, False, True, True, False])
    there = where & np.stack([np.roll(where, 1), np.roll(where, 2)])
    spoilt = np.where(where, neighbour, np.nan), np.where(there, distant, np.nan)
    got = np.asarray(neighbourhood_coding(*spoilt, where=where, distant_where=there)).mean()
    near = _cross_entropies(neighbour[where], np.full((1, 4), 0.0), 0) - np.log(2) / 2
    far = _cross_entropies(np.zeros(there.sum()), distant[there][None], 0.05) - np.log(2) / 2
    np.testing.assert_allclose(got, near.mean() + far.mean(), rtol=1e-5)


def test_bad_arguments_of_neighbourhood_coding_are_named():
    row, run = np.ones(4, np.float32), losses.neighbourhood_coding
    for weight in (-0.1, 1.5):
        with pytest.raises(ValueError, match=rf"weight must lie in \[0, 1\], got {weight}"):
            run(row, row, weight=weight)
    with pytest.raises(ValueError, match=r"weight must be a scalar, got shape \(4,\)"):
        run(row, row, weight=row)
    with pytest.raises(ValueError, match=r"neighbour must be \[batch\], got shape \(4, 1\)"):
        run(row[:, None], row)
    with pytest.raises(ValueError, match=r"distant must be .* batch = 4, got shape \(3,\)"):
        run(row, row[:3])
    with pytest.raises(ValueError, match=r"distant_where must be of shape \[2, 4\], got \[1, 4\]"):
        run(row, np.stack([row, row]), distant_where=row > 0)
    with pytest.raises(TypeError, match="distant_where must be bool, got float32"):
        run(row, row, distant_where=row)

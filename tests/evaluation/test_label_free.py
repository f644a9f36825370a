"""Alignment, uniformity, gap and shared neighbours of rows whose answers are known."""

import numpy as np
import pytest
from scipy import special

from mmalign.evaluation import alignment, knn_agreement, modality_gap, similarity, uniformity
from mmalign.evaluation.similarity import evenly


def circle(angle):
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_alignment_is_the_squared_distance_of_directions(rng):
    a = rng.standard_normal((9, 4))
    assert alignment(a, 3 * a) == pytest.approx(0)
    assert alignment(a, -a) == pytest.approx(4)
    assert alignment(np.eye(4), np.roll(np.eye(4), 1, axis=0)) == pytest.approx(2)
    angle, turn = rng.random(9), np.linspace(0, 3, 9)
    want = np.mean(2 - 2 * np.cos(turn))
    assert alignment(circle(angle), 5 * circle(angle + turn)) == pytest.approx(want)
    assert alignment(np.zeros((3, 2)), circle(angle[:3])) == pytest.approx(1)


def test_uniformity_of_known_rows():
    assert uniformity(np.ones((7, 3))) == pytest.approx(0, abs=1e-12)
    assert uniformity(np.eye(6)) == pytest.approx(-4)
    assert uniformity(np.eye(6), t=0.5) == pytest.approx(-1)
    assert uniformity(np.array([[1.0, 0], [-2, 0]]), t=3) == pytest.approx(-12)
    assert uniformity(np.array([[1.0, 0], [-2, 0]]), t=1e4) == pytest.approx(-4e4)  # exp gives 0
    # Over a whole circle the mean is exp(-2 t) I_0(2 t), each row with itself among the pairs.
    count, t = 60, 2
    every = np.exp(-2 * t) * special.i0(2 * t)
    want = np.log((count * every - 1) / (count - 1))
    found = uniformity(circle(2 * np.pi * np.arange(count) / count))
    assert found == pytest.approx(want, abs=1e-12)


def test_uniformity_falls_as_rows_spread(rng):
    z = rng.standard_normal((200, 16))
    found = [uniformity(z + offset) for offset in (10, 3, 1, 0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > -0.1 and -4 < found[-1] < -3.4


def test_the_gap_is_the_distance_of_centres(rng):
    e = np.eye(3)
    assert modality_gap(np.tile(e[0], (5, 1)), np.tile(7 * e[1], (2, 1))) == pytest.approx(2**0.5)
    assert modality_gap(np.tile(e[0], (5, 1)), np.tile(-e[0], (5, 1))) == pytest.approx(2)
    a = rng.standard_normal((40, 3))
    assert modality_gap(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    # a quarter of the rows on each of four axes: its centre is 0
    assert modality_gap(circle(np.pi / 2 * np.arange(8)), np.eye(2)) == pytest.approx(0.5**0.5)


def test_neighbours_of_one_space_are_its_own_whatever_turns_it(rng):
    a = rng.standard_normal((60, 5))
    turn = np.linalg.qr(rng.standard_normal((8, 5)))[0]
    for k in (1, 5, 59):
        assert knn_agreement(a, rng.uniform(0.1, 9, (60, 1)) * a @ turn.T, k) == pytest.approx(1)


def test_neighbours_are_those_of_a_search(rng):
    a = rng.standard_normal((80, 4))
    b = a[:, :3] + 0.5 * rng.standard_normal((80, 3))
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in (a, b)]
    distance = [np.linalg.norm(u[:, None] - u, axis=2) for u in unit]
    near = [d.argsort(axis=1)[:, 1:8] for d in distance]  # the first is the row itself
    want = np.mean([len({*x} & {*y}) / 7 for x, y in zip(*near)])
    assert 0.2 < want < 0.9
    assert knn_agreement(a, b, 7) == pytest.approx(want)


def test_spaces_without_information_agree_by_chance(rng):
    count, k = 60, 5
    a, b = rng.standard_normal((2, count, 6))
    chance = k / (count - 1)
    unrelated = [knn_agreement(a, rng.permutation(b), k) for _ in range(200)]
    assert np.mean(unrelated) == pytest.approx(chance, rel=0.05)
    line = rng.uniform(0.1, 9, (count, 1)) * rng.standard_normal(7)  # equal but for rounding
    for same in (line, np.ones((count, 3)), np.zeros((count, 3))):
        assert knn_agreement(same, same, k) == pytest.approx(chance)
        assert knn_agreement(same, a, k) == pytest.approx(chance)
        assert knn_agreement(same, same, 40) == pytest.approx(40 / (count - 1))


def test_tied_neighbours_are_taken_by_chance():
    # each row has one copy and two rows opposite: of k = 2, one neighbour is sure, one a half
    a = np.array([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    assert knn_agreement(a, a, 2) == pytest.approx((1 + 2 * 0.5**2) / 2)
    assert knn_agreement(a, a, 1) == pytest.approx(1)


def test_agreement_falls_with_noise(rng):
    a, noise = rng.standard_normal((2, 300, 8))
    found = [knn_agreement(a, a + scale * noise) for scale in (0, 0.1, 0.5, 2, 100)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(1) and found[-1] < 0.05


def test_scale_and_rotation_do_not_matter(rng):
    a, b = rng.standard_normal((2, 50, 6))
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    scale = 10 ** rng.uniform(-200, 200, (50, 1))
    for measure in (alignment, modality_gap, knn_agreement, lambda x, y: uniformity(x)):
        assert measure(scale * (a @ turn), b @ turn) == pytest.approx(measure(a, b))


def test_tiles_do_not_change_the_answer(rng, monkeypatch):
    a, b = rng.standard_normal((2, 53, 6))
    whole = uniformity(a), uniformity(a), knn_agreement(a, b)  # the nearest pair first, and last
    monkeypatch.setattr(similarity, "_ENTRIES", 7 * 53)
    tiled = uniformity(a), uniformity(a[::-1]), knn_agreement(a, b)
    assert tiled == pytest.approx(whole, rel=1e-12)


def test_of_more_rows_than_the_limit_as_many_evenly_spread_are_used(rng, monkeypatch):
    monkeypatch.setattr(similarity, "LIMIT", 4)
    assert [x.tolist() for x in evenly(np.arange(10), -np.arange(10))] == [
        [0, 2, 5, 7], [0, -2, -5, -7],
    ]  # fmt: skip
    z = np.concatenate([np.eye(4), np.eye(4)])[[0, 4, 1, 5, 2, 6, 3, 7]]  # each row twice
    assert uniformity(z) == pytest.approx(-4)  # of the four rows 0, 2, 4, 6
    with pytest.raises(ValueError, match="k must be from 1 to 3 for 4 rows"):
        knn_agreement(z, z, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: alignment(x[0], x), r"a must be \[n, d\], got shape \(3,\)"),
        (lambda x: alignment(x, x[:1]), r"b must be \[n, d\] with n >= 2 .* shape \(1, 3\)"),
        (
            lambda x: alignment(x, x[:3]),
            r"a and b must be .* alike, got shapes \(4, 3\) and \(3",
        ),
        (lambda x: alignment(x, x * np.nan), "b: NaN or infinity in 4 of 4 rows"),
        (lambda x: uniformity(x * np.inf), "z: NaN or infinity in 4 of 4 rows"),
        (lambda x: uniformity(x, t=0), "t must be above 0 and finite, got 0"),
        (lambda x: uniformity(x[:1]), r"z must be \[n, d\] with n >= 2"),
        (lambda x: modality_gap(x, x[:, :2]), r"a and b must be as wide .* \(4, 3\) and \(4, 2\)"),
        (lambda x: knn_agreement(x, x[:3]), "rows of the same windows, got 4 and 3"),
        (lambda x: knn_agreement(x, x), "k must be from 1 to 3 for 4 rows, got 5"),
        (lambda x: knn_agreement(x, x, 0), "k must be from 1 to 3 for 4 rows, got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.arange(1.0, 13).reshape(4, 3))

"""Ranks and decay of spectra that are made to be known."""

import numpy as np
import pytest

from mmalign.evaluation import alpha_req, lidar, rankme, similarity


def rotation(rng, dim):
    return np.linalg.qr(rng.standard_normal((dim, dim)))[0]


def with_singular_values(rng, count, values):
    """[count, dim] whose columns have mean 0."""
    x = rng.standard_normal((count, len(values)))
    return np.linalg.qr(x - x.mean(axis=0))[0] * values @ rotation(rng, len(values))


def test_rankme_is_the_exponential_of_the_entropy_of_singular_values(rng):
    assert rankme(np.outer(np.arange(1, 7), [1, 2, 3])) == pytest.approx(1, abs=1e-5)
    for dim in (2, 16):
        z = with_singular_values(rng, 40, np.full(dim, 3.0))
        assert rankme(z) == pytest.approx(dim, abs=1e-4)
    # shares 1/2, 1/4, 1/4: 1.5 bits
    z = with_singular_values(rng, 40, np.array([2.0, 1.0, 1.0]))
    assert rankme(z) == pytest.approx(2**1.5, abs=1e-5)
    assert rankme(np.zeros((4, 3))) == 0


def test_rankme_adds_the_epsilon_of_the_paper_to_each_share(rng):
    z = with_singular_values(rng, 40, np.array([1.0, 1e-9, 1e-9, 1e-9]))
    share = np.array([1, 1e-9, 1e-9, 1e-9]) / (1 + 3e-9) + 1e-7
    want = np.exp(-(share * np.log(share)).sum())
    assert rankme(z) - 1 == pytest.approx(want - 1, rel=1e-5)
    assert want - 1 > 4e-6


def test_many_isotropic_rows_use_all_dimensions_and_prefer_none(rng):
    z = rng.standard_normal((20_000, 20))
    assert 19.9 < rankme(z) < 20.01
    assert abs(alpha_req(z)) < 0.05
    assert rankme(z[:100]) < rankme(z[:1000]) < rankme(z)


def test_rankme_counts_a_common_offset_and_falls_with_collapse(rng):
    z = rng.standard_normal((300, 12))
    assert rankme(z + 100) < 2
    found = [rankme(z * np.linspace(1, 0, 12) ** power) for power in (0, 1, 2, 4, 8)]
    assert found == sorted(found, reverse=True) and found[0] > 2 * found[-1]


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0, 2.5])
@pytest.mark.parametrize("dim", [5, 40, 130])
def test_alpha_is_the_power_of_the_eigenvalues(rng, power, dim):
    z = with_singular_values(rng, 150, np.arange(1, dim + 1) ** (-power / 2))
    assert alpha_req(z + 7) == pytest.approx(power, abs=1e-9)


def test_alpha_reads_ranks_4_to_100_by_weights_of_one_over_rank(rng):
    rank = np.arange(1, 131)
    eigenvalue = np.exp(-0.02 * rank) / rank
    eigenvalue[:3] *= 1000
    eigenvalue[100:] /= 1000
    used = slice(3, 100)
    # polyfit's weights multiply residuals, before they are squared
    slope = np.polyfit(np.log(rank[used]), np.log(eigenvalue[used]), 1, w=rank[used] ** -0.5)[0]
    z = with_singular_values(rng, 200, np.sqrt(eigenvalue))
    assert alpha_req(z) == pytest.approx(-slope, abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounding_of_collapsed_embeddings_is_no_flat_tail(rng, dtype):
    collapsed = rng.standard_normal((400, 3)) @ rng.standard_normal((3, 64)) + 5
    assert alpha_req(collapsed.astype(dtype)) == np.inf
    assert alpha_req(np.ones((400, 64), dtype)) == np.inf
    spread = with_singular_values(rng, 400, np.arange(1, 65) ** -0.5)
    assert alpha_req((spread * 30).astype(dtype)) == pytest.approx(1, abs=0.05)


def views(centres, deviations):
    """[n, 2 d, d]: each centre plus and minus each row of deviations, so that both are exact."""
    return centres[:, None] + np.concatenate([deviations, -deviations])


def test_lidar_counts_the_dimensions_that_tell_windows_apart(rng):
    dim, scale = 8, np.array([1.0, 3, 0.2, 1, 1, 1, 1, 50])
    turn = rotation(rng, dim)
    for told in (1, 3, 8):
        axes = np.diag(scale)[:told]  # as far apart as views are noisy: equal eigenvalues
        z = views(np.concatenate([axes, -axes]), np.diag(scale)) @ turn
        assert lidar(z, delta=1e-12) == pytest.approx(told, abs=1e-4)
        assert lidar(1e-3 * z + 1, delta=1e-12) == pytest.approx(told, abs=1e-4)
    assert rankme(z.reshape(-1, dim)) < 3  # which sees the largest noise above all


def test_lidar_adds_delta_to_the_variance_of_views():
    # between: 1 and 1; within: 0 and 1, plus delta of 1: eigenvalues 1 and 1/2
    centres = np.sqrt(2) * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    z = views(centres, np.sqrt(2) * np.array([[0, 0], [0, 1.0]]))
    share = np.array([2, 1]) / 3
    assert lidar(z, delta=1) == pytest.approx(np.exp(-share @ np.log(share)), abs=1e-5)
    assert lidar(z) == pytest.approx(1, abs=2e-3)  # the first is told for sure, by 1 / 1e-4


def test_lidar_ignores_what_varies_by_view_alone(rng):
    code = rng.standard_normal((500, 1, 4))
    z = np.concatenate([code + 0.1 * rng.standard_normal((500, 8, 4)),
                        rng.standard_normal((500, 8, 12))], axis=2)  # fmt: skip
    assert 4 < lidar(z) < 4.5 < 12 < rankme(z.reshape(-1, 16))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_windows_without_a_difference_have_no_lidar(rng, dtype):
    for count in (3, 10, 1000):
        assert lidar(np.full((count, 3, 5), 0.1, dtype)) == 0
    one = np.broadcast_to(rng.standard_normal((1, 4, 5)), (50, 4, 5))
    assert lidar(one.astype(dtype)) == 0


def test_lidar_does_not_depend_on_tiles(rng, monkeypatch):
    z = rng.standard_normal((30, 4, 6)) + 3 * rng.standard_normal((30, 1, 6))
    whole = lidar(z)
    monkeypatch.setattr(similarity, "_ENTRIES", 7 * 4 * 6)
    assert lidar(z) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("measure", [rankme, alpha_req, lambda z: lidar(z.reshape(50, 6, 10))])
def test_scale_and_rotation_do_not_matter(rng, measure):
    z = rng.standard_normal((300, 10)) * np.arange(1, 11)
    want = measure(z)
    assert measure(1000 * z @ rotation(rng, 10)) == pytest.approx(want, rel=1e-4)


def test_huge_numbers_stay_in_range(rng):
    z = rng.standard_normal((50, 8))
    for measure in (rankme, alpha_req):
        assert measure(1e250 * z) == pytest.approx(measure(z))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rankme(np.ones(3)), r"z must be \[n, d\], got shape \(3,\)"),
        (lambda: rankme(np.ones((1, 3))), r"z must be \[n, d\] with n >= 2 .* shape \(1, 3\)"),
        (lambda: rankme(np.ones((3, 0))), r"z must be .* d >= 1, got shape \(3, 0\)"),
        (lambda: rankme(np.array([[1, np.nan], [0, 0]])), "z: NaN or infinity in 1 of 2 rows"),
        (lambda: rankme(np.ones((3, 2), complex)), "z must be real numbers, got complex128"),
        (lambda: alpha_req(np.ones((5, 9))), r"z must be .* n >= 6 and d >= 5.* shape \(5, 9\)"),
        (lambda: alpha_req(np.ones((9, 4))), r"z must be .* n >= 6 and d >= 5.* shape \(9, 4\)"),
        (lambda: lidar(np.ones((4, 5))), r"z must be \[n, views, d\], got shape \(4, 5\)"),
        (lambda: lidar(np.ones((4, 1, 5))), r"z must be .* views >= 2 .* shape \(4, 1, 5\)"),
        (lambda: lidar(np.full((2, 2, 2), np.inf)), "z: NaN or infinity in 2 of 2 rows"),
        (lambda: lidar(np.ones((2, 2, 2)), delta=0), "delta must be above 0 and finite, got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

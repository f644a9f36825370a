"""Partners found at known ranks, and a probe that reads another sensor."""

import numpy as np
import pytest

from mmalign.evaluation import linear_probe, retrieval, similarity, transfer


def circle(degrees):
    return np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], axis=1)


def test_own_partners_are_found(rng):
    a = rng.standard_normal((40, 6))
    scale, turn = rng.uniform(0.1, 9, (40, 1)), np.linalg.qr(rng.standard_normal((6, 6)))[0]
    for b in (a, scale * a, a + 1e-6):
        assert retrieval(a @ turn, b @ turn) == {"r1": 1, "r5": 1, "mrr": 1}


def test_ranks_are_counted():
    b = circle(np.arange(0, 60, 10.0))
    a = circle(np.array([0.0, 16, 14, 3, 3, 3]))
    rank = np.array([1, 2, 2, 4, 5, 6])  # partners are at 0, 10, ... 50 degrees
    want = {"r1": 1 / 6, "r5": 5 / 6, "mrr": np.mean(1 / rank)}
    assert retrieval(a, b) == pytest.approx(want)


def test_a_tied_partner_has_each_of_the_tied_ranks_by_chance():
    b = np.eye(7)  # of row i, b[i - 1] is first, and b[i] is one of six on the ranks 2 to 7
    want = {"r1": 0, "r5": 4 / 6, "mrr": np.mean(1 / np.arange(2.0, 8))}
    assert retrieval(np.roll(b, 1, axis=0), b) == pytest.approx(want)


@pytest.mark.parametrize("count", [3, 12])
def test_embeddings_without_information_find_by_chance(rng, count):
    a = rng.standard_normal((count, 4))
    chance = {
        "r1": 1 / count,
        "r5": min(5 / count, 1),
        "mrr": np.mean(1 / np.arange(1, count + 1)),
    }
    line = rng.uniform(0.1, 9, (count, 1)) * rng.standard_normal(4)  # equal but for rounding
    for constant in (line, np.full((count, 4), 0.1), np.zeros((count, 4))):
        assert retrieval(a, constant) == pytest.approx(chance)
        assert retrieval(constant, constant) == pytest.approx(chance)


def test_unrelated_embeddings_are_near_chance_and_noise_costs(rng):
    a, noise = rng.standard_normal((2, 500, 16))
    found = [retrieval(a, a + scale * noise) for scale in (0, 0.5, 1, 2, 1e3)]
    for name, chance in (("r1", 0.002), ("r5", 0.01), ("mrr", 0.0136)):
        values = [x[name] for x in found]
        assert values == sorted(values, reverse=True)
        assert values[0] == 1 and values[-1] < 3 * chance + 0.003


def test_both_directions_differ():
    b = circle(np.array([0.0, 10, 90]))
    a = circle(np.array([0.0, 4, 90]))
    assert retrieval(a, b)["r1"] == pytest.approx(2 / 3)
    assert retrieval(b, a)["r1"] == pytest.approx(1)


def test_tiles_do_not_change_the_answer(rng, monkeypatch):
    a, noise = rng.standard_normal((2, 53, 6))
    whole = retrieval(a, a + noise)
    assert 0.1 < whole["r1"] < 0.9
    monkeypatch.setattr(similarity, "_ENTRIES", 7 * 53)
    assert retrieval(a, a + noise) == pytest.approx(whole)


def test_of_more_rows_than_the_limit_as_many_are_used(rng, monkeypatch):
    a, noise = rng.standard_normal((2, 60, 6))
    rows = np.arange(0, 60, 2)
    want = retrieval(a[rows], (a + noise)[rows])
    monkeypatch.setattr(similarity, "LIMIT", 30)
    assert retrieval(a, a + noise) == want


def test_rows_that_are_no_pairs_are_named(rng):
    a = rng.standard_normal((5, 3))
    with pytest.raises(ValueError, match=r"a and b must be .* alike, got shapes \(5, 3\) and \(4"):
        retrieval(a, a[:4])
    with pytest.raises(ValueError, match=r"b must be \[n, d\] with n >= 2"):
        retrieval(a, a[:1])


def sensor(rng, count, spread=0.3):
    """[count, 6] embeddings near the class's corner, its class, and one of five subjects."""
    label = np.arange(count) % 3
    z = 4 * np.eye(6)[label] + spread * rng.standard_normal((count, 6))
    return z, label, np.arange(count) // 3 % 5


def test_a_probe_reads_another_sensor_of_the_same_space(rng):
    (z, label, group), (other, label_test, _) = sensor(rng, 90), sensor(rng, 60)
    assert transfer(z, label, group, other, label_test) == {"accuracy": 1.0, "macro_f1": 1.0}
    rolled = np.roll(other, 1, axis=1)  # corners of other classes; of the last, no corner at all
    assert transfer(z, label, group, rolled, label_test)["accuracy"] < 0.4


def test_transfer_is_the_linear_probe_of_the_sensor_it_learned_from(rng):
    (z, label, _), (other, label_test, _) = sensor(rng, 60, 4.0), sensor(rng, 60, 4.0)
    group = np.arange(60)  # many people, so that folds differ by seed
    found = [transfer(z, label, group, other, label_test, seed=seed) for seed in range(4)]
    own = [linear_probe(z, label, group, other, label_test, seed=seed) for seed in range(4)]
    assert found == [{name: x[name] for name in ("accuracy", "macro_f1")} for x in own]
    assert len({x["accuracy"] for x in found}) > 1  # or the seed would not have been seen


def test_a_gap_between_sensors_costs(rng):
    (z, label, group), (other, label_test, _) = sensor(rng, 90), sensor(rng, 60)
    apart = transfer(z, label, group, other + 9 * np.eye(6)[0], label_test)
    assert apart["accuracy"] < 0.5  # nothing is fitted to the other sensor


def test_embeddings_of_other_widths_are_named(rng):
    z, label, group = sensor(rng, 30)
    with pytest.raises(ValueError, match=r"z_test must be as wide as z_train, .* \(30, 5\)"):
        transfer(z, label, group, z[:, :5], label)

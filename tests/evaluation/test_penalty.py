"""The strength of a probe's penalty: chosen on people that are held out, and not by luck."""

import numpy as np
import pytest

from mmalign.evaluation import fit_linear, penalty, scores
from mmalign.evaluation.penalty import STRENGTHS, choose


def people(rng, count=20, each=30, classes=5, signal=0.8, noise_dims=80, shift=0.7):
    """Windows of people who differ: standardised features, label, person."""
    group, label = np.repeat(np.arange(count), each), np.arange(count * each) % classes
    x = rng.standard_normal((len(label), classes + noise_dims))
    x[:, :classes] += signal * np.eye(classes)[label] * 2
    x += shift * rng.standard_normal((count, classes + noise_dims))[group]
    return (x - x.mean(0)) / x.std(0), label, group


def test_the_choice_is_good_on_held_out_people(rng):
    from sklearn.linear_model import LogisticRegression

    x, label, group = people(rng)
    new, truth, _ = people(rng)  # other people
    choice = choose(x, label, group)
    assert choice.by == "group" and not choice.at_edge
    f1 = {}
    for c in (*STRENGTHS, choice.strength):
        model = LogisticRegression(C=c, max_iter=2000).fit(x, label)
        f1[c] = scores(truth, model.predict(new))["macro_f1"]
    assert f1[choice.strength] > max(f1.values()) - 0.01
    assert f1[choice.strength] > min(f1.values()) + 0.02  # there was something to lose


@pytest.mark.parametrize("count", [10, 30])
def test_ten_draws_of_folds_move_the_score_by_less_than_a_point(rng, count):
    """Ten people are left out one by one, thirty are drawn into folds."""
    x, label, group = people(rng, count=count)
    new, truth, _ = people(rng, count=60)
    probes = [fit_linear(x, label, group, seed=seed) for seed in range(0, 50, 5)]
    f1 = [scores(truth, probe.predict(new))["macro_f1"] for probe in probes]
    assert max(f1) - min(f1) < 0.01
    drawn = len({tuple(probe.protocol()["curve"]) for probe in probes})
    assert (drawn == 1) == (count <= penalty.ALONE)


def test_each_of_few_people_is_left_out_in_turn(rng):
    _, label, group = people(rng, count=8)
    draws, by = penalty._folds(label, group, 2, seed=0)
    assert by == "group" and len(draws) == 1
    assert sorted(group[held_out[0]] for _, held_out in draws[0]) == list(range(8))
    for fit, held_out in draws[0]:
        assert len(np.unique(group[held_out])) == 1 and len(fit) + len(held_out) == len(group)


def test_what_only_tells_people_apart_is_not_trusted(rng):
    """Of features that give a window's person away the penalty is strong; folds of windows would
    choose a weak one.
    """
    count, each = 10, 40
    group, label = np.repeat(np.arange(count), each), np.repeat(np.arange(count) % 2, each)
    label = np.where(rng.random(len(label)) < 0.1, 1 - label, label)
    x = 3 * np.eye(count)[group] + 0.3 * rng.standard_normal((len(group), count))
    x = np.c_[x, label + 1.5 * rng.standard_normal(len(label))]
    x = (x - x.mean(0)) / x.std(0)
    apart = choose(x, label, group)
    mixed = choose(x, label, np.arange(len(label)))  # everybody is another
    assert max(f1 for _, f1 in apart.curve) < max(f1 for _, f1 in mixed.curve) - 0.1


def test_the_search_goes_on_beyond_its_edges_and_says_where_it_ended(rng, monkeypatch):
    _, label, group = people(rng)
    rare = (rng.random(len(label)) < 0.1).astype(int)  # a strong penalty answers 0 throughout
    weak = choose(rare[:, None] + 0.2 * rng.standard_normal((len(label), 1)), rare, group,
                  strengths=(1e-6, 1e-5))  # fmt: skip
    assert weak.strength > 1e-2 and weak.curve[-1][0] > weak.strength / 10
    monkeypatch.setattr(penalty, "LIMITS", (1e-4, 1e4))
    easy = choose(np.eye(5)[label] - 0.2, label, group)  # anything will do: the strongest
    assert easy.at_edge and easy.strength == pytest.approx(1e-4)
    assert [f1 for _, f1 in easy.curve] == [1.0] * 4  # and larger ones are not tried to the end


def test_with_one_person_windows_are_held_out_and_with_too_few_the_middle_is_taken(rng):
    x, label, _ = people(rng, count=2)
    assert choose(x, label, np.zeros(len(label))).by == "window"
    few = choose(np.eye(3), np.arange(3), np.zeros(3), strengths=(1.0, 0.1, 5.0))
    assert few == (1.0, (), "nothing", False)


def test_a_choice_on_every_second_window_weighs_them_as_all(rng):
    x, label, group = people(rng, count=40)
    every, second = choose(x, label, group, draws=2), choose(x, label, group, draws=2, most=600)
    assert second.strength == pytest.approx(every.strength, rel=20)  # a step and a half of tenfolds
    assert second.strength in [
        pytest.approx(c / 2 * 10**k) for c, _ in second.curve for k in (-0.5, 0, 0.5)
    ]


def test_folds_of_which_nothing_can_be_learnt_are_left_out(rng):
    """Two of four people are of a class of their own: without them the others cannot be told."""
    x, _, _ = people(rng, count=4)
    group, label = np.repeat(np.arange(4), 30), np.repeat([0, 0, 1, 2], 30)
    label[:15], label[40:50] = 1, 1
    choice = choose(x, label, group, draws=3)
    assert choice.by == "group" and np.isfinite(choice.strength)

"""InfoMAE on batches of pairs and of windows without a partner: who sees which rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.methods.infomae_critics import Critics
from mmalign.methods.infomae_terms import Prices, information_terms
from mmalign.models import Critic, Stem

KEY = jax.random.key(1)
NAMES, ROWS, LENGTH, SHARED, PRIVATE = ("acc", "emg"), 24, 2, 4, 6
PAIRED = np.arange(ROWS) % 12 < 6  # six sequences of twelve
ACROSS = ("distance", "nats_other", "nats_joint", "joint_excess")
WITHIN = ("nats_own", "nats_private", "nats_split")
CRITICS = Critics(dict.fromkeys(NAMES, "series"), SHARED, PRIVATE, True, True, 2, LENGTH,
                  Stem((4,), 4), Critic(hidden=6, depth=1))  # fmt: skip


@pytest.fixture(scope="module")
def seen():
    """Grids, u and v of a batch."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: {m: rng.standard_normal((ROWS, *shape)).astype(np.float32) for m in NAMES}
    return draw(8, 1, 2), draw(SHARED), draw(PRIVATE)


@pytest.fixture(scope="module")
def play(small, seen):
    """`play(seen, **weights)` -> metrics, gradient of the critics' loss, of the others' by u."""

    @small.jit
    def program(weights, params, seen, present):
        grids, u, v = seen

        def values(params, u):
            prices = Prices(
                **weights, form="three_ratio", noise=0.1, shared=1.0, independence="critic"
            )
            loss, player, metrics = information_terms(
                prices, CRITICS, params, grids, u, v, present, KEY, 1.0, jnp.asarray(PAIRED)
            )
            return (loss, player), metrics

        _, pull, metrics = jax.vjp(values, params, u, has_aux=True)
        return metrics, pull((0.0, 1.0))[0], pull((1.0, 0.0))[1]

    params = small.all_random(jax.eval_shape(CRITICS.init, KEY, seen[0]))
    everybody = dict.fromkeys(NAMES, np.ones(ROWS, bool))
    given = dict(alpha=0.7, beta=0.2, gamma=0.3, epsilon=0.4)

    def call(seen, **weights):
        weights = {k: np.float32(w) for k, w in (given | weights).items()}
        return jax.device_get(program(weights, params, seen, everybody))

    return call


def edited(seen, edit):
    """What is seen of emg in rows that are no pairs, changed by `edit`."""

    def change(x):
        x = x.copy()
        x[~PAIRED] = edit(x[~PAIRED])
        return x

    return tuple({**part, "emg": change(part["emg"])} for part in seen)


def test_what_is_across_modalities_sees_pairs_alone(play, seen):
    metrics, critics, _ = play(seen)
    # rolled, every window that is no pair is beside another one of acc
    rolled, learnt, _ = play(edited(seen, lambda x: np.roll(x, 3, axis=0)))
    for name in ACROSS:
        np.testing.assert_allclose(rolled[name], metrics[name], rtol=1e-6)
    others = lambda grads: (jax.tree.map(lambda x: x[2:], grads["pair"]), grads["joint"])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        others(learnt), others(critics),
    )  # fmt: skip
    poisoned, _, _ = play(edited(seen, lambda x: np.full_like(x, np.nan)))
    for name in ("distance", "nats_other", "nats_joint"):
        np.testing.assert_allclose(poisoned[name], metrics[name], rtol=1e-6)
    for name in WITHIN:
        assert np.isnan(poisoned[name])


def test_what_is_of_one_modality_sees_every_row(play, seen):
    metrics, critics, _ = play(seen)
    changed, learnt, _ = play(edited(seen, lambda x: 2 * x + 1))
    for name in WITHIN:
        assert abs(changed[name] - metrics[name]) > 1e-3
    own = lambda grads: [grads["private"], grads["split"], {k: jax.tree.map(lambda x: x[1], v)
                         for k, v in grads["pair"].items()}]  # fmt: skip
    for before, after in zip(own(critics), own(learnt)):
        moved = [np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (before, after)))]
        assert max(moved) > 1e-3


def test_encoders_learn_from_windows_without_a_partner_what_they_cost_alone(play, seen):
    everything, free = (play(seen, **w)[2] for w in ({}, dict(beta=0, gamma=0, epsilon=0)))
    for m in NAMES:
        assert (np.abs(free[m][PAIRED]).max(axis=1) > 0).all() and not free[m][~PAIRED].any()
        assert (np.abs(everything[m]).max(axis=1) > 0).all()


@pytest.mark.parametrize("pairs", [3, 4, 12])
def test_negatives_of_pairs_are_pairs_of_other_sequences(pairs):
    """Every modality is moved by another number of them, or it is not counted."""
    sequences = np.random.default_rng(pairs).permutation(12) < pairs
    paired = np.repeat(sequences, LENGTH)
    draw = jax.jit(lambda key, paired: CRITICS.partners(key, paired))
    met = set()
    for seed in range(20):
        rows, enough = draw(jax.random.key(seed), paired)
        assert enough.tolist() == [True, True, pairs > 4]
        for m in NAMES:
            np.testing.assert_array_equal(rows[m][0][paired], np.flatnonzero(paired))
        here = np.stack([np.asarray(rows[m])[enough][:, paired] for m in NAMES])
        assert paired[here].all()
        np.testing.assert_array_equal(here % LENGTH, np.broadcast_to(
            np.flatnonzero(paired) % LENGTH, here.shape))  # fmt: skip
        first, second = here[:, 1:] // LENGTH
        own = np.flatnonzero(paired) // LENGTH
        assert (first != own).all() and (second != own).all() and (first != second).all()
        met |= {
            (int(a), int(b)) for a, b in zip(np.broadcast_to(own, first.shape).flat, first.flat)
        }
    assert len(met) == pairs * (pairs - 1)  # any other pair may be the negative of one


def test_the_method_as_a_whole_sees_what_its_terms_do(small):
    """Of windows with sensors missing; without `paired` all rows are pairs."""
    made = small.compiled("infomae")  # as the test of the contract has it: compiled once
    metrics = lambda batch: made.loss(made.params, batch, KEY)[0][1]
    mixed = made.batch | {"paired": np.arange(small.batch_size) < 16}
    inputs = {**made.batch["inputs"], "emg": made.batch["inputs"]["emg"].copy()}
    inputs["emg"][16:] *= 3
    whole, before = metrics(made.batch), metrics(mixed)
    after = metrics(mixed | {"inputs": inputs})
    for name in ("distance", "nats_other"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-5)
        assert abs(before[name] - whole[name]) > 1e-4
    for name in ("reconstruction", "contrast", "ranking", *WITHIN):
        assert abs(after[name] - before[name]) > 1e-4, name
        np.testing.assert_allclose(before[name], whole[name], rtol=1e-6)

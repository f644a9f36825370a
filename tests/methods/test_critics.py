"""What critics are shown: negatives that break every alignment, and only rows that are whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.methods.infomae_critics import Critics, moved
from mmalign.models import Critic, Stem

SHARED, PRIVATE, STEM = 3, 5, 4


def make(count=2, *, joint=True, negatives=2, length=2):
    kinds = dict.fromkeys(("acc", "emg", "ecg")[:count], "series")
    return Critics(kinds, SHARED, PRIVATE, joint, True, negatives, length,
                   Stem((4,), STEM), Critic(hidden=6, depth=1))  # fmt: skip


def drawn_offsets(critics, batch, keys=64):
    """Offsets of every modality for many keys: [keys, modalities, 1 + negatives]."""
    keys = jax.random.split(jax.random.key(0), keys)
    drawn = jax.vmap(lambda key: critics.offsets(key, batch))(keys)
    return np.stack([drawn[m] for m in critics.modalities], axis=1)


@pytest.mark.parametrize(
    ("count", "negatives", "length", "batch"),
    [(2, 2, 2, 32), (3, 2, 4, 32), (2, 3, 4, 28), (3, 1, 1, 16), (2, 1, 8, 24)],
)
def test_negatives_break_all_alignments(count, negatives, length, batch):
    critics = make(count, negatives=negatives, length=length)
    offsets = drawn_offsets(critics, batch)
    assert offsets.shape == (64, count, 1 + negatives)
    rows = np.arange(batch)
    sequence = rows // length
    for drawn in offsets:
        source = np.stack([moved(rows, jnp.asarray(o)) for o in drawn])  # [modality, 1 + k, row]
        np.testing.assert_array_equal(source[:, 0], np.broadcast_to(rows, (count, batch)))
        negative = source[:, 1:].reshape(count * negatives, batch)
        assert (sequence[negative] != sequence[None]).all()  # so no row is a fixed point either
        for i, one in enumerate(negative):
            for other in negative[:i]:  # of another modality, or another negative of this one
                assert (sequence[one] != sequence[other]).all()
        assert (negative % length == (rows % length)[None]).all()


def test_every_other_sequence_can_become_a_negative():
    offsets = drawn_offsets(make(2, negatives=2, length=4), 32)[:, :, 1:]
    for of_modality in offsets.swapaxes(0, 1):
        assert set(of_modality.ravel()) == set(range(4, 32, 4))


def test_a_small_batch_has_fewer_negatives_and_one_too_small_is_refused():
    critics = make(3, negatives=2, length=4)
    assert {len(x) for x in critics.offsets(jax.random.key(0), 28).values()} == {3}
    assert {len(x) for x in critics.offsets(jax.random.key(0), 24).values()} == {2}
    with pytest.raises(ValueError, match=r"3 sequences .* each of 3 modalities: .* least 4;"):
        critics.offsets(jax.random.key(0), 12)


def test_moved_turns_rows_around_the_batch():
    x = jnp.arange(10).reshape(5, 2)
    turned = moved(x, jnp.array([0, 1, 3]))
    for offset, rows in zip((0, 1, 3), turned, strict=True):
        np.testing.assert_array_equal(rows, np.roll(x, offset, axis=0))


@pytest.fixture(scope="module")
def shown():
    """Random parameters and what the critics of two sensors are shown; some rows lack one."""
    critics, rng = make(), np.random.default_rng(0)
    names, b = critics.modalities, 16
    draw = lambda width: {m: rng.standard_normal((b, width)).astype(np.float32) for m in names}
    grids = {m: jnp.zeros((1, 8, 1, c)) for m, c in zip(names, (3, 2))}
    shapes = jax.eval_shape(critics.init, jax.random.key(0), grids)
    params = jax.tree.map(lambda x: rng.standard_normal(x.shape).astype(np.float32), shapes)
    present = {m: rng.random(b) < 0.7 for m in names}
    return critics, params, draw(STEM), draw(SHARED), draw(PRIVATE), present


@pytest.fixture(scope="module")
def loss(small, shown):
    return small.jit(shown[0].loss)


def test_loss_is_that_of_each_network_alone(small, shown, loss):
    """Written as in the paper: one classifier at a time, joint rows against rolled ones."""
    critics, params, window, u, v, present = shown
    apply = small.jit(lambda weights, *arrays: critics.critic.apply({"params": weights}, *arrays))
    key = jax.random.key(3)
    offsets = {m: np.asarray(o) for m, o in critics.offsets(key, 16).items()}
    want = []

    def classifier(weights, arrays, owners, kept, owner):
        """Arguments in `arrays` are rolled, `kept` is not."""
        sides = [[], []]
        for k in range(1 + critics.negatives):
            rolled = [np.roll(a, offsets[m][k], axis=0) for a, m in zip(arrays, owners)]
            whole = present[owner].copy()
            for m in owners:
                whole &= np.roll(present[m], offsets[m][k])
            logit = np.asarray(apply(weights, *rolled, kept), np.float64)
            sides[k > 0].append((-logit if k == 0 else logit)[whole])
        want.append(sum(np.log1p(np.exp(np.concatenate(s))).mean() for s in sides))

    one = lambda name, i: jax.tree.map(lambda x: x[i], params[name])
    names = critics.modalities
    pairs = [("acc", "acc"), ("emg", "emg"), ("acc", "emg"), ("emg", "acc")]
    for i, (m, o) in enumerate(pairs):
        classifier(one("pair", i), [window[o]], [o], u[m], m)
    for i, m in enumerate(names):
        classifier(one("private", i), [window[m]], [m], v[m], m)
        classifier(one("split", i), [v[m]], [m], u[m], m)
        classifier(one("joint", i), [window[o] for o in names], names, u[m], m)
    got = loss(params, window, u, v, present, key)
    np.testing.assert_allclose(got, sum(want), rtol=1e-5)


def test_rows_that_lack_a_part_are_not_shown(shown, loss):
    _, params, window, u, v, present = shown
    spoil = lambda tree: {m: np.where(present[m][:, None], x, 1e3) for m, x in tree.items()}
    key = jax.random.key(3)
    want = loss(params, window, u, v, present, key)
    got = loss(params, spoil(window), spoil(u), spoil(v), present, key)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_where_asks_for_all_that_a_network_reads():
    critics = make(3)
    present = {"acc": [1, 1, 1, 0], "emg": [1, 0, 1, 1], "ecg": [1, 1, 0, 1]}
    present = {m: np.array(p, bool) for m, p in present.items()}
    where = critics.where(present)
    by_pair = dict(zip([(m, o) for _, m, o in critics.pairs], where["pair"], strict=True))
    for (m, o), rows in by_pair.items():
        np.testing.assert_array_equal(rows, present[m] & present[o])
    np.testing.assert_array_equal(where["joint"], [[True, False, False, False]] * 3)
    for kind in ("private", "split"):
        np.testing.assert_array_equal(where[kind], np.stack(list(present.values())))


@pytest.mark.parametrize(("count", "two", "three"), [(2, 8, 10), (3, 15, 18)])
def test_number_of_networks(count, two, three):
    for joint, want in ((False, two), (True, three)):
        critics = make(count, joint=joint)
        grids = {m: jnp.zeros((1, 8, 1, 2)) for m in critics.modalities}
        params = jax.eval_shape(critics.init, jax.random.key(0), grids)
        networks = {k: p["logit"]["kernel"].shape[0] for k, p in params.items() if k != "stem"}
        assert sum(networks.values()) == want
        assert set(params["stem"]) == set(critics.modalities)


def test_critics_start_at_chance_and_apart(small):
    critics = make(joint=False)
    grids = {m: np.ones((16, 8, 1, 2), np.float32) for m in critics.modalities}
    u, v = ({m: jnp.ones((16, w)) for m in grids} for w in (SHARED, PRIVATE))
    present = {m: jnp.ones(16, bool) for m in grids}

    def first_loss(key):
        params = critics.init(key, grids)
        features = critics.features(params, grids)
        return params, critics.loss(params, features, u, v, present, key)

    params, loss = small.jit(first_loss)(jax.random.key(0))
    np.testing.assert_allclose(loss, 8 * 2 * np.log(2), rtol=1e-6)
    for name in ("pair", "private", "split"):
        first = params[name]["argument_0"]["kernel"]
        assert not np.allclose(first[0], first[1])

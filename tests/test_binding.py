"""Bindings: who finds whom by what, what examples come of it, and how good it is said to be."""

import dataclasses

import jax
import numpy as np
import pytest

from mmalign import binding, training
from mmalign.data import samplers
from mmalign.data.dataset import LABEL, TRAIN, UNKNOWN, Dataset, Description
from mmalign.data.pairs import WEIGHTS, Pairs, examples
from mmalign.evaluation import binding_quality

A, B, D = 0, 1, 2  # sources with {a, c}, {b, c}, {d, b}
HAS = {A: "ac", B: "bc", D: "db"}
N = 60


@pytest.fixture(scope="module")
def mesh():
    """Of two devices."""
    return training.data_mesh(jax.devices()[:2])


@pytest.fixture(scope="module")
def data():
    """Twenty windows of each source, whose labels nobody is told."""
    rng = np.random.default_rng(0)
    source = np.repeat((A, B, D), N // 3).astype(np.int32)
    present = {m: np.array([m in HAS[s] for s in source]) for m in "abcd"}
    inputs = {m: rng.standard_normal((N, 5)).astype(np.float32) * present[m][:, None]
              for m in "abcd"}  # fmt: skip
    return Dataset(
        inputs=inputs, present=present, targets={LABEL: np.full(N, UNKNOWN, np.int32)},
        group=np.arange(N, dtype=np.int32), split=np.full(N, TRAIN, np.int8),
        recording=np.arange(N, dtype=np.int32), position=np.zeros(N, np.int32),
        description=Description("made", {}, {}, {}, kind=dict.fromkeys("abcd", "vector"),
                                class_names=tuple("wxyz"), sources=("A", "B", "D")),
        source=source, untold=(np.arange(N) % 4).astype(np.int32),
    )  # fmt: skip


def features(data, noise, seed=1):
    """Embeddings that tell the label, more or less."""
    rng = np.random.default_rng(seed)
    z = np.eye(4)[data.untold] + noise * rng.standard_normal((N, 4))
    return dict.fromkeys("abcd", z.astype(np.float32))


def told(data):
    return dataclasses.replace(data, targets={"label": data.untold}, untold=None)


def test_each_finds_its_most_similar_one_both_ways_along_a_chain(data, mesh):
    made, z = binding.create(data, features="f"), features(data, 0.3)
    ways = [(w.source, w.other, data.modalities[w.shared]) for w in made.directions]
    assert sorted(ways) == [(A, B, "c"), (B, A, "c"), (B, D, "b"), (D, B, "b")]
    pairs = binding.bind(made, z, data, seed=0, mesh=mesh)
    assert len(pairs.reference) == made.most == 2 * (N // 3) * 2
    unit = z["c"] / np.linalg.norm(z["c"], axis=1, keepdims=True)
    for i, j, s, m in zip(*pairs):
        others = [k for k in range(N) if data.source[k] == data.source[j]]
        assert j == others[np.argmax(unit[i] @ unit[others].T)]
        np.testing.assert_allclose(s, unit[i] @ unit[j], rtol=1e-5)
        shared = data.modalities[m]
        assert data.present[shared][i] and data.present[shared][j]
        assert {data.source[i], data.source[j]} in ({A, B}, {B, D})


def test_several_mutual_and_similar_ones(data, mesh):
    z = features(data, 0.5)
    of = lambda **options: binding.bind(
        binding.create(data, features="f", sources=("A", "B"), **options), z, data, seed=0,
        mesh=mesh,
    )  # fmt: skip
    one, three = of(), of(k=3)
    assert len(three.reference) == 3 * len(one.reference)
    found = {(i, j) for i, j in zip(one.reference, one.partner)}
    mutual = of(mutual=True)
    assert {(i, j) for i, j in zip(mutual.reference, mutual.partner)} == {
        (i, j) for i, j in found if (j, i) in found
    }
    high = of(threshold=0.9)
    assert 0 < len(high.reference) == (one.similarity >= np.float32(0.9)).sum()
    with pytest.raises(ValueError, match="a binding found 0 pairs"):
        of(threshold=1.1)


def test_the_same_whatever_the_number_of_devices(data, mesh):
    made, z = binding.create(data, features="f", k=2), features(data, 0.5)
    one = training.data_mesh(jax.devices()[:1])
    for x, y in zip(*(binding.bind(made, z, data, seed=0, mesh=m) for m in (one, mesh))):
        np.testing.assert_allclose(x, y, rtol=1e-6)


def test_classes_bind_all_or_some_of_theirs(data, mesh):
    known = told(data)
    all_ = binding.create(known, by="label", sources=("A", "B"))
    pairs = binding.bind(all_, None, known, seed=0, mesh=mesh)
    assert (known.label[pairs.reference] == known.label[pairs.partner]).all()
    assert len(pairs.reference) == all_.most == 2 * sum(5 * 5 for _ in range(4))
    some = binding.create(known, by="label", sources=("A", "B"), partners=2)
    few = binding.bind(some, None, known, seed=0, mesh=mesh)
    assert len(few.reference) == 2 * 2 * (N // 3)
    assert (known.label[few.reference] == known.label[few.partner]).all()
    assert (pairs.similarity == 1).all() and (pairs.shared == UNKNOWN).all()


def test_classes_that_are_alike_are_bound_at_three_levels(data, mesh, tmp_path):
    """w is in both; x of A and z of B choose each other; y of A chooses z, which chooses x."""
    known = told(data)
    label = known.label.copy()
    label[(known.source == A) & (label == 3)] = 0
    label[(known.source == B) & ((label == 1) | (label == 2))] = 0
    known = dataclasses.replace(known, targets={"label": label})
    alike = np.array([[1, 0.1, 0.1, 0.2], [0.1, 1, 0.2, 0.9], [0.1, 0.2, 1, 0.8],
                      [0.2, 0.9, 0.8, 1]])  # fmt: skip
    np.save(tmp_path / "alike.npy", alike)
    made = binding.create(known, by="classes", sources=("A", "B"), partners=1,
                          similarity=str(tmp_path / "alike.npy"))  # fmt: skip
    pairs = binding.bind(made, None, known, seed=0, mesh=mesh)
    found = {
        ("wxyz"[label[i]], "wxyz"[label[j]], round(float(s), 3))
        for i, j, s in zip(*pairs[:3])
        if known.source[i] == A
    }
    assert found == {("w", "w", 1.0), ("x", "z", 0.5), ("y", "z", 0.3)}
    with pytest.raises(ValueError, match=r"bind.similarity='none.npy' cannot be read: .*No such"):
        binding.create(known, by="classes", similarity="none.npy")
    np.save(tmp_path / "alike.npy", alike[:3])
    with pytest.raises(ValueError, match=r"bind.similarity must be \[4, 4\], got \(3, 4\)"):
        binding.create(known, by="classes", similarity=str(tmp_path / "alike.npy"))


def test_random_partners_are_of_the_other_source(data, mesh):
    made = binding.create(data, by="random", sources=("A", "B"))
    pairs = binding.bind(made, None, data, seed=5, mesh=mesh)
    assert (data.source[pairs.reference] != data.source[pairs.partner]).all()
    again = binding.bind(made, None, data, seed=5, mesh=mesh)
    other = binding.bind(made, None, data, seed=6, mesh=mesh)
    np.testing.assert_array_equal(pairs.partner, again.partner)
    assert (pairs.partner != other.partner).any()


@pytest.mark.parametrize(
    ("match", "options"),
    [
        ("nothing to bind: there is 1 source", {"by": "random", "sources": ("A",)}),
        ("bind.sources must be one of", {"by": "random", "sources": ("A", "E")}),
        ("no two sources have a modality in common: A has a, c; D has b, d",
         {"features": "f", "sources": ("A", "D")}),
        ("no two sources have bind.shared='b' in common: A has a, c; B has b, c",
         {"features": "f", "shared": "b", "sources": ("A", "B")}),
        ("no modality of bind.shared is called 'e'", {"features": "f", "shared": "e"}),
        ("a binding by classes needs labels, and A has none", {"by": "label"}),
        ("needs bind.similarity", {"by": "classes"}),
        ("bind.by must be one of features, label, classes, random, got 'luck'", {"by": "luck"}),
        ("bind.by='features' with bind.features=None", {}),
        ("bind.by='random' with bind.features='f'", {"by": "random", "features": "f"}),
        ("bind.k must be 1 or more, got 0", {"features": "f", "k": 0}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(data, match, options):
    known = told(data) if options.get("by") == "classes" else data
    with pytest.raises(ValueError, match=match):
        binding.create(known, **options)


PAIRS = Pairs(np.array([3, 25], np.int32), np.array([22, 4], np.int32),
              np.array([0.9, 0.1], np.float32), np.array([2, 2], np.int32))  # fmt: skip


def test_a_pseudo_pair_has_both_private_sensors_and_the_shared_slot_as_asked(data):
    zero = examples(data, PAIRS, originals=False)
    assert {m: r.tolist() for m, r in zero.rows.items()} == {
        "a": [3, 4], "b": [22, 25], "c": [-1, -1], "d": [-1, -1]
    }  # fmt: skip
    kept = examples(data, PAIRS, originals=False, shared_slot="reference")
    assert kept.rows["c"].tolist() == [3, 25]
    np.testing.assert_allclose(zero.weight, [1 + 0.5 * np.log(0.9), 0])  # clipped at 0


def test_originals_come_first_with_a_weight_of_their_own(data):
    made = examples(data, PAIRS, weight="identity", natural_weight=0.1)
    assert len(made.weight) == 2 * N // 3 + 2  # of A and B, not of D
    np.testing.assert_allclose(made.weight, [0.1] * 40 + [0.9, 0.1])
    for m, row in made.rows.items():
        np.testing.assert_array_equal(row[:40], np.arange(40))
        assert data.present[m][row[40:][row[40:] >= 0]].all()


@pytest.mark.parametrize(
    ("rule", "want"),
    [("log", [1, 0.9473, 0.8217, 0.6534, 0.3980, 0, 0]),
     ("linear", [1.5, 1.2, 0.6, 0, 0, 0, 0]),
     ("identity", [1, 0.9, 0.7, 0.5, 0.3, 0.1, 0]),
     ("one", [1] * 7)],
)  # fmt: skip
def test_weights_are_the_published_ones_and_never_negative(data, rule, want):
    assert rule in WEIGHTS
    s = np.array([1, 0.9, 0.7, 0.5, 0.3, 0.1, -0.2], np.float32)
    one = np.zeros(7, np.int32)
    made = examples(data, Pairs(one, one + 25, s, one + 2), originals=False, weight=rule)
    np.testing.assert_allclose(made.weight, want, atol=1e-4)


def test_the_sampler_shows_every_example_and_its_weight(data):
    config = {"kind": "bound", "pairs": "named", "weight": "identity"}
    made = samplers.create(config, data, batch_size=6, seed=0, found=PAIRS)
    assert made.gives == {"pairs", "some_pairs", "weights"} and made.windows == 42
    whole = examples(data, PAIRS, weight="identity")
    of = {tuple(int(whole.rows[m][i]) for m in "abcd"): float(whole.weight[i]) for i in range(42)}
    seen = set()
    for step in range(7):
        at = made.at(step)
        rows = [*zip(*(at["rows"][m].tolist() for m in "abcd"))]
        np.testing.assert_allclose(at["weight"], [of[row] for row in rows])
        seen |= set(rows)
    assert seen == set(of)
    same = samplers.create(config | {"normalise": True}, data, batch_size=6, seed=0, found=PAIRS)
    np.testing.assert_allclose(same.at(3)["weight"].mean(), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="is called 'cube'"):
        samplers.create(config | {"weight": "cube"}, data, batch_size=6, seed=0, found=PAIRS)


def test_quality_tells_right_partners_from_chance(data, mesh):
    make = lambda noise, **options: binding.bind(
        binding.create(data, sources=("A", "B"), **options), features(data, noise), data, seed=0,
        mesh=mesh,
    )  # fmt: skip
    exact, poor = make(0.01, features="f"), make(100.0, features="f")
    good = [*binding_quality(data, exact)]
    assert [(r["from"], r["to"], r["shared"], r["pairs"]) for r in good] == [
        (A, B, "c", 20), (B, A, "c", 20)
    ]  # fmt: skip
    for r, bad in zip(good, binding_quality(data, poor)):
        assert r["right"] == 1 and r["chance"] == pytest.approx(0.25)
        assert bad["right"] < 0.7
        assert sum(r["similarity"]["counts"]) == 20 and len(r["similarity"]["edges"]) == 21
        there = exact.partner[data.source[exact.partner] == r["to"]]
        assert r["distinct"] == pytest.approx(len(set(there.tolist())) / 20)
        assert r["most_used"] == np.bincount(there).max()
        assert 0 <= r["mutual"] <= 1 and r["references"] == 20
    nobody = dataclasses.replace(data, untold=None)
    assert {r["right"] for r in binding_quality(nobody, exact)} == {None}


def test_hubs_and_mutual_pairs_are_counted(data):
    to_one = Pairs(np.arange(20, dtype=np.int32), np.full(20, 25, np.int32),
                   np.ones(20, np.float32), np.full(20, 2, np.int32))  # fmt: skip
    (r,) = binding_quality(data, to_one)
    assert r["most_used"] == 20 and r["distinct"] == 1 / 20 and r["mutual"] == 0
    assert r["hubness"] == pytest.approx((19 * (-1) ** 3 + 19**3) / 20 / 19**1.5)
    both = Pairs(np.array([0, 25], np.int32), np.array([25, 0], np.int32), *to_one[2:])
    both = both._replace(similarity=np.ones(2), shared=np.full(2, 2))
    assert [r["mutual"] for r in binding_quality(data, both)] == [1, 1]

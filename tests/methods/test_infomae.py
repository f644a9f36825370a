"""InfoMAE: who learns from what, the forms of its loss, and a sensor that is missing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.losses import canonical_information
from mmalign.methods import JOINT, Modality, create, infomae
from mmalign.methods.example_windows import example_batch
from mmalign.methods.infomae_critics import Critics
from mmalign.methods.infomae_presets import PRESETS
from mmalign.methods.infomae_terms import (
    FORMS,
    INDEPENDENCE,
    Prices,
    information_terms,
    separation,
)
from mmalign.models import Critic, Stem

KEY = jax.random.key(1)
WEIGHTS = ("alpha", "beta", "gamma", "epsilon", "delta", "lam", "eta", "information")
CHOICES = (  # of a preset
    "mask_ratio", "form", "independence", "temperature", "readout", *WEIGHTS[:-1]
)  # fmt: skip
PRINTED = {"form": "three_ratio", "independence": "critic"}  # all critics
SHARED, PRIVATE = 4, 6  # widths of u and v in the small config
NAMES, ROWS = ("acc", "emg"), 16  # of the tests of the information terms alone


@pytest.fixture(scope="module")
def batch(small):
    return small.batch() | {"progress": np.float32(1.0)}


@pytest.fixture(scope="module")
def params(small, batch):
    shapes = jax.eval_shape(small.create("infomae", **PRINTED).init, KEY, batch)
    return small.all_random(shapes["params"])


@pytest.fixture(scope="module")
def play(small, batch, params):
    """`play(batch, **weights)` -> metrics, gradients of the loss, the critics' and the rest."""

    @small.jit
    def program(weights, batch):
        def values(params):
            made = small.create("infomae", **PRINTED, **weights)
            total, aux = made.loss({"params": params}, batch, KEY)
            player = aux["metrics"]["critics"]
            return jnp.stack([total, player, total - player]), aux["metrics"] | {"loss": total}

        _, pull, metrics = jax.vjp(values, params, has_aux=True)
        (grads,) = jax.vmap(pull)(jnp.eye(3))
        pick = lambda i: jax.tree.map(lambda g: g[i], grads)
        return metrics, {"loss": pick(0), "critics": pick(1), "others": pick(2)}

    given = {name: small.options("infomae")[name] for name in WEIGHTS}
    return lambda batch, **weights: program(
        {k: jnp.float32(w) for k, w in (given | weights).items()}, batch
    )


def same(a, b, rtol=0.0):
    largest = max(np.abs(x).max() for x in jax.tree.leaves(b))
    check = lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * largest)
    jax.tree.map(check, a, b)


def zero(tree):
    return all((np.asarray(x) == 0).all() for x in jax.tree.leaves(tree))


def moves(tree):
    return all(np.abs(x).max() > 0 for x in jax.tree.leaves(tree))


def test_each_player_learns_from_its_own_loss_alone(play, batch):
    _, grads = play(batch)
    assert zero(grads["critics"]["sensors"]) and zero(grads["others"]["critics"])
    assert moves(grads["loss"]["critics"]["pair"]) and moves(grads["loss"]["critics"]["stem"])
    same(grads["loss"]["critics"], grads["critics"]["critics"], rtol=1e-6)
    same(grads["loss"]["sensors"], grads["others"]["sensors"], rtol=1e-6)


def test_weights_of_the_encoders_do_not_reach_the_critics(play, batch):
    first, grads = play(batch)
    second, other = play(batch, **dict.fromkeys(WEIGHTS, 0.5))
    assert first["loss"] != second["loss"] and first["critics"] == second["critics"]
    same(grads["loss"]["critics"], other["loss"]["critics"], rtol=1e-6)
    a, b = (jax.tree.leaves(g["loss"]["sensors"]) for g in (grads, other))
    assert any(not np.allclose(x, y, rtol=1e-3) for x, y in zip(a, b))


@pytest.mark.parametrize(
    ("weight", "term"),
    [("delta", "reconstruction"), ("lam", "contrast"), ("eta", "ranking"), ("alpha", "distance")],
)
def test_a_weight_of_zero_takes_its_term_out(play, batch, weight, term):
    with_term, without = play(batch)[0], play(batch, **{weight: 0.0})[0]
    cost = with_term["loss"] - without["loss"]  # metrics are weighted; alpha is 1
    np.testing.assert_allclose(cost, with_term[term], rtol=1e-4)
    assert cost > 0


def test_loss_is_the_sum_of_its_terms(play, batch):
    metrics, _ = play(batch)
    names = ("reconstruction", "contrast", "ranking", "information", "critics")
    np.testing.assert_allclose(metrics["loss"], sum(metrics[n] for n in names), rtol=1e-6)


def test_critics_have_a_word_only_as_the_ramp_lets_them(play, batch):
    information = {}
    for progress in (0.0, 0.25 * infomae.RAMP, infomae.RAMP, 1.0):
        metrics, grads = play(batch | {"progress": np.float32(progress)}, alpha=0.7)
        information[progress] = metrics["information"] - 0.7 * metrics["distance"]
        assert moves(grads["loss"]["critics"]["pair"])  # critics learn from the start
    full = information[1.0]
    assert abs(full) > 0.1 and abs(information[0.0]) < 1e-5
    np.testing.assert_allclose(information[0.25 * infomae.RAMP], 0.25 * full, rtol=1e-3)
    np.testing.assert_allclose(information[infomae.RAMP], full, rtol=1e-5)
    silent = dict.fromkeys(WEIGHTS, 0.0)
    _, grads = play(batch | {"progress": np.float32(0.0)}, **silent)
    assert zero(grads["loss"]["sensors"])


def test_neighbours_in_time_are_never_each_others_negatives(play, batch):
    """Two windows a sequence: the contrast is a mean over places, so what stands beside is nothing.

    With negatives from the own sequence, sequences of twice the same window would cost more.
    """
    rng = np.random.default_rng(0)
    one, two = (
        {m: rng.standard_normal((16, *x.shape[1:])).astype(np.float32)
         for m, x in batch["inputs"].items()} for _ in range(2)
    )  # fmt: skip
    everybody = {m: np.ones(32, bool) for m in batch["present"]}

    def contrast(first, second):
        inputs = {m: np.stack([first[m], second[m]], axis=1).reshape(32, *first[m].shape[1:])
                  for m in first}  # fmt: skip
        return play(batch | {"inputs": inputs, "present": everybody})[0]["contrast"]

    twice = contrast(one, one) + contrast(two, two)
    np.testing.assert_allclose(twice, contrast(one, two) + contrast(two, one), rtol=1e-5)


def test_a_length_of_one_turns_the_ranking_off(small):
    rankings = []

    def loss(variables, batch, made):
        total, aux = made.loss.__wrapped__(variables, batch, KEY)
        rankings.append(aux["metrics"]["ranking"])
        return total

    for length in (1, 2):
        made = small.create("infomae", length=length)
        variables = jax.eval_shape(made.init, KEY, small.batch())
        jax.eval_shape(lambda v, b, made=made: loss(v, b, made), variables, small.batch())
    assert rankings[0] == 0.0 and isinstance(rankings[1], jax.core.Tracer)


def test_a_missing_sensor_is_replaced_by_the_mean_of_what_the_others_share(small):
    made, full = small.compiled("infomae", 3, readout="codes"), small.batch(3)
    everybody = {m: np.ones(small.batch_size, bool) for m in full["present"]}

    def embed(*gone):
        present = {m: p & (m not in gone) for m, p in everybody.items()}
        return made.embed(made.params, full | {"present": present})

    def u_and_v(parts):
        pieces = np.split(parts[JOINT], 3, axis=1)
        return [p[:, :SHARED] for p in pieces], [p[:, SHARED:] for p in pieces]

    parts = embed()
    u, v = u_and_v(parts)
    for m, a, b in zip(full["present"], u, v):
        np.testing.assert_array_equal(parts[m], np.concatenate([a, b], axis=1))
        np.testing.assert_allclose(a.mean(axis=1), 0, atol=1e-5)
        np.testing.assert_allclose(b.std(axis=1), 1, rtol=1e-3)
    np.testing.assert_array_equal(parts["shared"], np.concatenate(u, axis=1))
    np.testing.assert_array_equal(parts["private"], np.concatenate(v, axis=1))

    for gone, stand_in in (("emg",), (u[0] + u[2]) / 2), (("acc", "ecg"), u[1]):
        less = embed(*gone)
        assert {k: z.shape for k, z in less.items()} == {k: z.shape for k, z in parts.items()}
        u_less, v_less = u_and_v(less)
        for i, m in enumerate(full["present"]):
            here = m not in gone
            np.testing.assert_allclose(u_less[i], u[i] if here else stand_in, atol=1e-5)
            np.testing.assert_allclose(v_less[i], v[i] if here else 0 * v[i], atol=1e-5)
            np.testing.assert_allclose(less[m], parts[m] if here else 0 * parts[m], atol=1e-5)
        np.testing.assert_array_equal(less["shared"], np.concatenate(u_less, axis=1))
    np.testing.assert_array_equal(embed("acc", "emg", "ecg")[JOINT], 0)


def test_what_encoders_say_is_read_beside_the_codes_and_has_its_mean_where_a_sensor_is_absent(
    small,
):
    alone, made = (small.compiled("infomae", readout=x) for x in ("codes", "all"))
    full = small.batch()
    present = {m: np.arange(small.batch_size) % 3 != i for i, m in enumerate(NAMES)}
    complete = full | {"present": {m: np.ones_like(p) for m, p in present.items()}}
    params = {"sensors": made.params["sensors"]}
    bare, whole = alone.embed(alone.params | params, complete), made.embed(made.params, complete)
    k = SHARED + PRIVATE
    for m in NAMES:
        np.testing.assert_allclose(whole[m][:, -k:], bare[m], rtol=1e-5, atol=1e-6)
    assert set(alone.variables) == {"params"} and set(made.variables) == {"params", "means"}
    means = {m: np.full(whole[m].shape[1], 1.0 + i, np.float32) for i, m in enumerate(NAMES)}
    parts = {m: whole[m] for m in NAMES}
    fused = made.method.fuse({"params": made.params, "means": means}, parts, present)
    codes = alone.method.fuse({"params": alone.params}, {m: bare[m] for m in NAMES}, present)
    for m, got, code in zip(NAMES, np.split(fused[JOINT], 2, 1), np.split(codes[JOINT], 2, 1)):
        here = present[m][:, None]
        np.testing.assert_array_equal(got[:, :-k], np.where(here, parts[m], means[m])[:, :-k])
        np.testing.assert_allclose(got[:, -k:], code, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(fused[m], np.where(here, parts[m], 0))
    for name in ("shared", "private"):
        np.testing.assert_allclose(fused[name], codes[name], rtol=1e-5, atol=1e-6)


def test_a_preset_gives_what_is_not_said(small, batch):
    changes = dict.fromkeys(CHOICES) | {"preset": "paper"}
    paper = small.create("infomae", **changes)
    critics = jax.eval_shape(paper.init, KEY, batch)["params"]["critics"]
    assert {"joint", "split"} <= set(critics)
    two = small.create("infomae", **changes | {"form": "two_ratio"})
    assert "joint" not in jax.eval_shape(two.init, KEY, batch)["params"]["critics"]
    assert set(CHOICES) == set(PRESETS["recommended"]) == set(PRESETS["paper"])


def test_what_does_not_fit_is_refused(small):
    with pytest.raises(ValueError, match="alignment needs two modalities or more, got acc"):
        small.create("infomae", 1)
    with pytest.raises(ValueError, match=r"method.preset must be one of recommended, paper"):
        small.create("infomae", preset="best")
    with pytest.raises(ValueError, match=r"method.independence must be one of canonical, critic"):
        small.create("infomae", independence="hsic")
    with pytest.raises(ValueError, match=r"method.readout must be one of codes, all"):
        small.create("infomae", readout="u")
    with pytest.raises(ValueError, match=r"method.form must be one of two_ratio, .*, got 'ratio'"):
        small.create("infomae", form="ratio")
    made = small.create("infomae", length=16)  # two sequences
    variables = jax.eval_shape(made.init, KEY, small.batch())
    with pytest.raises(ValueError, match="of 2 sequences is too small"):
        jax.eval_shape(made.loss, variables, small.batch(), KEY)
    made = small.create("infomae", beta=1.5)
    with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\), got 1.5"):
        jax.eval_shape(made.loss, variables, small.batch(), KEY)


def build(form):
    return Critics(dict.fromkeys(NAMES, "series"), SHARED, PRIVATE, form != "two_ratio", True,
                   2, 2,                   Stem((4,), 4), Critic(hidden=6, depth=1))  # fmt: skip


PRICES = Prices(
    alpha=0.7, beta=0.2, gamma=0.3, epsilon=0.4, form="two_ratio", noise=0.1, shared=0.8,
    independence="critic",
)  # fmt: skip


@pytest.fixture(scope="module")
def seen():
    """Grids, u and v of a batch."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: {m: rng.standard_normal((ROWS, *shape)).astype(np.float32) for m in NAMES}
    return draw(8, 1, 2), draw(SHARED), draw(PRIVATE)


@pytest.fixture(scope="module")
def terms(small, seen):
    """`terms(edit, present)`: {form: (loss, metrics)}, one program for all forms."""

    @small.jit
    def program(params, present):
        def of(form):
            prices, critics = PRICES._replace(form=form), build(form)
            loss, _, metrics = information_terms(prices, critics, params, *seen, present, KEY, 1.0)
            return loss, metrics

        return {form: of(form) for form in FORMS}

    params = small.all_random(jax.eval_shape(build("three_ratio").init, KEY, seen[0]))
    everybody = dict.fromkeys(NAMES, np.ones(ROWS, bool))
    return lambda edit=lambda p: p, present=everybody: program(edit(params), present)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_adds_up_the_information_it_names(terms, form):
    loss, nats = terms()[form]
    w, own, other = PRICES._asdict(), nats["nats_own"], nats["nats_other"]
    shared = {
        "two_ratio": lambda: w["beta"] * own - other,
        "three_ratio": lambda: nats["nats_joint"] - (1 - w["beta"]) * own - other,
        "three_ratio_printed": lambda: nats["nats_joint"] + (1 - w["beta"]) * own + other,
    }[form]()
    private = w["gamma"] * nats["nats_private"] + w["epsilon"] * nats["nats_split"]
    # sums over two modalities
    want = w["shared"] * (w["alpha"] * nats["distance"] + 2 * shared) + 2 * private
    np.testing.assert_allclose(loss, want, rtol=1e-4)
    np.testing.assert_allclose(nats["beta_bound"], other / max(own, 1e-6), rtol=1e-4)
    assert ({"nats_joint", "joint_excess"} <= set(nats)) == (form != "two_ratio")


def test_without_a_critic_v_is_told_apart_from_u_by_their_correlations(small, seen):
    """The sum over modalities of both views' rows that are present; u gets no gradient from it."""
    rng = np.random.default_rng(1)
    codes = {
        m: tuple(rng.standard_normal((2, ROWS, d)).astype(np.float32) for d in (SHARED, PRIVATE))
        for m in NAMES
    }
    present = {"acc": np.arange(ROWS) % 3 != 0, "emg": np.ones(ROWS, bool)}
    prices = PRICES._replace(independence="canonical")
    of = lambda codes: separation(prices, codes, present)
    (loss, metrics), grads = small.jit(jax.value_and_grad(of, has_aux=True))(codes)
    nats = {}
    for m, (u, v) in codes.items():
        rows = np.tile(present[m], 2)
        nats[m] = canonical_information(
            u.reshape(-1, SHARED)[rows], v.reshape(-1, PRIVATE)[rows], noise=PRICES.noise
        )
    np.testing.assert_allclose(loss, PRICES.epsilon * sum(nats.values()), rtol=1e-4)
    np.testing.assert_allclose(metrics["nats_split"], sum(nats.values()) / 2, rtol=1e-4)
    for m in NAMES:
        assert zero(grads[m][0]) and moves(grads[m][1])
    assert separation(PRICES, codes, present) == (0.0, {})


def test_the_information_of_u_and_v_is_paid_for_once(small, batch):
    """By the critic or by correlations; without the critic there are no parameters of it."""
    made = {name: small.create("infomae", independence=name) for name in INDEPENDENCE}
    critics = {
        name: jax.eval_shape(method.init, KEY, batch)["params"]["critics"]
        for name, method in made.items()
    }
    assert set(critics["critic"]) - set(critics["canonical"]) == {"split"}

    @small.jit
    def costs(params):
        def of(name, epsilon):
            method = small.create("infomae", independence=name, epsilon=epsilon)
            return method.loss({"params": params}, batch, KEY)[0]

        told = made["canonical"].loss({"params": params}, batch, KEY)[1]["metrics"]
        return {name: of(name, 1.5) - of(name, 0.0) for name in INDEPENDENCE}, told["nats_split"]

    params = small.all_random(jax.eval_shape(made["critic"].init, KEY, batch)["params"])
    cost, nats = costs(params)
    np.testing.assert_allclose(cost["canonical"], 1.5 * 2 * nats, rtol=1e-4)
    assert cost["canonical"] > 0 and abs(cost["critic"]) > 1e-4


def test_distance_is_of_clean_codes_of_windows_that_both_sensors_saw(terms, seen):
    present = {"acc": np.arange(ROWS) % 3 != 0, "emg": np.arange(ROWS) % 4 != 0}
    _, metrics = terms(present=present)["two_ratio"]
    both, u = present["acc"] & present["emg"], seen[1]
    want = np.mean((u["acc"] - u["emg"])[both] ** 2)
    np.testing.assert_allclose(metrics["distance"], want, rtol=1e-5)


def test_dropout_is_of_the_critics_own_loss_alone(small, seen):
    everybody = dict.fromkeys(NAMES, np.ones(ROWS, bool))
    params = small.all_random(jax.eval_shape(build("two_ratio").init, KEY, seen[0]))

    @small.jit
    def program(params, present):
        def of(rate):
            critics = build("two_ratio")._replace(critic=Critic(hidden=6, depth=1, dropout=rate))
            return information_terms(PRICES, critics, params, *seen, present, KEY, 1.0)

        return of(0.0), of(0.5)

    (cost, player, _), (same_cost, other, _) = program(params, everybody)
    assert cost == same_cost and abs(player - other) > 1e-3


def test_a_joint_critic_that_adds_nothing_to_own_has_no_excess(terms):
    def copy_own(params):
        """Joint networks that look at their own window and u alone, as the own networks do."""
        own = jax.tree.map(lambda x: x[:2], params["pair"])
        window = own["argument_0"]["kernel"]  # [modality, in, out]
        alone = lambda i: window * (np.arange(2) == i)[:, None, None]
        joint = own | {
            "argument_0": {"kernel": alone(0), "bias": own["argument_0"]["bias"]},
            "argument_1": {"kernel": alone(1)},
            "argument_2": own["argument_1"],
        }
        return params | {"joint": joint}

    _, metrics = terms(copy_own)["three_ratio"]
    assert metrics["joint_excess"] < 1e-5
    np.testing.assert_allclose(metrics["nats_joint"], metrics["nats_own"], rtol=1e-5)
    assert terms()["three_ratio"][1]["joint_excess"] > 0.1


MOD = {
    "acoustic": ("mod_acoustic", (16000, 1), 8000.0, dict(interval_s=0.2)),
    "seismic": ("mod_seismic", (200, 1), 100.0, dict(interval_s=0.2)),
}
HAR = {
    name: ("har", (250, 3), 50.0, dict(interval_s=1.0, overlap=0.5))
    for name in ("acc", "gyro", "mag")
}


@pytest.mark.parametrize(
    ("sensors", "projector", "probe", "total"),
    [(MOD, 394_240, 1024 * 7 + 7, 12_565_831), (HAR, 328_704, 1536 * 18 + 18, 4_669_818)],
    ids=["mod", "har"],
)
def test_the_published_networks_count_what_is_published(sensors, projector, probe, total):
    """Without decoders and critics, which no one downloads, and mask tokens. With a linear probe of
    u and v, and an MLP a sensor that the paper does not speak of and nothing here needs.
    """
    modalities = {m: Modality("series", shape, rate) for m, (_, shape, rate, _) in sensors.items()}
    encoder = {"name": "swin", "representation": "spectrogram", "position_parameter": True}
    per_modality = {m: {"preset": preset, **spectrogram}
                    for m, (preset, _, _, spectrogram) in sensors.items()}  # fmt: skip
    method = create(
        {"name": "infomae", "preset": "paper", "shared": 256, "private": 256,
         "encoder": {**encoder, "per_modality": per_modality}}, modalities,
    )  # fmt: skip
    shapes = jax.eval_shape(method.init, KEY, example_batch(modalities))["params"]["sensors"]
    count = lambda tree: sum(x.size for x in jax.tree.leaves(tree))
    networks = [of[part] for of in shapes.values() for part in ("encoder", "shared", "private")]
    tokens = sum(of["encoder"]["mask_token"].size for of in shapes.values())
    assert count(networks) - tokens + len(sensors) * projector + probe == total

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from ml_collections import config_dict

from mmalign import augment
from mmalign.augment import POOL, Policy
from mmalign.augment.pools import KINDS, SERIES_ONLY

KEY = jax.random.key(11)


@pytest.fixture
def inputs(rng):
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
    return {"acc": draw(8, 24, 3), "gyro": draw(8, 24, 3)}


def test_choice_is_uniform_over_the_pool():
    choice = jax.jit(lambda key: Policy().draw(key, 14_000))(KEY).choice
    counts = np.bincount(choice, minlength=len(POOL))
    assert len(counts) == 7
    np.testing.assert_allclose(counts, 2000, atol=5 * np.sqrt(2000 * 6 / 7))


def test_every_modality_flips_its_own_coin():
    ones = {name: np.ones((4000, 2, 1), np.float32) for name in ("acc", "gyro")}
    out = jax.jit(Policy(("negation",), probability=0.3))(KEY, ones)
    took = {name: np.asarray(x[:, 0, 0]) < 0 for name, x in out.items()}
    atol = 5 * np.sqrt(0.3 * 0.7 / 4000)
    np.testing.assert_allclose([t.mean() for t in took.values()], 0.3, atol=atol)
    np.testing.assert_allclose((took["acc"] & took["gyro"]).mean(), 0.09, atol=atol)


@pytest.mark.parametrize("per", ["example", "batch"])
@pytest.mark.parametrize(("probability", "sign"), [(0, 1), (1, -1)])
def test_probability_zero_and_one(inputs, per, probability, sign):
    out = jax.jit(Policy(("negation",), probability, per))(KEY, inputs)
    for name in inputs:
        np.testing.assert_array_equal(out[name], sign * inputs[name])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_shapes_and_dtypes_stay(inputs, dtype):
    inputs = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, dtype), inputs)
    for name in SERIES_ONLY:
        out = jax.eval_shape(Policy((name,)), KEY, inputs)
        assert jax.tree.map(lambda x: (x.shape, x.dtype), out) == jax.tree.map(
            lambda x: (x.shape, x.dtype), inputs
        )


@pytest.mark.parametrize("time", [1, 2, 3, 11, 13, 101, 127, 293])
def test_the_default_policy_takes_windows_of_any_length(time):
    x = {"acc": jax.ShapeDtypeStruct((4, time, 3), "float32")}
    assert jax.eval_shape(Policy(), KEY, x)["acc"].shape == (4, time, 3)
    valid = {"acc": jax.ShapeDtypeStruct((4, time), "bool")}
    assert jax.eval_shape(Policy().valid, KEY, valid)["acc"].shape == (4, time)


def test_one_draw_governs_series_and_spectrogram(inputs):
    both, z = Policy(("negation", "phase_shift"), probability=1), np.ones((8, 3, 5, 4), np.float32)

    @jax.jit
    def run(key):
        plan = both.draw(key, 8)
        return plan.choice, both.series(plan, inputs)["acc"], both.spectrogram(plan, {"acc": z})

    choice, series, spectra = jax.tree.map(np.asarray, run(KEY))
    first = choice == 0
    assert 0 < first.sum() < 8
    np.testing.assert_array_equal(series, np.where(first[:, None, None], -1, 1) * inputs["acc"])
    turned = np.any(spectra["acc"] != z, axis=(1, 2, 3))
    np.testing.assert_array_equal(turned, ~first)


def test_stages_without_an_entry_in_the_pool_do_nothing(inputs):
    z = {"acc": jnp.ones((8, 3, 5, 4))}
    plan = Policy().draw(KEY, 8)
    assert Policy(("negation",)).spectrogram(plan, z)["acc"] is z["acc"]
    assert Policy(("phase_shift",)).series(plan, inputs)["acc"] is inputs["acc"]


def test_examples_differ_and_a_batch_does_not():
    ones = {"acc": np.ones((64, 2, 1), np.float32)}
    draws = {}
    for per in ("example", "batch"):
        view = Policy(("scaling",), 1, per)
        many = jax.jit(jax.vmap(lambda key, view=view: view(key, ones)["acc"]))
        draws[per] = np.asarray(many(jax.random.split(KEY, 20)))[:, :, 0, 0]
    assert all(len(np.unique(x)) == 64 for x in draws["example"])
    batch = [np.unique(x) for x in draws["batch"]]
    assert all(len(b) == 1 for b in batch) and len(np.unique(batch)) == 20
    np.testing.assert_allclose(np.std(batch), 0.2, rtol=0.5)


def test_batch_mode_draws_one_entry_for_all():
    draw = jax.jit(jax.vmap(lambda key: Policy(per="batch").draw(key, 8).choice))
    choice = draw(jax.random.split(KEY, 60))
    assert choice.shape == (60,) and {*choice.tolist()} == set(range(7))


@pytest.mark.parametrize("per", ["example", "batch"])
def test_an_example_depends_on_itself_alone(inputs, per):
    run = jax.jit(Policy(("scaling", "frequency_mask"), per=per))
    want = run(KEY, inputs)
    acc = inputs["acc"].copy()
    acc[2] = np.nan
    got = run(KEY, dict(inputs, acc=acc))
    others = np.arange(8) != 2
    np.testing.assert_array_equal(got["acc"][others], want["acc"][others])
    np.testing.assert_array_equal(got["gyro"], want["gyro"])


def test_an_example_does_not_depend_on_what_else_is_in_the_batch(inputs):
    view, few = Policy(("negation", "horizontal_flip")), {"gyro": inputs["gyro"][:5]}
    want, alone = jax.jit(lambda key: (view(key, inputs)["gyro"], view(key, few)["gyro"]))(KEY)
    np.testing.assert_allclose(alone, want[:5], rtol=1e-6)


def test_four_devices_give_what_one_gives_and_send_nothing(inputs):
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    whole, rows = jax.NamedSharding(mesh, jax.P()), jax.NamedSharding(mesh, jax.P("data"))
    view = Policy(("permutation", "time_warp", "phase_shift"))

    def views(key, x):
        plan = view.draw(key, 8)
        series = view.series(plan, {"acc": x})
        stft = jax.vmap(lambda x: augment.interval_fft(x, interval=6, overlap=0.5))
        return view(key, {"acc": x}), view.spectrogram(plan, {"acc": stft(series["acc"])})

    split = jax.jit(views, in_shardings=(whole, rows), out_shardings=rows)
    split = split.lower(KEY, inputs["acc"]).compile()
    assert not re.search(r"all-gather|all-reduce|all-to-all|collective-permute", split.as_text())
    got = split(*jax.device_put((KEY, inputs["acc"]), (whole, rows)))
    want = jax.jit(views)(KEY, inputs["acc"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), got, want)


def test_options_reach_their_augmentation_by_modality():
    ones = dict.fromkeys(("acc", "gyro"), np.ones((4, 2, 1), np.float32))
    options = {"scaling": {"std": {"acc": 0.0, "gyro": 0.5}}, "jitter": {"std": 9.0}}
    options = config_dict.ConfigDict(options)
    view = lambda x: augment.augment(KEY, x, pool=("scaling",), probability=1, options=options)
    out = jax.jit(view)(ones)
    np.testing.assert_array_equal(out["acc"], 1)
    assert (out["gyro"] != 1).all()
    with pytest.raises(
        ValueError, match=r"'std' of 'scaling' has values for acc, gyro, none.*'mag'"
    ):
        jax.eval_shape(view, {"mag": ones["acc"]})
    with pytest.raises(TypeError, match="sdt"):
        jax.eval_shape(Policy(options={"scaling": {"sdt": 1}}), KEY, ones)


SHAPES = {"series": (24, 3), "image": (7, 9, 1), "vector": (3,), "sequence": (5, 4)}
KIND_OF = {"acc": "series", "photo": "image", "facts": "vector", "words": "sequence",
           "gyro": "series", "scan": "image"}  # fmt: skip


def of_every_kind(count=16):
    rng = np.random.default_rng(0)
    draw = lambda kind: rng.normal(size=(count, *SHAPES[kind])).astype(np.float32)
    return {m: draw(kind) for m, kind in KIND_OF.items()}


def test_each_kind_draws_from_its_own_pool_and_series_as_if_they_were_alone():
    inputs = {m: x for m, x in of_every_kind().items() if m not in ("scan", "gyro")}
    view = Policy(("negation", "horizontal_flip"), 0.9, kinds=KIND_OF)
    series = {m: x for m, x in inputs.items() if KIND_OF[m] == "series"}
    out, alone = jax.jit(
        lambda key: (view(key, inputs), Policy(("negation", "horizontal_flip"), 0.9)(key, series))
    )(KEY)
    for m, x in out.items():
        assert x.shape == inputs[m].shape and np.isfinite(x).all()
        changed = (np.asarray(x) != inputs[m]).reshape(16, -1).any(axis=1)
        assert changed.sum() > 8 and not changed.all(), m
    for m, x in alone.items():
        np.testing.assert_array_equal(out[m], x)


def test_modalities_of_a_kind_get_the_same_entry_of_its_pool():
    inputs = of_every_kind(64)
    pools = {
        "image": {"pool": ("jitter", "horizontal_flip"), "options": {"jitter": {"std": 5.0}}},
        "vector": {"pool": ()},
        "sequence": {"pool": ("token_dropout",), "options": {"token_dropout": {"rate": 1.0}}},
    }
    view = Policy(("negation",), 1.0, per_kind=pools, kinds=KIND_OF)
    out = jax.tree.map(np.asarray, jax.jit(view)(KEY, inputs))
    flipped = {m: (out[m] == inputs[m][:, :, ::-1]).all(axis=(1, 2, 3)) for m in ("photo", "scan")}
    np.testing.assert_array_equal(flipped["photo"], flipped["scan"])
    assert 16 < flipped["photo"].sum() < 48
    assert out["facts"] is not None and (out["facts"] == inputs["facts"]).all()
    assert (out["words"] == 0).all()


@pytest.mark.parametrize("per", ["example", "batch"])
def test_a_modality_may_have_a_pool_of_its_own(per):
    inputs = of_every_kind(8)
    view = Policy(
        ("negation",), 1.0, per, kinds=KIND_OF,
        per_modality={"gyro": {"pool": ("horizontal_flip",)}, "scan": {"pool": ()},
                      "words": {"probability": 0.0}},
        per_kind={"image": {"pool": ("horizontal_flip",)}},
    )  # fmt: skip
    out = jax.jit(view)(KEY, inputs)
    for m, want in (
        ("acc", -inputs["acc"]),
        ("gyro", inputs["gyro"][:, ::-1]),
        ("photo", inputs["photo"][:, :, ::-1]),
        ("scan", inputs["scan"]),
        ("words", inputs["words"]),
    ):
        np.testing.assert_array_equal(out[m], want, err_msg=m)


def test_default_pools_fit_images_of_any_number_of_channels():
    for kind, shape in (("image", (7, 9, 1)), ("image", (1, 1, 5)), ("vector", (1,))):
        x = jax.ShapeDtypeStruct((4, *shape), "float32")
        out = jax.eval_shape(Policy(kinds={"m": kind}), KEY, {"m": x})
        assert out["m"].shape == x.shape
    assert all(set(kind.pool) <= set(kind.table) for kind in KINDS.values())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"pool": ("negation", "warp")},
            r"\(augment.pool\) is called 'warp' .*'time_warp'.*channel",
        ),
        ({"options": {"warp": {}}}, r"\(augment.options\) is called 'warp'"),
        ({"pool": ()}, "augment.pool must be a sequence of at least one name"),
        ({"pool": "negation"}, "augment.pool must be a sequence of names, got 'negation'"),
        ({"probability": 1.5}, "augment.probability must lie within 0 and 1, got 1.5"),
        ({"per": "step"}, "augment.per must be one of example, batch, got 'step'"),
        ({"per_kind": {"series": {}}}, "kind of augment.per_kind is called 'series'.*image, seq"),
        ({"per_kind": {"image": {"per": "batch"}}}, "augment.per_kind.image is called 'per'"),
        ({"per_kind": {"image": {"pool": ("negation",)}}}, "'negation'; .*grayscale"),
        ({"per_kind": {"image": {"pool": "jitter"}}}, "per_kind.image.pool must be a sequence"),
        ({"per_kind": {"vector": {"probability": -1}}}, "per_kind.vector.probability must lie"),
        ({"per_modality": {"ppg": {}}}, "of augment.per_modality is called 'ppg'; there is acc"),
        ({"per_modality": {"photo": {"pool": ("scaling",)}}}, "photo.pool. is called 'scaling'"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Policy(**options, kinds=KIND_OF)


def test_inputs_of_another_rank_are_refused(inputs):
    with pytest.raises(ValueError, match=r"'acc' must have 3 dimensions.*\(8, 24\)"):
        jax.eval_shape(Policy(), KEY, {"acc": inputs["acc"][..., 0]})
    with pytest.raises(ValueError, match=r"'acc' must have 4 dimensions.*\(8, 24, 3\)"):
        jax.eval_shape(Policy(kinds={"acc": "image"}), KEY, {"acc": inputs["acc"]})
    with pytest.raises(ValueError, match="no modality"):
        Policy()(KEY, {})

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from ml_collections import config_dict

from mmalign import augment
from mmalign.augment import POOL, Policy, policy

KEY = jax.random.key(11)
ALL = tuple(policy.SERIES_ONLY)


@pytest.fixture
def inputs(rng):
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    return {"acc": draw(8, 24, 3), "gyro": draw(8, 24, 3)}


def test_choice_is_uniform_over_the_pool():
    choice = jax.jit(lambda key: Policy().draw(key, 14_000))(KEY).choice
    counts = np.bincount(choice, minlength=len(POOL))
    assert len(counts) == 7
    np.testing.assert_allclose(counts, 2000, atol=5 * np.sqrt(2000 * 6 / 7))


def test_every_modality_flips_its_own_coin():
    ones = {name: jnp.ones((4000, 2, 1)) for name in ("acc", "gyro")}
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
    inputs = jax.tree.map(lambda x: x.astype(dtype), inputs)
    for name in ALL:
        out = jax.eval_shape(Policy((name,)), KEY, inputs)
        assert jax.tree.map(lambda x: (x.shape, x.dtype), out) == jax.tree.map(
            lambda x: (x.shape, x.dtype), inputs
        )


def test_one_draw_governs_series_and_spectrogram(inputs):
    both = Policy(("negation", "phase_shift"), probability=1)
    plan = both.draw(KEY, 8)
    first = np.asarray(plan.choice) == 0
    assert 0 < first.sum() < 8
    out = jax.jit(both.series)(plan, inputs)["acc"]
    np.testing.assert_array_equal(out, np.where(first[:, None, None], -1, 1) * inputs["acc"])
    z = jnp.ones((8, 3, 5, 4))
    turned = np.any(jax.jit(both.spectrogram)(plan, {"acc": z})["acc"] != z, axis=(1, 2, 3))
    np.testing.assert_array_equal(turned, ~first)


def test_stages_without_an_entry_in_the_pool_do_nothing(inputs):
    z = {"acc": jnp.ones((8, 3, 5, 4))}
    plan = Policy().draw(KEY, 8)
    assert Policy(("negation",)).spectrogram(plan, z)["acc"] is z["acc"]
    assert Policy(("phase_shift",)).series(plan, inputs)["acc"] is inputs["acc"]


def test_examples_differ_and_a_batch_does_not():
    ones = {"acc": jnp.ones((64, 2, 1))}
    views = {per: jax.jit(Policy(("scaling",), 1, per)) for per in ("example", "batch")}
    run = lambda per, seed: np.asarray(views[per](jax.random.key(seed), ones)["acc"])[:, 0, 0]
    assert len(np.unique(run("example", 0))) == 64
    batch = [np.unique(run("batch", seed)) for seed in range(20)]
    assert all(len(b) == 1 for b in batch) and len(np.unique(batch)) == 20
    np.testing.assert_allclose(np.std(batch), 0.2, rtol=0.5)


def test_batch_mode_draws_one_entry_for_all():
    draw = jax.jit(lambda key: Policy(per="batch").draw(key, 8))
    plans = [draw(jax.random.key(i)) for i in range(60)]
    assert all(plan.choice.shape == () for plan in plans)
    assert {int(plan.choice) for plan in plans} == set(range(7))


@pytest.mark.parametrize("per", ["example", "batch"])
def test_an_example_depends_on_itself_alone(inputs, per):
    run = jax.jit(Policy(("time_warp", "phase_shift"), per=per))
    want = run(KEY, inputs)
    broken = dict(inputs, acc=inputs["acc"].at[2].set(jnp.nan))
    got = run(KEY, broken)
    others = np.arange(8) != 2
    np.testing.assert_array_equal(got["acc"][others], want["acc"][others])
    np.testing.assert_array_equal(got["gyro"], want["gyro"])


def test_an_example_does_not_depend_on_what_else_is_in_the_batch(inputs):
    view = jax.jit(Policy(("negation", "horizontal_flip")))
    want = view(KEY, inputs)["gyro"]
    alone = view(KEY, {"gyro": inputs["gyro"][:5]})["gyro"]
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
    ones = {"acc": jnp.ones((4, 2, 1)), "gyro": jnp.ones((4, 2, 1))}
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


def test_wrong_arguments_are_refused(inputs):
    with pytest.raises(
        ValueError, match=r"pool names 'warp'; there are channel_shuffle, .*time_warp"
    ):
        Policy(("negation", "warp"))
    with pytest.raises(ValueError, match="options names 'warp'"):
        Policy(options={"warp": {}})
    for pool in (), "negation":
        with pytest.raises(ValueError, match="pool must be a sequence"):
            Policy(pool)
    with pytest.raises(ValueError, match=r"probability.*1\.5"):
        Policy(probability=1.5)
    with pytest.raises(ValueError, match=r"per must be.*'step'"):
        Policy(per="step")
    with pytest.raises(ValueError, match=r"'acc' must have 3 dimensions.*\(8, 24\)"):
        jax.eval_shape(Policy(), KEY, {"acc": inputs["acc"][..., 0]})
    with pytest.raises(ValueError, match="no modality"):
        Policy()(KEY, {})

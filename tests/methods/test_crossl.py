"""CroSSL: what is hidden, what is absent, presets, losses between views."""

import importlib.util
import pathlib
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from mmalign import budget, losses, methods
from mmalign.methods import JOINT
from mmalign.methods.crossl_network import network
from mmalign.methods.crossl_presets import PRESETS, resolve
from mmalign.methods.crossl_views import within_patterns

KEY = jax.random.key(1)
CONV = {"name": "conv", "kernels": (4, 3, 2), "strides": (2, 1, 1), "dim": 12, "dropout": 0.5,
        "maskable": False}  # fmt: skip


@pytest.fixture(scope="module")
def usual(small):
    return small.compiled("crossl", augment=None)


def shaped(small, count=2, **changes):
    """Shapes of (loss, metrics, embeddings), traced without computing."""
    made, batch = small.create("crossl", count, **changes), small.batch(count)
    variables = jax.eval_shape(made.init, KEY, batch)
    value, aux = jax.eval_shape(made.loss, variables, batch, KEY)
    return value, aux["metrics"], jax.eval_shape(made.embed, variables, batch)


def everyone(batch):
    return batch | {"present": {m: np.ones_like(p) for m, p in batch["present"].items()}}


def test_the_loss_is_the_weighted_sum_of_its_terms(usual):
    (value, metrics), _ = usual.loss(usual.params, usual.batch, KEY)
    weights = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0, "kernel_l2": 1e-4}
    np.testing.assert_allclose(value, sum(w * metrics[k] for k, w in weights.items()), rtol=1e-5)
    squares = sum(
        jnp.square(x).sum()
        for path, x in jax.tree.leaves_with_path(usual.params["sensors"])
        if path[-1].key == "kernel" and x.ndim == 3
    )
    np.testing.assert_allclose(metrics["kernel_l2"], squares, rtol=1e-5)
    assert metrics["empty_views"] == 0 and 0 < metrics["identical_views"] < 1


def test_with_nothing_hidden_views_agree_and_standard_deviations_are_equal(small):
    made = small.compiled("crossl", augment=None, mask=(("strategy", "none"),))
    _, metrics = made.loss(made.params, made.batch, KEY)[0]
    assert metrics["invariance"] == 0 and metrics["identical_views"] == 1
    np.testing.assert_allclose(metrics["z_std_views"], metrics["z_std_complete"], rtol=1e-5)
    z = made.embed(made.params, made.batch)[JOINT]
    np.testing.assert_allclose(metrics["z_std_complete"], z.std(axis=0).mean(), rtol=1e-4)
    want = losses.vicreg(z, z)
    np.testing.assert_allclose(metrics["variance"], want["variance"], rtol=1e-4)
    np.testing.assert_allclose(metrics["covariance"], want["covariance"], rtol=1e-4)


def test_steps_draw_different_masks_and_the_same_key_the_same(usual):
    batch = everyone(usual.batch)
    shares = [usual.loss(usual.params, batch, jax.random.key(k))[0][1] for k in (1, 1, 2)]
    assert shares[0]["invariance"] == shares[1]["invariance"] != shares[2]["invariance"]


def test_an_absent_modality_is_like_a_hidden_one(usual):
    """z without emg is the aggregator on a row of zeros, whatever emg holds."""
    batch = everyone(usual.batch)
    gone = batch | {"present": batch["present"] | {"emg": np.zeros(32, bool)}}
    parts = usual.embed(usual.params, gone)
    p = usual.params["aggregator"]
    x = jnp.concatenate([parts["acc"], jnp.zeros_like(parts["acc"])], axis=1)
    np.testing.assert_array_equal(parts["latents"], x)
    for i in range(2):
        x = jax.nn.relu(x @ p[f"hidden_{i}"]["kernel"] + p[f"hidden_{i}"]["bias"][None])
    x = x @ p["out"]["kernel"] + p["out"]["bias"][None]
    x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-3)
    z = x * p["final_norm"]["scale"][None] + p["final_norm"]["bias"][None]
    np.testing.assert_allclose(parts[JOINT], z, rtol=1e-4, atol=1e-4)


def test_the_gradient_for_what_stands_where_a_modality_is_absent_is_exactly_zero(usual):
    present = usual.batch["present"]

    def of_inputs(inputs):
        batch = usual.batch | {"inputs": inputs}
        z = usual.method.embed({"params": usual.params}, batch)[JOINT]
        return usual.method.loss({"params": usual.params}, batch, KEY)[0] + jnp.square(z).sum()

    for m, slope in jax.jit(jax.grad(of_inputs))(usual.batch["inputs"]).items():
        np.testing.assert_array_equal(slope[~present[m]], 0)
        assert np.abs(slope[present[m]]).max() > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"mask": {"fill": "token", "strategy": "random"}, "aggregator": {"name": "attention"}},
        {"mask": {"strategy": "temporal", "block_s": 0.5}, "encoder": CONV},
        {"loss": {"name": "cocoa"}, "head_input": "latents"},
    ],
    ids=["token", "temporal", "cocoa"],
)  # fmt: skip
def test_what_is_absent_is_never_read_in_other_forms_either(small, changes):
    """The contract's promise beyond the defaults: gradient exactly zero, NaN changes nothing."""
    made, batch = small.create("crossl", augment=None, **changes), small.batch()
    params = small.all_random(jax.eval_shape(made.init, KEY, batch)["params"])
    nan = {m: np.where(batch["present"][m][:, None, None], x, np.nan)
           for m, x in batch["inputs"].items()}  # fmt: skip
    gone = {m: p & (m != "emg") for m, p in batch["present"].items()}

    def objective(params, batch):
        return made.loss({"params": params}, batch, KEY)[0]

    step = small.jit(jax.value_and_grad(objective))
    for present in (batch["present"], gone):
        first = step(params, batch | {"present": present})
        again = step(params, batch | {"present": present, "inputs": nan})
        jax.tree.map(np.testing.assert_array_equal, first, again)
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(first))
    for g in jax.tree.leaves(first[1]["sensors"]["emg"]):
        np.testing.assert_array_equal(g, 0)


def test_one_and_eight_devices_agree(usual):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    whole, split = jax.NamedSharding(mesh, jax.P()), jax.NamedSharding(mesh, jax.P("data"))
    one = usual.loss(usual.params, usual.batch, KEY)
    batch = jax.tree.map(lambda x: jax.device_put(x, split if x.ndim else whole), usual.batch)
    eight = usual.loss(jax.device_put(usual.params, whole), batch, KEY)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5), one, eight
    )  # fmt: skip
    np.testing.assert_allclose(one[0][0], eight[0][0], rtol=1e-5)


def test_excluded_pairs_and_empty_views_do_not_count(small):
    """With everything kept all pairs of views are identical: nothing is left to learn from."""
    mask = (("pairing", "identical_excluded"), ("keep_prob", 1.0))
    made = small.compiled("crossl", augment=None, mask=mask)
    (_, metrics), _ = made.loss(made.params, made.batch, KEY)
    assert metrics["identical_views"] == 1 and metrics["invariance"] == metrics["variance"] == 0


def test_within_patterns_of_masks_nothing_of_the_masks_varies(rng):
    """Embeddings that tell masks apart and nothing else have no variance there: they cost gamma."""
    kept = rng.random((60, 3)) < 0.6
    where = rng.random(60) < 0.9
    pattern = kept @ (1, 2, 4)
    noise = rng.normal(size=(60, 5)).astype(np.float32)
    of_masks = np.take(rng.normal(size=(8, 5)), pattern, axis=0).astype(np.float32)
    np.testing.assert_allclose(within_patterns(of_masks, kept, where), 0, atol=1e-6)
    z = np.where(where[:, None], noise + 10 * of_masks, np.float32(np.nan))  # never read
    apart = within_patterns(z, kept, where)
    np.testing.assert_allclose(apart, within_patterns(noise, kept, where), atol=1e-4)
    rows = [noise[where & (pattern == p)] for p in range(8)]
    squares = sum(((r - r.mean(axis=0)) ** 2).sum(axis=0) for r in rows if len(r))
    free = where.sum() - len({*pattern[where]})
    np.testing.assert_allclose(apart[where].var(axis=0, ddof=1), squares / free, rtol=1e-4)


def test_centring_changes_variance_and_covariance_alone(small):
    plain, centred = (
        small.compiled("crossl", augment=None, pattern_centring=on) for on in (False, True)
    )
    terms, other = (m.loss(m.params, everyone(m.batch), KEY)[0][1] for m in (plain, centred))
    assert terms["invariance"] == other["invariance"]
    assert terms["variance"] < other["variance"] and terms["covariance"] != other["covariance"]


def test_other_parts_of_the_network_fit_together(small):
    for changes in (
        {"loss": {"name": "nt_xent"}, "expander": (16, 8)},
        {"aggregator": {"name": "attention", "width": 8, "heads": 2, "out": 6}},
        {"encoder": CONV, "mask": {"time_keep_prob": 0.5, "block_s": 0.5}, "encoder_dropout": True},
        {"mask": {"anneal": 0.5, "rescale": "inverse_keep"}, "complete_variance": 25.0},
        {"pattern_centring": True, "expander": (16, 8)},
    ):
        value, _, parts = shaped(small, 3, **changes)
        assert value.shape == ()
        assert {"acc", "emg", "ecg", "latents", JOINT} == set(parts)
        assert parts["latents"].shape == (32, 36)
        assert parts[JOINT].shape == (32, 6 if "aggregator" in changes else 32)
    _, _, parts = shaped(small, head_input="latents")
    assert parts[JOINT].shape == (32, 24) and parts["global"].shape == (32, 32)


def test_shared_initialisation_draws_kernels_of_one_shape_alike(small):
    batch = {"inputs": {m: np.zeros((2, 32, 3)) for m in ("left", "right")}}
    modalities = dict.fromkeys(batch["inputs"], methods.Modality("series", (32, 3), 16.0))
    for init, alike in (("shared", True), ("independent", False)):
        options = small.options("crossl", encoder=CONV, encoder_init=init)
        params = jax.jit(methods.create(options, modalities).init)(KEY, batch)["params"]["sensors"]
        kernels = [params[m]["encoder"]["block_1"]["conv"]["kernel"] for m in modalities]
        assert (kernels[0] == kernels[1]).all() == alike


def test_presets_are_those_of_the_reference():
    made = {name: resolve(name, dict.fromkeys(PRESETS["fixed"])) for name in PRESETS}
    weights = lambda o: tuple(o["loss"][k] for k in ("invariance", "variance", "covariance"))
    assert {n: (o["mask"]["keep_prob"], o["mask"]["min_keep"]) for n, o in made.items()} == {
        "released": (0.9, 0), "paper": (0.9, 0), "fixed": (0.7, 1)
    }  # fmt: skip
    assert {n: (weights(o), o["loss"]["unbiased"], o["head_input"], o["encoder_init"])
            for n, o in made.items()} == {
        "released": ((10, 10, 100), False, "latents", "shared"),
        "paper": ((25, 25, 1), False, "global", "shared"),
        "fixed": ((25, 25, 1), True, "latents", "independent"),
    }  # fmt: skip
    assert all(o["kernel_l2"] == 1e-4 and not o["encoder_dropout"] for o in made.values())


def test_single_options_win_over_the_preset():
    changed = lambda **changes: resolve("released", dict.fromkeys(PRESETS["fixed"]) | changes)
    found = changed(mask={"keep_prob": 0.5, "k": None}, kernel_l2=0.0)
    assert found["mask"] == {"strategy": "spatial", "keep_prob": 0.5, "min_keep": 0}
    assert found["kernel_l2"] == 0 and found["loss"]["covariance"] == 100
    other = changed(loss={"name": "nce", "temperature": 0.5})
    assert other["loss"] == {"name": "nce", "temperature": 0.5}  # no weights of VICReg


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preset": "best"}, "method.preset must be one of released, paper, fixed, got 'best'"),
        ({"head_input": "both"}, "method.head_input must be one of global, latents"),
        ({"pattern_centring": True, "loss": {"name": "nce"}}, "needs loss.name vicreg, got 'nce'"),
        (
            {"pattern_centring": True, "mask": {"strategy": "random"}},
            "pattern_centring needs mask.strategy spatial or subset, got 'random'",
        ),
        ({"kernel_l2": -1.0}, "method.kernel_l2 must be 0 or more"),
        (
            {"mask": {"groups": (("acc", "gps"),)}},
            "no modality of mask.groups is called 'gps'; there is acc, emg",
        ),
        ({"mask": {"keep_prob": 0}}, r"mask.keep_prob must be in \(0, 1\], got 0"),
        ({"mask": {"strategy": "subset", "k": 3}}, "mask.k must be 1 to 2"),
        ({"mask": {"strategy": "temporal", "block_s": 1.0}}, "need an encoder with a feature map"),
        (
            {"mask": {"fill": "token"}, "aggregator": {"name": "attention"}},
            "fill='token' has no effect with aggregator 'attention'",
        ),
        ({"loss": {"name": "byol"}}, "loss.name must be one of vicreg, barlow_twins, .* 'byol'"),
        ({"loss": {"tau": 1}}, "no option of loss 'vicreg' is called 'tau'; there is cov"),
        ({"loss": {"name": "cocoa"}}, "it needs head_input='latents'"),
        ({"aggregator": {"name": "mean"}}, "aggregator.name must be one of mlp, attention"),
    ],
    ids=str,
)
def test_a_config_that_does_not_fit_is_refused_before_training(small, changes, said):
    with pytest.raises(ValueError, match=said):
        small.create("crossl", **changes)


def test_a_narrower_latent_has_zeros_behind_it_and_nothing_else_changes(small):
    encoder = small.options("crossl")["encoder"] | {"per_modality": {"emg": {"dim": 8}}}
    wide, narrow = (small.create("crossl", **more) for more in ({}, {"encoder": encoder}))
    out = {}
    for name, method in (("wide", wide), ("narrow", narrow)):
        variables = jax.jit(method.init)(jax.random.key(0), small.batch())
        out[name] = jax.jit(method.embed)(variables, small.batch())
    assert out["narrow"]["emg"].shape[1] == 8 and out["narrow"]["acc"].shape[1] == 12
    assert out["narrow"]["latents"].shape[1] == 20 and out["wide"]["latents"].shape[1] == 24
    np.testing.assert_array_equal(out["narrow"]["acc"], out["wide"]["acc"])
    assert out["narrow"]["joint"].shape == out["wide"]["joint"].shape


def test_a_single_modality_is_refused(small):
    with pytest.raises(ValueError, match="two modalities or more, got acc"):
        small.create("crossl", 1)


@pytest.fixture(scope="module")
def get_config():
    path = pathlib.Path(__file__).parents[2] / "configs" / "crossl.py"
    spec = importlib.util.spec_from_file_location("crossl_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config


@pytest.mark.parametrize("preset", ["fixed", "paper", "released"])
def test_the_config_fits_in_every_preset(small, get_config, preset):
    config = get_config(f",{preset}").to_dict()
    encoder = budget.encoder(config["encoder"], config["budget"])
    options = {"encoder": encoder, **config["crossl"]["method"]}
    made, batch = methods.create(options, small.modalities(2)), small.batch()
    variables = jax.eval_shape(made.init, KEY, batch)
    _, aux = jax.eval_shape(made.loss, variables, batch, KEY)
    assert [w.metric for w in made.watches] == ["z_std_complete"]
    assert aux["metrics"]["z_std_complete"].shape == ()


def test_every_data_set_has_a_config_and_flags_change_single_options(get_config):
    for name in ("uci_har", "stress_predict", "ipol_gait", "pamap2", "wesad", "npz"):
        assert get_config(name).data.name == name
    cfg = get_config().lock()
    cfg.update_from_flattened_dict({"crossl.method.mask.keep_prob": 0.5})
    given = cfg.crossl.method.to_dict()
    changes = {option: given[option] for option in PRESETS["fixed"]}
    assert resolve(given["preset"], changes)["mask"]["keep_prob"] == 0.5


def test_masks_of_time_are_for_series_and_encoders_that_keep_time():
    options = resolve("fixed", dict.fromkeys(PRESETS["fixed"]) | {
        "mask": {"strategy": "temporal", "block_s": 0.5}
    })  # fmt: skip
    keeps_time = SimpleNamespace(dim=8, encoder=SimpleNamespace(features=None))
    front = SimpleNamespace(backbones={"acc": keeps_time, "cam": keeps_time})
    series = {"acc": methods.Modality("series", (40, 3), 20.0)}
    image = {"cam": methods.Modality("image", (8, 8, 3))}
    assert network(front, series, options).seconds == {"acc": 2.0}
    with pytest.raises(ValueError, match="masks of time are for series alone, 'cam' is 'image'"):
        network(front, series | image, options)

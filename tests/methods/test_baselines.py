"""The self-supervised baselines: what each compares, and what each refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmalign.losses import cmc, cocoa, gmc
from mmalign.methods import JOINT
from mmalign.methods.cpc import cut
from mmalign.models import Projector, standardised

KEY = jax.random.key(1)
BASELINES = (
    "autoencoder", "cmc", "cocoa", "cpc", "gmc", "joint_autoencoder", "simclr", "simsiam",
)  # fmt: skip
VIEWS = {"cmc": cmc, "cocoa": cocoa, "gmc": gmc}


def gone(batch, m):
    """The batch without modality m."""
    return batch | {"present": batch["present"] | {m: np.zeros_like(batch["present"][m])}}


@pytest.mark.parametrize("name", BASELINES)
def test_the_loss_falls(small, name):
    made = small.compiled(name)
    tx = optax.adam(0.03)
    params, state = made.params, tx.init(made.params)

    @small.jit
    def update(params, state, grads):
        updates, state = tx.update(grads, state)
        return optax.apply_updates(params, updates), state

    costs = []
    for step in range(30):
        (cost, _), grads = made.loss(params, made.batch, jax.random.key(step))
        params, state = update(params, state, grads)
        costs.append(float(cost))
    assert np.mean(costs[-5:]) < 0.95 * np.mean(costs[:5])


@pytest.mark.parametrize("name", VIEWS)
def test_losses_of_views_see_the_embeddings_of_each_modality_alone(small, name):
    """Without a projector and augmentation the loss is that of what `embed` gives."""
    if name == "gmc":
        made = small.compiled(name, augment=None)
        head = lambda p, z: Projector(8, 8).apply({"params": p}, z)
    else:
        made = small.compiled(name, augment=None, projector=None)
    parts, p = made.embed(made.params, made.batch), made.params
    views, arguments = [parts["acc"], parts["emg"]], []
    if name == "gmc":
        views = [head(p["sensors"][m]["projector"], parts[m]) for m in ("acc", "emg")]
        arguments = [head(p["joint"], parts[JOINT])]
    where = [made.batch["present"][m] for m in ("acc", "emg")]
    temperature = small.options(name)["loss"]["temperature"]
    want = VIEWS[name](views, *arguments, temperature=temperature, where=where).mean()
    (cost, _), _ = made.loss(made.params, made.batch, KEY)
    np.testing.assert_allclose(cost, want, rtol=1e-5)


@pytest.mark.parametrize("name", ["simclr", "simsiam"])
def test_a_window_without_any_sensor_takes_no_part_in_fused_views(small, name):
    made = small.compiled(name)
    keep = np.arange(small.batch_size) % 2 == 0
    half = made.batch | {"present": {m: p & keep for m, p in made.batch["present"].items()}}
    moved = half | {"inputs": {m: np.where(keep[:, None, None], x, 9.0).astype(np.float32)
                               for m, x in half["inputs"].items()}}  # fmt: skip
    got, want = (made.loss(made.params, batch, KEY) for batch in (moved, half))
    jax.tree.map(np.testing.assert_array_equal, got, want)
    assert got[0][0] != made.loss(made.params, made.batch, KEY)[0][0]


def test_simsiam_tells_a_collapse_by_the_spread(small):
    made = small.compiled("simsiam")
    (cost, metrics), _ = made.loss(made.params, made.batch, KEY)
    assert 0 < cost < 2 and metrics["spread"] > 0.2
    still = jax.tree.map(jnp.zeros_like, made.params["sensors"])
    for m in still:
        still[m]["encoder"]["out"]["bias"] += 1.0
    # absences alone would tell windows apart
    everyone = {m: np.ones_like(p) for m, p in made.batch["present"].items()}
    whole = made.batch | {"present": everyone}
    (cost, metrics), grads = made.loss(made.params | {"sensors": still}, whole, KEY)
    assert metrics["spread"] < 1e-5 and all(
        np.isfinite(g).all() for g in jax.tree.leaves((cost, grads))
    )


def test_columns_are_standardised_over_the_rows_that_count():
    z = np.random.default_rng(0).normal(2.0, 3.0, (20, 4)).astype(np.float32)
    where = np.arange(20) % 3 > 0
    out = np.asarray(standardised(jnp.where(where[:, None], z, jnp.nan), jnp.asarray(where)))
    want = (z[where] - z[where].mean(0)) / z[where].std(0)
    np.testing.assert_allclose(out[where], want, atol=1e-4)
    assert (out[~where] == 0).all()
    assert (standardised(jnp.asarray(z), jnp.zeros(20, bool)) == 0).all()


def test_cpc_cuts_windows_into_pieces_that_follow_each_other():
    x = jnp.arange(2 * 11 * 3, dtype=jnp.float32).reshape(2, 11, 3)
    pieces = cut({"acc": x}, 5)["acc"]
    assert pieces.shape == (10, 2, 3)
    np.testing.assert_array_equal(pieces[:5].reshape(10, 3), x[0, :10])
    np.testing.assert_array_equal(pieces[5:].reshape(10, 3), x[1, :10])


def test_cpc_costs_the_logarithm_of_the_rows_when_tokens_are_alike(small):
    """Encoders that say the same of everything leave a guess among the windows present."""
    made = small.compiled("cpc")
    params = jax.tree.map(jnp.zeros_like, made.params)
    for m in params["sensors"]:
        params["sensors"][m]["encoder"]["out"]["bias"] += 1.0
        params["sensors"][m]["predictor"]["out"]["bias"] += 1.0
    (_, metrics), _ = made.loss(params, made.batch, KEY)
    for m, p in made.batch["present"].items():
        np.testing.assert_allclose(metrics[f"prediction_{m}"], np.log(p.sum()), rtol=1e-5)


@pytest.mark.parametrize("name", ["autoencoder", "cpc"])
def test_methods_of_single_sensors_learn_each_alone(small, name):
    made = small.compiled(name)
    (cost, metrics), grads = made.loss(made.params, made.batch, KEY)
    np.testing.assert_allclose(cost, sum(metrics.values()), rtol=1e-6)
    (_, alone), alone_grads = made.loss(made.params, gone(made.batch, "emg"), KEY)
    for kind in metrics:
        assert alone[kind] == (0 if kind.endswith("emg") else metrics[kind])
    jax.tree.map(np.testing.assert_array_equal, alone_grads["sensors"]["acc"],
                 grads["sensors"]["acc"])  # fmt: skip


@pytest.mark.parametrize("name", ["autoencoder", "joint_autoencoder"])
def test_an_autoencoder_is_asked_for_the_whole_window(small, name):
    """Decoders that answer zeros are off by the windows' mean square."""
    made = small.compiled(name, augment=None)
    params = jax.tree.map(jnp.zeros_like, made.params)
    (_, metrics), _ = made.loss(params, made.batch, KEY)
    for m, x in made.batch["inputs"].items():
        seen = x[made.batch["present"][m]]
        np.testing.assert_allclose(metrics[f"reconstruction_{m}"], np.mean(seen**2), rtol=1e-4)


def test_a_joint_autoencoder_decodes_a_sensor_from_the_others_too(small):
    """Without emg what is decoded of acc changes, and emg costs and teaches nothing."""
    with pytest.raises(ValueError, match=r"method.fusion must be two widths, .* got \(4,\)"):
        small.create("joint_autoencoder", fusion=(4,))
    with pytest.raises(ValueError, match="two modalities or more"):
        small.create("joint_autoencoder", 1)
    made = small.compiled("joint_autoencoder", augment=None)
    (cost, metrics), grads = made.loss(made.params, made.batch, KEY)
    np.testing.assert_allclose(cost, sum(metrics.values()), rtol=1e-6)
    assert all(np.abs(x).max() > 0 for x in jax.tree.leaves(grads["fusion"]))
    (_, alone), slopes = made.loss(made.params, gone(made.batch, "emg"), KEY)
    assert alone["reconstruction_emg"] == 0
    assert alone["reconstruction_acc"] != metrics["reconstruction_acc"]
    for x in jax.tree.leaves(slopes["sensors"]["emg"]):
        np.testing.assert_array_equal(x, 0)


@pytest.mark.parametrize("name", BASELINES)
def test_embeddings_of_a_sensor_stay_when_the_other_is_missing(small, name):
    made = small.compiled(name)
    whole, alone = (made.embed(made.params, b) for b in (made.batch, gone(made.batch, "emg")))
    np.testing.assert_array_equal(whole["acc"], alone["acc"])
    width = whole["acc"].shape[1]
    assert whole[JOINT].shape == alone[JOINT].shape
    np.testing.assert_array_equal(alone[JOINT][:, :width], whole["acc"])
    np.testing.assert_array_equal(alone[JOINT][:, width:], 0)


@pytest.mark.parametrize("name", ["autoencoder", "cpc", "simclr", "simsiam"])
def test_one_sensor_is_enough_where_none_are_compared(small, name):
    made, batch = small.create(name, 1), small.batch(1)
    variables = jax.eval_shape(made.init, KEY, batch)
    cost, _ = jax.eval_shape(made.loss, variables, batch, KEY)
    parts = jax.eval_shape(made.embed, variables, batch)
    assert cost.shape == () and parts["acc"].shape == parts[JOINT].shape


@pytest.mark.parametrize("name", VIEWS)
def test_comparing_sensors_needs_two_of_one_width(small, name):
    with pytest.raises(ValueError, match=f"{name} needs two modalities or more, got acc"):
        small.create(name, 1)
    uneven = small.options(name)["encoder"] | {"per_modality": {"emg": {"dim": 5}}}
    small.create(name, encoder=uneven)
    with pytest.raises(ValueError, match=f"{name} compares embeddings of one width"):
        small.create(name, encoder=uneven, projector=None)
    with pytest.raises(ValueError, match=f"option of the loss of {name} is called 'tau'; .*temp"):
        small.create(name, loss={"tau": 0.1})


@pytest.mark.parametrize("name", ["simclr", "simsiam"])
def test_two_views_need_an_augmentation(small, name):
    with pytest.raises(ValueError, match=f"{name} compares two views: augment.pool"):
        small.create(name, augment=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"horizon": 4}, "below pieces=4, got 4"),
        ({"horizon": 0}, "1 or more .*got 0"),
        ({"pieces": 40}, "'acc' has 32 samples in a window: too few for 40 pieces"),
    ],
)
def test_cpc_refuses_pieces_that_do_not_fit(small, changes, said):
    with pytest.raises(ValueError, match=said):
        small.create("cpc", **changes)


def test_the_supervised_method_trains_any_backbone(small):
    """DeepConvLSTM is the supervised network with an encoder of that name."""
    encoder = {"name": "deep_conv_lstm", "patch_s": 0.25, "filters": (4,), "dim": 6}
    made = small.create("supervised", 3, encoder=encoder)
    variables = jax.eval_shape(made.init, KEY, small.batch(3))
    cost, _ = jax.eval_shape(made.loss, variables, small.batch(3), KEY)
    parts = jax.eval_shape(made.embed, variables, small.batch(3))
    assert cost.shape == () and parts["logits"].shape == (small.batch_size, 4)
    assert parts[JOINT].shape == (small.batch_size, 18)

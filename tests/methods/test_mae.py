"""The masked autoencoders, each modality alone, and the supervised reference beside them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmalign.methods import JOINT, Modality
from mmalign.methods.decoding import draw_masks, reconstruction
from mmalign.methods.sensors import sensors

KEY = jax.random.key(1)
KEY2 = jax.random.key(77)
MIX = (("alpha", 1.0), ("cut_probability", 0.5))


@pytest.fixture(scope="module")
def plain(small):
    """Masked autoencoders without augmentation."""
    return small.compiled("mae", augment=None)


@pytest.fixture(scope="module")
def supervised(small):
    return small.compiled("supervised", augment=None)


def seen(batch, rows):
    """The batch with only these rows present, in both modalities."""
    return batch | {"present": dict.fromkeys(batch["present"], rows)}


def zero(tree):
    return all((np.asarray(x) == 0).all() for x in jax.tree.leaves(tree))


def test_loss_is_the_sum_over_modalities_that_learn_alone(plain):
    batch = plain.batch
    (value, metrics), grads = plain.loss(plain.params, batch, KEY)
    np.testing.assert_allclose(value, sum(metrics.values()), rtol=1e-6)
    assert set(metrics) == {"reconstruction_acc", "reconstruction_emg"}
    other = batch | {"inputs": batch["inputs"] | {"emg": 2 * batch["inputs"]["emg"]}}
    (_, changed), changed_grads = plain.loss(plain.params, other, KEY)
    assert changed["reconstruction_emg"] != metrics["reconstruction_emg"]
    assert changed["reconstruction_acc"] == metrics["reconstruction_acc"]
    jax.tree.map(
        np.testing.assert_array_equal, changed_grads["sensors"]["acc"], grads["sensors"]["acc"]
    )


def test_loss_is_a_mean_over_the_windows_that_are_present(plain):
    half = np.arange(len(plain.batch["group"])) % 2 == 0
    everybody = np.ones_like(half)
    costs = [
        plain.loss(plain.params, seen(plain.batch, rows), KEY)[0][0]
        for rows in (everybody, half, ~half)
    ]
    np.testing.assert_allclose(costs[0], (costs[1] + costs[2]) / 2, rtol=1e-6)
    assert abs(costs[1] - costs[2]) > 1e-3


def test_every_part_of_an_autoencoder_learns(plain):
    _, grads = plain.loss(plain.params, plain.batch, KEY)
    for m in ("acc", "emg"):
        for part in ("encoder", "shared", "private", "decoder"):
            assert not zero(grads["sensors"][m][part])
        assert not zero(grads["sensors"][m]["encoder"]["mask_token"])  # so something was hidden


class Oracle:
    """A decoder that knows what to say."""

    def __init__(self, answer):
        self.answer = answer

    def apply(self, *_, **__):
        return self.answer


def test_what_has_a_single_patch_is_reconstructed_from_all_of_it(small):
    """Half of one patch is none: without a rule of its own nothing would ever be learnt."""
    front = sensors({"encoder": small.options("mae")["encoder"]}, {"age": Modality("vector", (1,))})
    grid, backbone = jax.random.normal(KEY, (8, 1, 1, 1)), front.backbones["age"]
    masked = draw_masks(front, KEY, {"age": grid}, 0.5)["age"]
    assert not masked.any()
    oracle = Oracle(backbone.patching.patchify(grid) + 1.0)
    answers = front._replace(backbones={"age": backbone._replace(decoder=oracle)})
    cost = reconstruction(
        answers, "age", {"decoder": None}, None, grid, jnp.ones(8, bool), None, masked=masked
    )
    np.testing.assert_allclose(cost, 1.0, rtol=1e-6)


def test_only_hidden_patches_of_real_cells_are_scored(small):
    """Mask blocks of three patches on eight: the ninth is padding, and masked with the others."""
    encoder = small.options("mae")["encoder"] | {"block": 3}
    front = sensors({"encoder": encoder}, small.modalities(1))
    backbone = front.backbones["acc"]
    patching = backbone.patching
    assert patching.valid.sum() == 8 and patching.valid.size == 9
    grid = jax.random.normal(KEY, (8, *patching.size, 3))
    masked = draw_masks(front, KEY, {"acc": grid}, 0.7)["acc"]
    assert (masked & ~patching.valid[None]).any()
    truth = patching.patchify(grid)

    def cost(guess):
        answers = front._replace(backbones={"acc": backbone._replace(decoder=Oracle(guess))})
        everyone = jnp.ones(8, bool)
        return reconstruction(
            answers, "acc", {"decoder": None}, None, grid, everyone, None, masked=masked
        )

    scored = masked & patching.valid[None]
    assert cost(jnp.where(scored[..., None], truth, 99.0)) == 0
    np.testing.assert_allclose(cost(truth + 2.0), 4.0, rtol=1e-5)


def test_what_is_hidden_from_the_encoder_does_not_reach_the_code(small):
    front = sensors({"encoder": small.options("mae")["encoder"]}, small.modalities(1))
    backbone = front.backbones["acc"]
    grid = jax.random.normal(KEY, (4, *backbone.patching.size, 3))
    masked = draw_masks(front, KEY, {"acc": grid}, 0.5)["acc"]
    shapes = jax.eval_shape(backbone.encoder.init, KEY, grid, masked)
    params = small.all_random(shapes["params"])
    encode = small.jit(lambda grid: front.encode("acc", params, grid, masked=masked, key=KEY))
    hidden = backbone.patching.cells(masked)[..., None]
    np.testing.assert_array_equal(encode(grid), encode(jnp.where(hidden, 99.0, grid)))
    assert (encode(grid) != encode(jnp.where(hidden, grid, 99.0))).any()


def test_draws_of_one_modality_do_not_depend_on_which_others_there_are(small, plain):
    alone = small.create("mae", 1, augment=None)
    params = {"sensors": {"acc": plain.params["sensors"]["acc"]}}
    batch = plain.batch | {k: {"acc": plain.batch[k]["acc"]} for k in ("inputs", "present")}
    cost, _ = small.jit(alone.loss)({"params": params}, batch, KEY)
    _, metrics = plain.loss(plain.params, plain.batch, KEY)[0]
    np.testing.assert_allclose(cost, metrics["reconstruction_acc"], rtol=1e-6)


def test_all_parameters_are_carried_over_into_the_alignment(small):
    shapes = [
        jax.eval_shape(small.create(name).init, KEY, small.batch())["params"]["sensors"]
        for name in ("mae", "infomae")
    ]
    assert shapes[0] == shapes[1]


def test_with_contrast_and_ranking_it_has_the_terms_that_infomae_has_of_one_modality(small):
    knobs = {"lam": 0.6, "eta": 0.5, "temperature": 0.3, "margin": 8.0}
    mae = small.compiled("mae", **knobs)
    both = small.compiled("infomae", delta=1.0, **knobs)
    assert mae.method.needs == {"sequences"} and small.create("mae").needs == frozenset()
    params = {**both.params, "sensors": mae.params["sensors"]}
    (value, terms), grads = mae.loss(mae.params, mae.batch, KEY)
    (_, others), _ = both.loss(params, mae.batch, KEY)
    assert set(terms) == {"reconstruction", "contrast", "ranking"} and min(terms.values()) > 0
    for name, term in terms.items():
        np.testing.assert_allclose(term, others[name], rtol=1e-5)
    np.testing.assert_allclose(value, sum(terms.values()), rtol=1e-6)
    assert not zero(grads["sensors"]["acc"]["shared"])
    alone = mae.batch["inputs"] | {"emg": 2 * mae.batch["inputs"]["emg"]}
    (_, _), changed = mae.loss(mae.params, mae.batch | {"inputs": alone}, KEY)
    jax.tree.map(np.testing.assert_array_equal, changed["sensors"]["acc"], grads["sensors"]["acc"])


def test_supervised_cost_is_the_cross_entropy_of_its_own_logits(supervised):
    label = supervised.batch["targets"]["label"]
    logits = supervised.embed(supervised.params, supervised.batch)["logits"]
    assert logits.shape == (len(label), 4)
    (cost, metrics), grads = supervised.loss(supervised.params, supervised.batch, KEY)
    want = optax.losses.softmax_cross_entropy_with_integer_labels(logits, label)
    np.testing.assert_allclose(cost, want.mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], np.mean(logits.argmax(axis=1) == label))
    assert not zero(grads["head"]) and not zero(grads["sensors"]["acc"])


def test_windows_without_a_label_teach_nothing(supervised):
    batch, unknown = supervised.batch, np.arange(len(supervised.batch["group"])) % 3 == 0
    label = np.where(unknown, -1, batch["targets"]["label"]).astype(np.int32)
    logits = supervised.embed(supervised.params, batch)["logits"]
    (cost, metrics), _ = supervised.loss(
        supervised.params, batch | {"targets": {"label": label}}, KEY
    )
    known = ~unknown
    want = optax.losses.softmax_cross_entropy_with_integer_labels(logits[known], label[known])
    np.testing.assert_allclose(cost, want.mean(), rtol=1e-5)
    np.testing.assert_allclose(
        metrics["accuracy"], np.mean(logits[known].argmax(axis=1) == label[known]), rtol=1e-6
    )
    nobody = batch | {"targets": {"label": np.full_like(label, -1)}}
    (cost, _), grads = supervised.loss(supervised.params, nobody, KEY)
    assert cost == 0 and zero(grads)


def test_labels_are_mixed_as_windows_are_and_only_where_both_are_known(small):
    mixing = small.compiled("supervised", augment=None, mix=MIX)
    batch, rows = mixing.batch, len(mixing.batch["group"])
    everyone = {m: np.ones(rows, bool) for m in batch["present"]}
    batch = batch | {"present": everyone}
    plain, _ = mixing.loss(mixing.params, batch, KEY)
    assert np.isfinite(plain[0]) and plain[0] != mixing.loss(mixing.params, batch, KEY2)[0][0]
    # nobody's neighbour has a label, or the same sensors: nothing is mixed
    odd = np.arange(rows) % 2 == 1
    label = np.where(odd, -1, batch["targets"]["label"]).astype(np.int32)
    first = next(iter(everyone))
    for changes in ({"targets": {"label": label}}, {"present": everyone | {first: odd}}):
        alone = batch | changes
        costs = [mixing.loss(mixing.params, alone, key)[0][0] for key in (KEY, KEY2)]
        np.testing.assert_allclose(*costs, rtol=1e-6)
        logits = mixing.embed(mixing.params, alone)["logits"]
        answers = alone["targets"]["label"]
        known = answers >= 0
        want = optax.losses.softmax_cross_entropy_with_integer_labels(logits[known], answers[known])
        np.testing.assert_allclose(costs[0], want.mean(), rtol=1e-5)


def test_joint_embeddings_are_the_modalities_side_by_side(plain, supervised):
    for method in (plain, supervised):
        parts = method.embed(method.params, method.batch)
        want = np.concatenate([parts["acc"], parts["emg"]], axis=1)
        np.testing.assert_array_equal(parts[JOINT], want)


def test_an_absent_sensor_is_zeros_beside_the_others_and_adds_nothing_to_the_logits(
    plain, supervised
):
    rows = len(plain.batch["group"])
    alone = {"acc": np.ones(rows, bool), "emg": np.zeros(rows, bool)}
    for method in (plain, supervised):
        parts = method.embed(method.params, method.batch | {"present": alone})
        np.testing.assert_array_equal(
            parts[JOINT], np.concatenate([parts["acc"], np.zeros_like(parts["emg"])], axis=1)
        )
    head = supervised.params["head"]["out"]
    want = np.asarray(parts["acc"]) @ head["kernel"][: parts["acc"].shape[1]] + head["bias"]
    np.testing.assert_allclose(parts["logits"], want, rtol=1e-4, atol=1e-4)

"""A head on another method: what it reads, what it learns from, and who stands in."""

import jax
import numpy as np
import optax
import pytest

from mmalign.methods import JOINT

KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def plain(small):
    return small.compiled("classifier", augment=None, dropout=0.0)


def test_it_embeds_as_its_base_does_and_adds_logits(small, plain):
    base = small.create("mae", augment=None)
    want = small.jit(base.embed)({"params": plain.params["base"]}, plain.batch)
    parts = plain.embed(plain.params, plain.batch)
    assert set(parts) == {*want, "logits"}
    for part, z in want.items():
        np.testing.assert_allclose(parts[part], z, rtol=1e-6, atol=1e-6)
    head = jax.tree.map(np.asarray, plain.params["head"])
    hidden = np.maximum(np.asarray(want[JOINT]) @ head["hidden_0"]["kernel"]
                        + head["hidden_0"]["bias"], 0)  # fmt: skip
    logits = hidden @ head["out"]["kernel"] + head["out"]["bias"]
    np.testing.assert_allclose(parts["logits"], logits, rtol=1e-4, atol=1e-4)


def test_its_cost_is_the_cross_entropy_of_known_labels_and_moves_head_and_base(small, plain):
    unknown = np.arange(small.batch_size) % 3 == 0
    label = np.where(unknown, -1, plain.batch["targets"]["label"]).astype(np.int32)
    logits = plain.embed(plain.params, plain.batch)["logits"][~unknown]
    (cost, metrics), grads = plain.loss(
        plain.params, plain.batch | {"targets": {"label": label}}, KEY
    )
    want = optax.losses.softmax_cross_entropy_with_integer_labels(logits, label[~unknown]).mean()
    np.testing.assert_allclose(cost, want, rtol=1e-5)
    np.testing.assert_allclose(
        metrics["accuracy"], np.mean(logits.argmax(axis=1) == label[~unknown]), rtol=1e-6
    )
    for part in (grads["head"], grads["base"]["sensors"]["acc"]["encoder"]):
        assert max(np.abs(g).max() for g in jax.tree.leaves(part)) > 0
    decoder = grads["base"]["sensors"]["acc"]["decoder"]  # no part of the embedding
    assert not any(np.abs(g).max() for g in jax.tree.leaves(decoder))


def test_latents_bypass_what_the_base_makes_of_them(small):
    base = small.options("infomae", readout="codes")
    width = lambda reads: jax.eval_shape(
        small.create("classifier", reads=reads, base=base).init, KEY,
        small.batch(),
    )["params"]["head"]["hidden_0"]["kernel"].shape[0]  # fmt: skip
    assert width("joint") == width("latents") == 2 * (4 + 6)  # [u, v] of two modalities
    joint, latents = (small.compiled("classifier", reads=reads, augment=None, dropout=0.0)
                      for reads in ("joint", "latents"))  # fmt: skip
    a, b = (made.embed(made.params, made.batch) for made in (joint, latents))
    np.testing.assert_allclose(a["logits"], b["logits"], rtol=1e-6)  # mae only concatenates


def test_the_base_stands_in_for_a_sensor_that_is_missing(small):
    infomae = small.options("infomae")
    made = small.create("classifier", base=infomae)
    params = small.all_random(jax.eval_shape(made.init, KEY, small.batch())["params"])
    rows = small.batch_size
    batch = small.batch() | {"present": {"acc": np.ones(rows, bool), "emg": np.zeros(rows, bool)}}
    want = small.jit(small.create("infomae").embed)({"params": params["base"]}, batch)
    found = small.jit(made.embed)({"params": params}, batch)
    np.testing.assert_allclose(found[JOINT], want[JOINT], rtol=1e-5, atol=1e-5)
    assert np.abs(found[JOINT]).sum() > 0 and not found["emg"].any()


def test_what_it_cannot_be_is_named(small):
    create = lambda **changes: small.create("classifier", **changes)
    with pytest.raises(ValueError, match="reads must be one of joint, latents, got 'acc'"):
        create(reads="acc")
    with pytest.raises(ValueError, match="base is 'classifier', which learns from labels itself"):
        create(base=small.options("classifier"))
    with pytest.raises(ValueError, match="no method is called 'nope'"):
        create(base={"name": "nope"})

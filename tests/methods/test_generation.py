"""Cross-modal generation: a generator that learns from pairs, then contrast with what it makes."""

import jax
import numpy as np
import pytest

KEY = jax.random.key(3)
OTHERS = ("emg", "ecg")


@pytest.fixture(scope="module")
def whole(small):
    """Windows with all sensors."""
    batch = small.batch(3)
    there = np.ones(small.batch_size, bool)
    inputs = {m: np.where(np.isnan(x), 0, x) for m, x in batch["inputs"].items()}
    valid = {m: np.ones_like(v) for m, v in batch.get("valid", {}).items()}
    return {"inputs": inputs, "present": dict.fromkeys(inputs, there), "valid": valid}


def lacking(batch, *gone):
    return batch | {"present": batch["present"] | {m: ~batch["present"][m] for m in gone}}


def test_a_generator_learns_the_anchors_encoder_and_the_others_decoders(small, whole):
    made = small.compiled("generator", 3)
    _, gradient = made.loss(made.params, whole, KEY)
    largest = lambda tree: max(float(np.abs(x).max()) for x in jax.tree.leaves(tree))
    of = gradient["sensors"]
    assert largest(of["acc"]["encoder"]) > 0 and "decoder" not in of["acc"]
    for m in OTHERS:
        assert largest(of[m]["decoder"]) > 0 and largest(of[m]["encoder"]) == 0
    (alone, metrics), gradient = made.loss(made.params, lacking(whole, "emg"), KEY)
    assert metrics["generation_emg"] == 0 and alone == metrics["generation_ecg"]
    assert largest(gradient["sensors"]["emg"]) == 0


def test_contrast_learns_nothing_of_the_generator_and_reads_what_it_makes(small, whole):
    made = small.compiled("cmg", 3)
    half = lacking(whole, "emg")
    cost, gradient = made.loss(made.params, half, KEY)
    assert not any(np.abs(x).max() > 0 for x in jax.tree.leaves(gradient["base"]))
    assert all(np.abs(gradient["sensors"][m]["head"]["out"]["kernel"]).max() > 0 for m in OTHERS)
    other = jax.tree.map(np.array, made.params)
    decoder = other["base"]["sensors"]["emg"]["decoder"]
    decoder["out"]["bias"] = decoder["out"]["bias"] + 1
    assert made.loss(other, half, KEY)[0][0] != cost[0]
    assert made.loss(other, whole, KEY)[0][0] == made.loss(made.params, whole, KEY)[0][0]


@pytest.mark.parametrize(
    ("match", "name", "options"),
    [
        ("no modality of method.anchor is called 'ppg'", "generator", {"anchor": "ppg"}),
        ("method.base must be a 'generator', got 'mae'", "cmg", {"base": {"name": "mae"}}),
    ],
)
def test_what_does_not_fit_is_named(small, match, name, options):
    with pytest.raises(ValueError, match=match):
        small.create(name, 3, **options)

"""Modalities of every kind through every method, and series with gaps inside a window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import methods
from mmalign.methods import JOINT, METHODS, Modality
from mmalign.methods.checks import check_method
from mmalign.methods.decoding import reconstruction
from mmalign.methods.encoders import plain, two_views, view
from mmalign.methods.example_windows import example_batch, in_gaps
from mmalign.methods.sensors import sensors

KEY = jax.random.key(1)
KINDS = {
    "acc": Modality("series", (32, 3), 16.0),
    "cam": Modality("image", (8, 8, 3)),
    "age": Modality("vector", (5,)),
    "words": Modality("sequence", (6, 4)),
}
GAPS = {"acc": KINDS["acc"], "cam": KINDS["cam"]}
MOVING = {"pool": ("time_shift",), "probability": 1.0, "per": "batch",
          "per_kind": {"image": {"pool": ("horizontal_flip",)}}}  # fmt: skip
CONV = {"name": "conv", "kernels": (4, 3, 2), "strides": (2, 1, 1), "dim": 12, "maskable": False}
# of every method of its own way from a batch to encoders
WAYS = {
    "mae": {},
    "joint_autoencoder": {},
    "simclr": {},
    "supervised": {"mix": {}},
    "classifier": {},
    "infomae": {},
    "crossl": {"encoder": CONV, "mask": {"strategy": "temporal", "block_s": 0.5}},
    "cpc": {},
}  # fmt: skip


def create(small, name, modalities, **changes):
    options = small.options(name, augment=MOVING) | changes
    return methods.create(options, modalities, targets=small.targets, length=2)


def gappy(modalities, seed=0):
    """A batch in which a tenth of the samples of a series were lost, in runs."""
    rng = np.random.default_rng(seed)
    batch, time = example_batch(modalities, seed=seed), 32
    start = rng.integers(0, time, (len(batch["group"]), 1))
    valid = (np.arange(time)[None] - start) % time >= 4
    return in_gaps(batch | {"valid": {"acc": valid}}, 0.0)


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"cpc"}))  # which is for series
def test_every_method_takes_modalities_of_every_kind(small, name):
    made, batch = create(small, name, KINDS), example_batch(KINDS)
    variables = jax.eval_shape(made.init, KEY, batch)
    loss, _ = jax.eval_shape(made.loss, variables, batch, KEY)
    parts = jax.eval_shape(made.embed, variables, batch)
    assert loss.shape == () and {*KINDS, JOINT} <= set(parts)
    assert all(z.shape[0] == len(batch["group"]) for z in parts.values())


@pytest.mark.parametrize("name", WAYS)
def test_samples_that_were_lost_are_never_read(small, name):
    """The whole contract, with a series that has gaps beside an image, which cannot have any."""
    modalities = small.modalities(2) if name in ("cpc", "crossl") else GAPS
    made, batch = create(small, name, modalities, **WAYS[name]), gappy(modalities)
    shapes = jax.eval_shape(made.init, KEY, batch)
    variables = {part: small.all_random(x) for part, x in shapes.items()}
    check_method(made, modalities, batch=batch, variables=variables)


def test_a_series_without_a_lost_sample_is_one_without_gaps(small):
    alone = small.modalities(1)
    made, batch = create(small, "mae", alone, augment=None), example_batch(alone)
    params = small.all_random(jax.eval_shape(made.init, KEY, batch)["params"])
    full = batch | {"valid": {"acc": np.ones((32, 32), bool)}}
    costs = [small.jit(made.loss)({"params": params}, b, KEY)[0] for b in (batch, full)]
    np.testing.assert_allclose(*costs, rtol=1e-5)


SPECTRUM = {"representation": "spectrogram", "interval_s": 0.5, "patch": 2, "patch_s": None}


@pytest.mark.parametrize("options", [{}, SPECTRUM], ids=["series", "spectrogram"])
def test_patches_with_a_lost_sample_are_not_asked_for(small, options):
    """A patch is 4 samples of the series, or two intervals of 8 samples in all their bins."""
    encoder = small.options("mae")["encoder"] | options
    front = sensors({"encoder": encoder}, {"acc": KINDS["acc"]})
    backbone, samples = front.backbones["acc"], 16 if options else 4
    lost = np.zeros((3, 32), bool)
    lost[0, 9] = lost[1, 31] = lost[1, 24] = True
    grid = front.grids({"acc": jax.random.normal(KEY, (3, 32, 3))})["acc"]
    truth = backbone.patching.patchify(grid)
    asked = ~lost.reshape(3, -1, samples).any(axis=2)[:, :, None]
    asked = np.broadcast_to(asked, truth.shape[:3])
    assert (~asked).any() and asked.any(axis=(1, 2)).all()

    def cost(guess):
        class Oracle:
            def apply(self, *args, **kwargs):
                return guess

        answers = front._replace(backbones={"acc": backbone._replace(decoder=Oracle())})
        rows, params = np.ones(3, bool), {"decoder": None}
        return reconstruction(answers, "acc", params, None, grid, rows, None, valid=~lost)

    assert cost(jnp.where(asked[..., None], truth, 99.0)) == 0
    np.testing.assert_allclose(cost(truth + 2.0), 4.0, rtol=1e-5)


def test_gaps_move_with_the_samples_of_a_view(small):
    front = sensors({"encoder": small.options("mae")["encoder"], "augment": MOVING}, GAPS)
    batch = {"present": {"acc": np.ones(32, bool)}, "valid": gappy(GAPS)["valid"]}
    batch["inputs"] = {"acc": batch["valid"]["acc"][..., None].astype(np.float32)}
    assert plain(front, batch).valid is batch["valid"]
    one = small.jit(lambda batch: view(front, KEY, batch))(batch)
    two = small.jit(lambda batch: two_views(front, KEY, batch))(batch)
    assert (two.valid["acc"][0] != two.valid["acc"][1]).any()
    for seen in (one, two):
        seen_ones = (seen.grids["acc"] == 1).all(axis=(-2, -1))
        np.testing.assert_array_equal(seen_ones, seen.valid["acc"])
        assert set(seen.valid) == {"acc"}

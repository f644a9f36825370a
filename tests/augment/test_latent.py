"""Latent masks: published rates, guarantees, pairs of views, missing modalities."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from mmalign.augment import draw_latent_masks, draw_time_mask, hide, latent_mask

KEY = jax.random.key(3)
ROWS, WIDTH = 20_000, 3


def names(count):
    return tuple(f"m{i}" for i in range(count))


@functools.partial(jax.jit, static_argnames=("mask", "width"))
def _draw(key, mask, keep_prob, present, width, progress):
    mask = mask._replace(keep_prob=keep_prob)
    return draw_latent_masks(key, mask, present, width, progress=progress)


def draw(key, mask, present, width=WIDTH, progress=1.0):
    """Compiled once for masks that differ in their probabilities alone."""
    keep_prob = np.asarray(mask.keep_prob, np.float32)
    return _draw(key, mask._replace(keep_prob=()), keep_prob, present, width, progress)


def drawn(count=4, rows=ROWS, present=None, **spec):
    """Masks of two views as NumPy, [2, rows, modalities, WIDTH]."""
    present = np.ones((rows, count), bool) if present is None else present
    return np.asarray(draw(KEY, latent_mask(names(count), **spec), present))


def close(found, want):
    """A rate of ROWS draws within three standard errors."""
    assert abs(found.mean() - want) < 3 * np.sqrt(max(want * (1 - want), 1e-5) / found.size)


@pytest.mark.parametrize(
    ("count", "prob", "empty", "either", "same"),
    [
        (3, 0.9, 0.0010, 0.0020, 0.551),
        (3, 0.7, 0.0270, 0.0533, 0.195),
        (3, 0.3, 0.3430, 0.5684, 0.195),
        (4, 0.5, 0.0625, 0.1211, 0.0625),
        (6, 0.9, 0.0, 0.0, 0.304),
        (7, 0.5, 0.0078, 0.0156, 0.0078),
    ],
)
def test_rates_of_empty_and_identical_views_are_the_published_ones(
    count, prob, empty, either, same
):
    keep = drawn(count, keep_prob=prob, min_keep=0)
    assert (keep == keep[..., :1]).all()  # one draw for all features of a modality
    nothing = ~keep.any(axis=(2, 3))
    for found, want in [
        (keep[..., 0], prob),
        (nothing[0], empty),
        (nothing.any(axis=0), either),
        ((keep[0] == keep[1]).all(axis=(1, 2)), same),
    ]:
        slack = 6e-4 if want < 1 else 0  # published with three or four digits
        assert abs(found.mean() - want) < slack + 3 * np.sqrt(want * (1 - want) / ROWS)


def test_views_are_independent_of_each_other_and_of_the_key_of_another_step():
    keep = drawn(keep_prob=0.6, min_keep=0)[..., 0].astype(float)
    assert abs(np.corrcoef(keep[0].ravel(), keep[1].ravel())[0, 1]) < 0.02
    mask = latent_mask(names(4))
    keys = (KEY, KEY, jax.random.key(4))
    first, again, other = (draw(key, mask, np.ones((64, 4), bool)) for key in keys)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_random_masks_features_one_by_one():
    keep = drawn(2, strategy="random", keep_prob=0.7)
    close(keep, 0.7)
    both = keep[0, :, 0, 0] & keep[0, :, 0, 1]
    close(both, 0.49)


def test_feature_shared_masks_hide_the_same_features_everywhere():
    keep = drawn(strategy="feature_shared", keep_prob=0.7, min_keep=0)
    close(keep[:, :, 0], 0.7)
    assert (keep == keep[:, :, :1]).all()


def test_a_subset_is_of_exactly_k_uniformly():
    keep = drawn(strategy="subset", k=2)[..., 0]
    assert (keep.sum(axis=2) == 2).all()
    close(keep[0, :, 0], 0.5)
    close((keep[0] == keep[1]).all(axis=1), 1 / 6)
    present = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]], bool)
    few = drawn(strategy="subset", k=2, present=present)[..., 0]
    np.testing.assert_array_equal(few.sum(axis=2), [[2, 1, 0]] * 2)


def test_none_keeps_what_is_there():
    present = np.random.default_rng(0).random((50, 4)) < 0.6
    for strategy, more in (("none", {}), ("temporal", {"block_s": 1.0})):
        keep = drawn(strategy=strategy, present=present, **more)
        np.testing.assert_array_equal(keep[..., 0], np.stack([present] * 2))


UNEVEN = {"m0": 0.5, "m1": 0.1, "m2": 0.2, "m3": 0.1}


@pytest.mark.parametrize(
    "spec",
    [
        {"keep_prob": 0.3},
        {"keep_prob": 0.05, "strategy": "random"},
        {"keep_prob": 0.05, "strategy": "feature_shared"},
        {"strategy": "subset", "k": 1},
        {"keep_prob": 0.2, "groups": (("m0", "m2"),)},
        {"keep_prob": 0.2, "pairing": "disjoint"},
        {"keep_prob": UNEVEN, "pairing": "disjoint"},
        {"keep_prob": {"m0": 1.0, "m1": 0.1, "m2": 0.2, "m3": 0.3}},
    ],
    ids=str,
)
def test_no_view_is_empty_where_one_thing_has_to_be_kept_and_is_there(spec):
    present = np.random.default_rng(0).random((ROWS, 4)) < 0.5
    keep = drawn(present=present, **spec)
    assert not (keep & ~present[..., None]).any()  # what is absent is never kept
    there = present.sum(axis=1)
    if spec.get("pairing") == "disjoint":
        there = there - 1  # one for each view
    assert keep.any(axis=(2, 3))[:, there > 0].all()


def test_a_view_that_would_be_empty_gets_one_modality_uniformly():
    spec = {"keep_prob": {"m0": 0.05, "m1": 0.1, "m2": 0.2}}
    keep = drawn(3, **spec)[0, :, :, 0]
    prob = np.array([0.05, 0.1, 0.2])
    forced = np.prod(1 - prob) / 3
    for m in range(3):
        close(keep[:, m], prob[m] + forced)


def test_sensors_of_a_device_fall_out_together_if_they_are_there():
    spec = {"keep_prob": 0.5, "groups": (("m0", "m2"), ("m3",)), "min_keep": 0}
    keep = drawn(**spec)[..., 0]
    assert (keep[..., 0] == keep[..., 2]).all() and (keep[..., 0] != keep[..., 1]).any()
    present = np.tile([[1, 1, 0, 1]], (ROWS, 1)).astype(bool)
    half = drawn(present=present, **spec)[..., 0]
    assert not half[..., 2].any()
    close(half[..., 0], 0.5)


@pytest.mark.parametrize(
    "spec",
    [
        {"keep_prob": 0.4},
        {"strategy": "random", "keep_prob": 0.5},
        {"strategy": "subset", "k": 2},
        {"keep_prob": UNEVEN},
    ],
    ids=str,
)
def test_disjoint_views_have_nothing_in_common(spec):
    present = np.random.default_rng(0).random((ROWS, 4)) < 0.8
    for there in (None, present):
        keep = drawn(present=there, pairing="disjoint", **spec)
        assert not (keep[0] & keep[1]).any()
    if "k" not in spec:
        keep = drawn(pairing="disjoint", min_keep=0, **spec)
        prob = UNEVEN.values() if spec["keep_prob"] is UNEVEN else [spec["keep_prob"]] * 4
        for view in keep:
            for m, p in enumerate(prob):
                close(view[:, m, 0], p)


def test_keep_probabilities_fall_from_one():
    mask = latent_mask(names(4), keep_prob=0.4, min_keep=0, anneal=0.5)
    there = np.ones((ROWS, 4), bool)
    for progress, prob in ((0.0, 1.0), (0.25, 0.7), (0.5, 0.4), (0.9, 0.4)):
        keep = draw(KEY, mask, there, progress=progress)[..., 0]
        assert abs(keep.mean() - prob) < 0.01


def test_blocks_of_time_are_hidden_whole_and_at_once_at_any_rate():
    mask = latent_mask(names(2), strategy="temporal", keep_prob=0.6, block_s=0.5)
    fast, slow = (np.asarray(draw_time_mask(KEY, mask, 2000, steps, 2.0)) for steps in (40, 8))
    assert fast.shape == (2, 2000, 40) and slow.shape == (2, 2000, 8)
    blocks = fast.reshape(2, 2000, 4, 10)
    assert (blocks == blocks[..., :1]).all()
    np.testing.assert_array_equal(blocks[..., 0], slow[..., ::2])
    assert fast.any(axis=-1).all()  # min_keep
    other = draw_time_mask(jax.random.key(9), mask, 2000, 8, 2.0)
    assert (other != slow).any()
    bare = mask._replace(min_keep=0)
    assert abs(np.asarray(draw_time_mask(KEY, bare, 2000, 8, 2.0)).mean() - 0.6) < 0.02


def test_what_is_hidden_becomes_zero_or_the_token_and_the_rest_may_be_scaled():
    latents = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2, 3)), jnp.float32)
    keep = np.random.default_rng(1).random((5, 2, 3)) < 0.5
    mask = latent_mask(names(2), keep_prob={"m0": 0.5, "m1": 0.8})
    np.testing.assert_array_equal(hide(latents, keep, mask), np.where(keep, latents, 0))
    token = jnp.arange(6.0).reshape(2, 3)
    filled = hide(latents, keep, mask, token=token)
    np.testing.assert_array_equal(filled, np.where(keep, latents, token[None]))
    scaled = hide(latents, keep, mask._replace(rescale="inverse_keep"))
    want = np.where(keep, latents / np.array([[[0.5], [0.8]]]), 0)
    np.testing.assert_allclose(scaled, want, rtol=1e-6)
    exact = latent_mask(names(2), strategy="subset", k=1, rescale="inverse_keep")
    np.testing.assert_allclose(hide(latents, keep, exact), np.where(keep, 2 * latents, 0))


def test_one_and_eight_devices_draw_the_same_masks():
    mask, there = latent_mask(names(3)), np.ones((64, 3), bool)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split = jax.device_put(there, jax.NamedSharding(mesh, jax.P("data")))
    np.testing.assert_array_equal(draw(KEY, mask, split), draw(KEY, mask, there))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"strategy": "diagonal"}, "mask.strategy must be one of random, spatial"),
        ({"pairing": "same"}, "mask.pairing must be one of independent"),
        ({"fill": "mean"}, "mask.fill must be one of zero, token, got 'mean'"),
        ({"rescale": "always"}, "mask.rescale must be one of none, inverse_keep"),
        ({"min_keep": 2}, "mask.min_keep must be one of 0, 1, got 2"),
        ({"keep_prob": 0.0}, r"mask.keep_prob must be in \(0, 1\], got 0.0"),
        ({"keep_prob": 1.5}, r"in \(0, 1\], got 1.5"),
        ({"keep_prob": {"m0": 0.5}}, "must name each of m0, m1, m2, got m0"),
        ({"groups": (("m0", "gps"),)}, "no modality of mask.groups is called 'gps'; there is m0"),
        ({"groups": (("m0",), ("m0", "m1"))}, "mask.groups has 'm0' twice"),
        ({"groups": ("m0", "m1")}, r"sequences .* such as \(\('m0', 'm1', 'm2'\),\), got 'm0'"),
        ({"groups": ((),)}, r"sequences .* such as \(\('m0', 'm1', 'm2'\),\), got \(\)"),
        (
            {"groups": (("m0", "m1"),), "keep_prob": {"m0": 0.5, "m1": 0.6, "m2": 0.5}},
            "one for all modalities of a group; that of 'm1' differs",
        ),
        ({"strategy": "subset"}, "mask.k must be 1 to 3, .* got None"),
        ({"strategy": "subset", "k": 4}, "mask.k must be 1 to 3, .* got 4"),
        ({"k": 2}, "mask.k is for strategy='subset': leave it out with 'spatial', got 2"),
        ({"strategy": "subset", "k": 1, "anneal": 0.5}, "strategy='subset' has none"),
        ({"strategy": "subset", "k": 2, "pairing": "disjoint"}, "k=2, there are 3"),
        ({"pairing": "disjoint"}, "keep_prob of at most 0.5, got 0.7"),
        ({"pairing": "disjoint", "strategy": "none"}, "goes with the strategies spatial"),
        ({"strategy": "temporal"}, "mask.block_s must be positive seconds"),
        ({"time_keep_prob": 2.0, "block_s": 1.0}, "mask.time_keep_prob must be in"),
        (
            {"strategy": "temporal", "block_s": 1.0, "keep_prob": dict.fromkeys(names(3), 0.5)},
            "one number with strategy='temporal'",
        ),
        ({"anneal": 2.0}, r"mask.anneal must be in \[0, 1\]"),
    ],
    ids=str,
)  # fmt: skip
def test_a_specification_that_does_not_fit_is_refused(spec, said):
    with pytest.raises(ValueError, match=said):
        latent_mask(names(3), **spec)

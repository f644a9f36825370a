"""Augmentations of steps, of series and sequences alike."""

import jax
import numpy as np
import pytest

from mmalign.augment import Policy, steps
from mmalign.augment.pools import KINDS

MANY = jax.random.split(jax.random.key(7), 3000)
STEPS = np.arange(1.0, 21.0, dtype=np.float32)[:, None] * np.ones(2, np.float32)


def each(augmentation, x=STEPS, keys=MANY, **knobs):
    """The augmentation under many keys: [keys, steps, features]."""
    return np.asarray(jax.jit(jax.vmap(lambda key: augmentation(key, x, **knobs)))(keys))


def kept_share(out):
    """Of each view, and whether what is left of it is as it was, whole steps at a time."""
    kept = out[..., 0] != 0
    np.testing.assert_array_equal(out, kept[..., None] * STEPS)
    return kept, kept.mean(axis=1)


def test_steps_are_dropped_anywhere_up_to_a_share():
    kept, share = kept_share(each(steps.drop, most=0.6))
    assert share.min() >= 0.39 and share.max() == 1
    np.testing.assert_allclose(share.mean(), 0.7, atol=0.02)
    np.testing.assert_allclose(kept.mean(axis=0), 0.7, atol=0.04)  # every step alike
    assert (np.diff(kept, axis=1) != 0).sum(axis=1).max() > 8  # not in a row


def test_blocks_are_in_a_row_and_crops_what_they_leave():
    runs = lambda kept: (np.diff(np.pad(kept, ((0, 0), (1, 1))).astype(int)) == 1).sum(axis=1)
    kept, share = kept_share(each(steps.drop_block, most=0.8))
    assert share.min() >= 0.2 - 1e-6 and share.max() == 1 and runs(~kept).max() == 1
    kept, share = kept_share(each(steps.crop, least=0.2))
    assert share.min() >= 0.2 - 1e-6 and share.max() == 1 and (runs(kept) == 1).all()
    np.testing.assert_allclose(share.mean(), 0.6, atol=0.02)
    assert kept[:, 0].any() and kept[:, -1].any()
    one = each(steps.crop, STEPS[:1], MANY[:50], least=0.0)  # a step always stays
    np.testing.assert_array_equal(one, np.broadcast_to(STEPS[:1], one.shape))


def test_a_shuffle_keeps_all_steps_and_a_mix_is_between_two():
    out = each(steps.shuffle, keys=MANY[:200])
    np.testing.assert_array_equal(np.sort(out, axis=1), np.broadcast_to(STEPS, out.shape))
    assert len(np.unique(out[:, 0, 0])) == 20
    mixed = each(steps.self_mix, keys=MANY[:200])
    np.testing.assert_allclose(mixed.sum(axis=1), np.full((200, 2), STEPS[:, 0].sum()), rtol=1e-5)
    assert mixed.min() >= 1 and mixed.max() <= 20
    spread = mixed[..., 0].std(axis=1)
    assert spread.min() < 4.3 < spread.max() < 5.8 and (mixed[..., 0] == mixed[..., 1]).all()


def test_to_corrupt_is_to_take_each_step_or_not():
    only = each(steps.corrupt, steps=("drop",), probability=0.5)
    np.testing.assert_allclose((only == STEPS).all(axis=(1, 2)).mean(), 0.5 + 0.5 / 16, atol=0.03)
    both = each(steps.corrupt)
    untouched = (both == STEPS).all(axis=(1, 2)).mean()
    np.testing.assert_allclose(untouched, 0.5 * (0.5 + 0.5 / 32), atol=0.03)
    noise = both - np.round(both)
    assert 0.08 < noise[np.abs(noise).max(axis=(1, 2)) > 0].std() < 0.11
    with pytest.raises(ValueError, match=r"'dropp' \(did you mean 'drop'\?\)"):
        steps.corrupt(MANY[0], STEPS, steps=("dropp",))
    with pytest.raises(ValueError, match="most must lie within 0 and 1, got 2"):
        steps.drop(MANY[0], STEPS, most=2.0)


def test_modalities_may_lose_the_same_steps():
    views = {}
    for together in ((), ("drop",)):
        policy = Policy(
            ("drop",), 1.0, together=together, kinds={"words": "sequence"},
            per_kind={"sequence": {"pool": ("drop",), "probability": 1.0}},
        )  # fmt: skip
        batch = dict.fromkeys(("acc", "gyro", "words"), np.ones((40, 20, 3), np.float32))
        views[together] = jax.jit(policy)(MANY[0], batch)
    alone, same = views.values()
    np.testing.assert_array_equal(same["acc"], same["gyro"])
    assert (np.asarray(alone["acc"]) != alone["gyro"]).any(axis=(1, 2)).mean() > 0.8
    assert len(np.unique(np.asarray(same["acc"])[..., 0], axis=0)) > 30  # each window its own
    with pytest.raises(ValueError, match=r"augmentation \(augment.together\) is called 'dorp'"):
        Policy(together=("dorp",))


def test_both_kinds_have_them():
    for kind in ("series", "sequence"):
        assert {*steps.STEPS} - {"jitter"} < {*KINDS[kind].table}

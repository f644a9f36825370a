"""Gaps under augmentations: they move as the samples do, and nothing invalid comes out as valid."""

import jax
import numpy as np
import pytest

from mmalign.augment import Policy
from mmalign.augment.pools import SERIES_ONLY

KEYS = jax.random.split(jax.random.key(5), 30)
TIME = 40
# what gives a sample something of all others, which stays where it is
GLOBAL = ("phase_shift", "frequency_mask")


def gaps(count=16):
    """Windows with a gap of several samples, and single lost ones; the first has none."""
    rng = np.random.default_rng(0)
    valid = rng.random((count, TIME)) > 0.05
    for row, start in zip(valid, rng.integers(0, TIME - 6, count)):
        row[start : start + 6] = False
    valid[0] = True
    return valid


@pytest.fixture(scope="module")
def moved():
    """{name: (how much of what was invalid is in each sample of 30 views, its mask)}."""
    valid = gaps()
    ones = np.repeat((~valid)[..., None], 3, axis=2).astype(np.float32)

    @jax.jit
    def run(keys):
        out = {}
        for name in SERIES_ONLY:
            if name not in GLOBAL:
                policy = Policy((name,), 0.8, kinds={"acc": "series"})
                out[name] = jax.vmap(
                    lambda key, p=policy: (
                        p(key, {"acc": ones})["acc"], p.valid(key, {"acc": valid})["acc"]
                    )
                )(keys)  # fmt: skip
        return out

    return jax.tree.map(np.asarray, run(KEYS))


@pytest.mark.parametrize("name", [name for name in SERIES_ONLY if name not in GLOBAL])
def test_a_sample_that_was_not_valid_is_never_valid_in_the_view(moved, name):
    views, valid = moved[name]
    noise = {"jitter": 0.02, "corrupt": 0.8}.get(name, 1e-3)  # both add some
    assert valid.dtype == bool and valid.shape == (30, 16, TIME) and valid[:, 0].all()
    assert np.abs(views[valid]).max() < noise
    if name == "time_warp":
        assert 0.5 < valid.mean() < gaps().mean()  # a gap takes its neighbours along
    elif name not in ("time_mask", "jitter", "drop", "drop_block", "crop", "corrupt"):
        np.testing.assert_array_equal(valid, np.abs(views[..., 0]) < 1e-6)  # and no more than that


@pytest.mark.parametrize("name", GLOBAL)
def test_what_works_on_frequencies_leaves_gaps_where_they_are(name):
    valid = gaps()
    out = jax.jit(Policy((name,), 1.0).valid)(KEYS[0], {"acc": valid})
    np.testing.assert_array_equal(out["acc"], valid)


def test_one_key_moves_samples_and_gaps_alike_by_modality_and_in_both_modes():
    valid = gaps()
    number = np.broadcast_to(np.arange(1.0, TIME + 1)[:, None], (16, TIME, 1)).astype(np.float32)
    named = {"acc": valid, "emg": valid[:, ::-1]}
    for per in ("example", "batch"):
        policy = Policy(("permutation", "time_shift"), 0.7, per)

        @jax.jit
        def run(key, policy=policy):
            views = policy(key, dict.fromkeys(named, number))
            return views, policy.valid(key, named), policy.valid(key, {"emg": named["emg"]})

        views, moved, alone = run(KEYS[1])
        for m, mask in named.items():
            place = np.asarray(views[m])[..., 0].astype(int) - 1  # where a sample came from
            np.testing.assert_array_equal(moved[m], np.take_along_axis(mask, place, axis=1))
        np.testing.assert_array_equal(alone["emg"], moved["emg"])


def test_other_kinds_have_no_samples_that_move():
    policy, valid = Policy(per="batch", kinds={"words": "sequence"}), gaps()
    np.testing.assert_array_equal(policy.valid(KEYS[0], {"words": valid})["words"], valid)
    assert policy.valid(KEYS[0], {}) == {}

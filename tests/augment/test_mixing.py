"""Mixup and CutMix, read back from windows whose values tell where they come from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.augment import mix

BATCH = 400


@pytest.fixture
def inputs():
    """Constant windows: the value is the row, so a mixture tells its shares."""
    row = jnp.arange(BATCH, dtype=jnp.float32)[:, None, None]
    return {"acc": jnp.broadcast_to(row, (BATCH, 50, 3)), "emg": jnp.tile(row, (1, 128, 2))}


def mixed(inputs, **knobs):
    out, partner, share = jax.jit(lambda key, x: mix(key, x, **knobs))(jax.random.key(3), inputs)
    return {m: np.asarray(x) for m, x in out.items()}, np.asarray(partner), np.asarray(share)


def test_mixup_adds_two_windows_by_their_shares(inputs):
    out, partner, share = mixed(inputs, cut_probability=0.0)
    row = np.arange(BATCH)
    np.testing.assert_array_equal(partner, (row + 1) % BATCH)
    want = share * row + (1 - share) * partner
    for m, x in out.items():
        assert x.shape == inputs[m].shape
        want_m = np.broadcast_to(want[:, None, None], x.shape)
        np.testing.assert_allclose(x, want_m, rtol=1e-5, atol=1e-5)


def test_cutmix_takes_one_interval_the_same_part_of_every_window(inputs):
    out, partner, share = mixed(inputs, cut_probability=1.0)
    for x in out.values():
        foreign = x == partner[:, None, None]
        assert (foreign | (x == np.arange(BATCH)[:, None, None])).all()
        assert (foreign == foreign[..., :1]).all()  # all channels alike
        cuts = np.diff(foreign[..., 0].astype(int), axis=1)
        assert (np.maximum((cuts == 1).sum(axis=1), (cuts == -1).sum(axis=1)) <= 1).all()
        taken = foreign[..., 0].mean(axis=1)
        np.testing.assert_allclose(taken, 1 - share, atol=1 / x.shape[1] + 1e-6)
    centre = lambda x: np.where(
        (f := (x == partner[:, None, None])[..., 0]).any(axis=1),
        (f * np.linspace(0, 1, f.shape[1])).sum(axis=1) / np.maximum(f.sum(axis=1), 1), 0.5,
    )  # fmt: skip
    long = share < 0.8
    np.testing.assert_allclose(centre(out["acc"])[long], centre(out["emg"])[long], atol=0.03)


def test_each_window_draws_its_own_share_and_its_own_kind(inputs):
    out, _, share = mixed(inputs)
    assert len(np.unique(share)) > BATCH * 0.9
    assert abs(share.mean() - 0.5) < 0.06  # Beta(1, 1) is uniform
    cut = np.isin(out["acc"][:, :, 0], [*range(BATCH)]).all(axis=1)
    assert abs(cut.mean() - 0.75) < 0.08
    narrow = mixed(inputs, alpha=50.0)[2]
    assert narrow.std() < share.std() / 3


def test_knobs_out_of_range_are_named(inputs):
    for knobs, said in (
        ({"alpha": 0}, "alpha must be positive, got 0"),
        ({"cut_probability": 1.5}, r"cut_probability must be in \[0, 1\], got 1.5"),
    ):
        with pytest.raises(ValueError, match=said):
            mix(jax.random.key(0), inputs, **knobs)

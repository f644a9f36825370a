"""Mixup and CutMix, read back from windows whose values tell where they come from."""

import jax
import numpy as np
import pytest

from mmalign.augment import mix

BATCH = 400
ROW = np.arange(BATCH, dtype=np.float32)
PARTNER = (np.arange(BATCH) + 1) % BATCH
SHAPES = {"acc": (50, 3), "emg": (128, 2), "words": (7, 4), "photo": (20, 30, 3), "facts": (6,)}


def beside(x, like):
    return x.reshape(-1, *[1] * (like.ndim - 1))


KNOBS = {
    "mixup": {"cut_probability": 0.0},
    "cutmix": {"cut_probability": 1.0},
    "default": {},
    "narrow": {"alpha": 50.0},
}


@pytest.fixture(scope="module")
def mixed():
    """Of constant windows: the value is the row, so a mixture tells its shares."""
    inputs = {
        m: np.broadcast_to(ROW.reshape(-1, *[1] * len(shape)), (BATCH, *shape))
        for m, shape in SHAPES.items()
    }
    run = jax.jit(lambda key, x: {name: mix(key, x, **knobs) for name, knobs in KNOBS.items()})
    return jax.tree.map(np.asarray, run(jax.random.key(3), inputs))


def test_mixup_adds_two_windows_by_their_shares(mixed):
    out, partner, share = mixed["mixup"]
    np.testing.assert_array_equal(partner, PARTNER)
    want = share * ROW + (1 - share) * partner
    for m, x in out.items():
        assert x.shape == (BATCH, *SHAPES[m]) and x.dtype == np.float32
        np.testing.assert_allclose(x, np.broadcast_to(beside(want, x), x.shape), 1e-5, 1e-5)


def test_cutmix_takes_one_interval_the_same_part_of_every_window(mixed):
    out, partner, share = mixed["cutmix"]
    for m in ("acc", "emg", "words"):
        x = out[m]
        foreign = x == beside(partner, x)
        assert (foreign | (x == beside(ROW, x))).all()
        assert (foreign == foreign[..., :1]).all()  # all channels alike
        cuts = np.diff(foreign[..., 0].astype(int), axis=1)
        assert (np.maximum((cuts == 1).sum(axis=1), (cuts == -1).sum(axis=1)) <= 1).all()
        taken = foreign[..., 0].mean(axis=1)
        np.testing.assert_allclose(taken, 1 - share, atol=1 / x.shape[1] + 1e-6)
    centre = lambda x: np.where(
        (f := (x == beside(partner, x))[..., 0]).any(axis=1),
        (f * np.linspace(0, 1, f.shape[1])).sum(axis=1) / np.maximum(f.sum(axis=1), 1), 0.5,
    )  # fmt: skip
    long = share < 0.8
    np.testing.assert_allclose(centre(out["acc"])[long], centre(out["emg"])[long], atol=0.03)


def test_cutmix_takes_one_box_of_an_image_and_adds_vectors(mixed):
    out, partner, share = mixed["cutmix"]
    photo = out["photo"]
    foreign = photo == beside(partner, photo)
    assert (foreign | (photo == beside(ROW, photo))).all() and (foreign == foreign[..., :1]).all()
    inside = foreign[..., 0]
    down, right = inside.any(axis=2), inside.any(axis=1)
    np.testing.assert_array_equal(inside, down[:, :, None] & right[:, None])
    for along in (down, right):
        edges = np.abs(np.diff(np.pad(along.astype(int), ((0, 0), (1, 1))), axis=1)).sum(axis=1)
        assert (edges <= 2).all()  # one run
    # sides are whole pixels
    np.testing.assert_allclose(inside.mean(axis=(1, 2)), 1 - share, atol=1 / 20 + 1 / 30)
    assert abs(inside.mean(axis=(1, 2)) - (1 - share)).mean() < 0.03
    facts = out["facts"]
    want = beside(share * ROW + (1 - share) * partner, facts)
    np.testing.assert_allclose(facts, np.broadcast_to(want, facts.shape), 1e-5, 1e-5)


def test_each_window_draws_its_own_share_and_its_own_kind(mixed):
    out, _, share = mixed["default"]
    assert len(np.unique(share)) > BATCH * 0.9
    assert abs(share.mean() - 0.5) < 0.06  # Beta(1, 1) is uniform
    cut = np.isin(out["acc"][:, :, 0], [*range(BATCH)]).all(axis=1)
    assert abs(cut.mean() - 0.75) < 0.08
    narrow = mixed["narrow"][2]
    assert narrow.std() < share.std() / 3


def test_knobs_out_of_range_are_named():
    for knobs, said in (
        ({"alpha": 0}, "alpha must be positive, got 0"),
        ({"cut_probability": 1.5}, r"cut_probability must be in \[0, 1\], got 1.5"),
    ):
        with pytest.raises(ValueError, match=said):
            mix(jax.random.key(0), {"acc": np.ones((4, 3, 2))}, **knobs)

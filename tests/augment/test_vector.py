"""Augmentations of vectors and of sequences, which share what they do."""

import jax
import numpy as np
import pytest

from mmalign.augment import sequence, vector

MANY = jax.random.split(jax.random.key(7), 3000)


def each(augmentation, x, keys=MANY, **knobs):
    """The augmentation under many keys: [keys, *shape]."""
    return np.asarray(jax.jit(jax.vmap(lambda key: augmentation(key, x, **knobs)))(keys))


def ones(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("dropout", "x"),
    [(vector.feature_dropout, ones(5)), (sequence.token_dropout, ones(5, 4))],
    ids=["vector", "sequence"],
)
def test_dropout_zeroes_whole_rows_each_alone(dropout, x):
    out = each(dropout, x, rate=0.3)
    kept = out.reshape(len(MANY), 5, -1)
    assert (kept == kept[..., :1]).all() and set(np.unique(kept)) == {0, 1}
    np.testing.assert_allclose(kept[..., 0].mean(axis=0), 0.7, atol=0.04)
    np.testing.assert_allclose(np.corrcoef(kept[..., 0].T), np.eye(5), atol=0.08)
    np.testing.assert_array_equal(each(dropout, x, MANY[:3], rate=0.0), np.stack([x] * 3))


@pytest.mark.parametrize(
    ("jitter", "x"),
    [(vector.jitter, ones(20)), (sequence.jitter, ones(5, 4))],
    ids=["vector", "sequence"],
)
def test_jitter_is_white_noise(jitter, x):
    noise = (each(jitter, x, std=0.2) - x).reshape(len(MANY), -1)
    np.testing.assert_allclose(noise.std(axis=0), 0.2, rtol=0.08)
    np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(20), atol=0.1)


def test_what_is_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"one \[features\] vector, got shape \(2, 5\)"):
        vector.jitter(MANY[0], ones(2, 5))
    with pytest.raises(ValueError, match=r"one \[tokens, features\] sequence, got shape \(5,\)"):
        sequence.token_dropout(MANY[0], ones(5))
    with pytest.raises(ValueError, match=r"rate must lie within 0 and 1, got 1\.5"):
        vector.feature_dropout(MANY[0], ones(5), rate=1.5)

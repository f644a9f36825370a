"""Diagnostics of embeddings against closed forms."""

import jax.numpy as jnp
import numpy as np

from mmalign.methods import diagnostics


def rows(rng, *shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


def test_rows_that_do_not_count_are_not_read(rng):
    a, b = rows(rng, 40, 5), rows(rng, 40, 5)
    where = rng.random(40) < 0.6
    nan = [jnp.where(where[:, None], x, jnp.nan) for x in (a, b)]
    whole = np.ones(where.sum(), bool)
    for measure in (diagnostics.spread, diagnostics.effective_rank):
        want = measure(a[where], whole)
        np.testing.assert_allclose(measure(nan[0], where), want, rtol=1e-4)
        np.testing.assert_array_equal(measure(nan[0], np.zeros(40, bool)), jnp.zeros_like(want))
    for measure in (diagnostics.sample_share, diagnostics.mean_cosine):
        want = measure(a[where], b[where], whole)
        np.testing.assert_allclose(measure(*nan, where), want, rtol=1e-4)
        assert measure(*nan, np.zeros(40, bool)) == 0


def test_spread_is_the_standard_deviation_over_samples(rng):
    z = rows(rng, 50, 4)
    found = diagnostics.spread(3 * z + 7, np.ones(50, bool))
    np.testing.assert_allclose(found, 3 * np.std(z, axis=0), rtol=1e-4)


def test_effective_rank_counts_directions_of_equal_strength(rng):
    basis, _ = np.linalg.qr(rng.normal(size=(60, 6)))
    basis -= basis.mean(axis=0)
    basis, _ = np.linalg.qr(basis)
    everyone = np.ones(60, bool)
    for k in (1, 3, 6):
        z = jnp.asarray(basis[:, :k] @ rng.normal(size=(k, 6)), jnp.float32)
        s = np.linalg.svd(np.asarray(z), compute_uv=False)
        p = s[s > 1e-5] / s.sum()
        want = np.exp(-(p * np.log(p)).sum())
        np.testing.assert_allclose(diagnostics.effective_rank(z, everyone), want, rtol=0.02)
    flat = jnp.asarray(basis, jnp.float32)
    np.testing.assert_allclose(diagnostics.effective_rank(flat, everyone), 6, rtol=1e-3)


def test_the_share_of_samples_is_that_of_the_variance(rng):
    sample, masks = rows(rng, 20_000, 3), rows(rng, 2, 20_000, 3)
    everyone = np.ones(20_000, bool)
    for of_sample in (0.0, 0.3, 1.0):
        a, b = (of_sample**0.5 * sample + (1 - of_sample) ** 0.5 * noise for noise in masks)
        found = diagnostics.sample_share(a, b, everyone)
        np.testing.assert_allclose(found, of_sample, atol=0.02)
    np.testing.assert_allclose(diagnostics.mean_cosine(sample, 2 * sample, everyone), 1, rtol=1e-5)

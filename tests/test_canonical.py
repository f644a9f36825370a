"""Canonical correlation analysis, where it is known what sensors share."""

import numpy as np
import pytest

from experiments import canonical


def views(rng, n, shared=2, wide=6, noise=0.0, names=("a", "b")):
    """{name: [n, wide]}: what is shared and what each has of its own, mixed; and what is shared."""
    z = rng.standard_normal((n, shared))
    mixed = {}
    for name in names:
        own = rng.standard_normal((n, wide - shared))
        mixed[name] = np.concatenate([z + noise * rng.standard_normal(z.shape), own], axis=1)
    mix = np.random.default_rng(7).standard_normal((len(names), wide, wide))
    return {name: x @ m + 3.0 for (name, x), m in zip(mixed.items(), mix)}, z


def told(by, x, z):
    """R^2 of what is shared, from the directions of a view."""
    found = canonical.projected(x, by)
    found = np.column_stack([found, np.ones(len(found))])
    left = z - found @ np.linalg.lstsq(found, z, rcond=None)[0]
    return 1 - left.var() / z.var()


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
def test_what_is_shared_is_found_and_nothing_else(rng, names):
    x, z = views(rng, 500, names=names)
    found = canonical.fitted(x, 2, 1e-6)
    for name in names:
        assert told(found[name], x[name], z) > 0.999


def test_of_two_views_correlations_are_those_of_hotelling(rng):
    x, _ = views(rng, 400, noise=0.5)
    found = canonical.fitted(x, 2, 1e-9)
    a, b = (canonical.projected(x[name], found[name]) for name in x)
    got = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(2)]
    whole = np.cov(x["a"].T, x["b"].T)
    white = [np.linalg.inv(np.linalg.cholesky(c)) for c in (whole[:6, :6], whole[6:, 6:])]
    want = np.linalg.svd(white[0] @ whole[:6, 6:] @ white[1].T, compute_uv=False)[:2]
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_few_pairs_of_many_columns_are_held_back_more(rng):
    few, _ = views(rng, 60, wide=40, noise=1.0)
    many, _ = views(rng, 4000, wide=6, noise=0.1)
    ridge = lambda x: canonical.chosen(x, np.arange(len(x["a"])) // 10, 2)
    assert ridge(few) > ridge(many)
    assert canonical.chosen(few, np.zeros(60, int), 2) in canonical.RIDGES  # one person

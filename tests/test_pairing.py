"""Nearest neighbours in tiles are those of the whole matrix."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from mmalign import training
from mmalign.pairing import NOBODY, nearest


def brute(queries, keys, k, there=None):
    """Cosines of all, in float64, sorted, the lowest row first of equal ones."""
    unit = lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    similar = unit(queries.astype(float)) @ unit(keys.astype(float)).T
    if there is not None:
        similar[:, ~there] = -np.inf
    rows = np.argsort(-np.round(similar, 12), axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(similar, rows, axis=1)
    return values, np.where(values > -np.inf, rows, NOBODY)


@pytest.mark.parametrize(
    ("n", "m", "k", "tile"),
    [(5, 7, 1, 4096), (300, 1000, 1, 64), (300, 1000, 5, 200), (3, 129, 3, 128), (70, 70, 70, 64),
     (257, 65, 1, 64)],
)  # fmt: skip
def test_it_is_brute_force_of_any_size_both_ways(rng, n, m, k, tile):
    queries, keys = (rng.standard_normal((rows, 9)).astype(np.float32) for rows in (n, m))
    for a, b in ((queries, keys), (keys, queries)):
        few = min(k, len(b))
        values, rows = nearest(a, b, k=few, tile=tile)
        want_values, want_rows = brute(a, b, few)
        np.testing.assert_array_equal(rows, want_rows)
        np.testing.assert_allclose(values, want_values, rtol=1e-5, atol=1e-6)


def test_of_equal_ones_the_lowest_rows_come_first():
    keys = np.tile(np.eye(3, dtype=np.float32), (100, 1))  # 0 1 2 0 1 2 ...
    values, rows = nearest(np.eye(3, dtype=np.float32), keys, k=70, tile=64)
    np.testing.assert_array_equal(rows, np.arange(3)[:, None] + 3 * np.arange(70)[None])
    np.testing.assert_allclose(values, 1)


def test_what_may_not_be_found_is_not(rng):
    queries, keys = (rng.standard_normal((rows, 4)).astype(np.float32) for rows in (9, 200))
    there = np.arange(200) % 5 == 0
    values, rows = nearest(queries, keys, k=60, where=there, tile=64)
    want_values, want_rows = brute(queries, keys, 60, there)
    np.testing.assert_array_equal(rows, want_rows)
    assert (rows[:, 40:] == NOBODY).all() and np.isneginf(values[:, 40:]).all()
    np.testing.assert_allclose(values[:, :40], want_values[:, :40], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("normalise", [True, False])
def test_nan_finds_nobody_and_is_found_by_nobody(rng, normalise):
    queries, keys = (rng.standard_normal((6, 3)).astype(np.float32) for _ in range(2))
    queries[2, 1] = keys[4, 0] = np.nan
    _, rows = nearest(queries, keys, k=6, normalise=normalise)
    assert (rows[2] == NOBODY).all() and not (np.delete(rows, 2, axis=0)[:, :5] == 4).any()


def test_products_that_overflow_are_the_most_similar_or_none(rng):
    keys = np.full((40, 2), 1e30, np.float32) * np.array([[1, 1]] * 20 + [[1, -1]] * 20)
    values, rows = nearest(keys[:1], keys, k=3, normalise=False)
    np.testing.assert_array_equal(rows, [[0, 1, 2]])
    assert np.isposinf(values).all()


def test_zeros_are_alike_to_all_and_inner_products_are_of_the_rows_as_they_are():
    keys = np.array([[1.0, 0], [0, 2], [0, 0]], np.float32)
    values, rows = nearest(np.array([[1.0, 1], [0, 0]], np.float32), keys, k=3, normalise=False)
    np.testing.assert_array_equal(rows, [[1, 0, 2], [0, 1, 2]])
    np.testing.assert_array_equal(values, [[2, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(nearest(np.zeros((1, 2), np.float32), keys)[0], [[0]])


def test_it_can_be_jitted_and_devices_share_the_queries(rng):
    queries, keys = (rng.standard_normal((rows, 5)).astype(np.float32) for rows in (64, 90))
    mesh = training.data_mesh(jax.devices()[:4])
    shared = jax.shard_map(
        functools.partial(nearest, k=2, tile=64), mesh=mesh, in_specs=(P("data"), P()),
        out_specs=P("data"), check_vma=False,
    )  # fmt: skip
    for found, want in zip(jax.jit(shared)(queries, keys), brute(queries, keys, 2)):
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


def test_similarities_have_no_gradient(rng):
    keys = jnp.asarray(rng.standard_normal((8, 3)), jnp.float32)
    gradient = jax.grad(lambda x: nearest(x, keys)[0].sum())(keys[:2] + 1)
    assert not np.asarray(gradient).any()


def test_memory_is_linear_in_the_rows():
    """All similarities of 30,000 by 30,000 would be 3,433 MiB."""
    x = jax.ShapeDtypeStruct((30_000, 16), jnp.float32)
    memory = jax.jit(nearest).lower(x, x).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 64 * 2**20


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        (r"\[n, dim\] and \[m, dim\], got \(3,\), \(3, 2\)", (np.ones(3), np.ones((3, 2)))),
        (r"got \(3, 2\), \(3, 4\)", (np.ones((3, 2)), np.ones((3, 4)))),
    ],
)
def test_shapes_that_do_not_fit_are_named(match, arguments):
    with pytest.raises(ValueError, match=match):
        nearest(*arguments)


@pytest.mark.parametrize(
    ("match", "options"),
    [
        ("k must be 1 to 3, the number of keys, got 4", {"k": 4}),
        ("k must be 1 to 3", {"k": 0}),
        ("tile must be 1 or more, got 0", {"tile": 0}),
        (r"where must be \[3\], one for each key, got \(2,\)", {"where": np.ones(2, bool)}),
    ],
)
def test_options_out_of_range_are_named(match, options):
    with pytest.raises(ValueError, match=match):
        nearest(np.ones((2, 2)), np.ones((3, 2)), **options)

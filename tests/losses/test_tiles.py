"""Tiled contrastive losses are the plain ones, in less memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign import losses
from mmalign.losses import tiles

LOSSES = {
    "info_nce": losses.info_nce,
    "one_way": functools.partial(losses.info_nce, symmetric=False),
    "nt_xent": losses.nt_xent,
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def pairs(seed, rows, apart, dtype=np.float32, dim=6):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((rows, dim))
    return a.astype(dtype), (a + apart * rng.standard_normal((rows, dim))).astype(dtype)


@functools.cache
def graded(loss, tile, rows):
    """Jitted (a, b, temperature, where) -> (loss of each row, gradients of a weighted sum)."""

    def total(a, b, temperature, where):
        values = loss(a, b, temperature=temperature, where=where, tile=tile)
        return jnp.vdot(values, 1 + jnp.sin(jnp.arange(rows, dtype=values.dtype))), values

    return jax.jit(jax.grad(total, argnums=(0, 1, 2), has_aux=True))


# few shapes, each compiled once: a tile that divides, one that does not, one of a single row
SIZES = [(24, 8), (23, 7), (5, 1)]


@every_loss
@settings(max_examples=24, deadline=None, derandomize=True)
@given(
    size=st.sampled_from(SIZES), temperature=st.sampled_from([2.0, 0.1, 0.03, 0.011]),
    apart=st.sampled_from([0.0, 0.1, 1.0]), share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_values_and_gradients_are_those_of_the_plain_form(
    loss, size, temperature, apart, share, seed
):
    rows, tile = size
    where = np.random.default_rng(seed).random(rows) < share
    with jax.enable_x64(True):
        arrays = pairs(seed, rows, apart, np.float64)
        want, want_values = graded(loss, None, rows)(*arrays, temperature, where)
        got, values = graded(loss, tile, rows)(*arrays, temperature, where)
    np.testing.assert_allclose(values, want_values, rtol=1e-9, atol=1e-300)
    for x, y in zip(got, want):
        np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-9 * np.abs(y).max() + 1e-300)


@every_loss
@pytest.mark.parametrize(("temperature", "apart"), [(0.03, 0.3), (0.1, 0.3), (0.015, 0.6)])
def test_float32_keeps_its_digits(loss, temperature, apart):
    a, b = pairs(3, 40, apart, dim=64)
    got, values = graded(loss, 16, 40)(a, b, temperature, None)
    with jax.enable_x64(True):
        doubles = (x.astype(np.float64) for x in (a, b))
        want, want_values = graded(loss, None, 40)(*doubles, temperature, None)
    np.testing.assert_allclose(values, want_values, rtol=1e-5, atol=1e-12)  # down to 1e-7
    for x, y in zip(got[:2], want):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5 * np.abs(y).max())


@every_loss
def test_memory_grows_with_the_batch_and_not_with_its_square(loss):
    def temporaries(rows, tile):
        z = jax.ShapeDtypeStruct((rows, 16), jnp.float32)
        compiled = jax.jit(
            jax.grad(lambda a, b: loss(a, b, tile=tile).mean(), argnums=(0, 1))
        ).lower(z, z).compile()  # fmt: skip
        return compiled.memory_analysis().temp_size_in_bytes

    small, large = temporaries(1024, 64), temporaries(4096, 64)
    assert large < 5 * small
    assert large < temporaries(4096, 4096) / 8


def test_a_large_batch_is_tiled_unless_told_otherwise():
    assert tiles.tile_for(2047, None) is None
    assert tiles.tile_for(2048, None) == 512
    assert tiles.tile_for(8192, 8192) is None  # one tile is the plain form
    assert tiles.tile_for(100, 32) == 32


@every_loss
def test_a_tile_that_is_no_size_is_named(loss):
    a, b = pairs(0, 4, 0.1)
    for tile in (0, -3, 2.0, True):
        with pytest.raises(ValueError, match=f"tile must be a positive whole number .* {tile}"):
            loss(a, b, tile=tile)

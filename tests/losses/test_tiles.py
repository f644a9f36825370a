"""Tiled contrastive losses are the plain ones, in less memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType

from mmalign import losses
from mmalign.losses import sides


def _sigmoid(a, b, *, temperature, **knobs):
    return losses.sigmoid(a, b, -jnp.log(temperature), 1 / temperature - 3, **knobs)


def _supcon(a, b, **knobs):
    return losses.supcon([a, b], jnp.arange(len(a)) // 3, **knobs)


def _weighted(a, b, **knobs):
    weight = jnp.linspace(0, 1, len(a))
    return losses.weighted_supcon([a, b, jnp.roll(a, 1, axis=1)], weight, **knobs)


def _comm(a, b, **knobs):
    return losses.comm([a, b], [jnp.roll(a, 1, axis=1), a], **knobs)


LOSSES = {
    "info_nce": losses.info_nce,
    "one_way": functools.partial(losses.info_nce, symmetric=False),
    "nt_xent": losses.nt_xent,
    "sigmoid": _sigmoid,
    "hard_negative": functools.partial(losses.hard_negative, prior=0.01),
    "supcon": _supcon,
    "weighted_supcon": _weighted,
    "comm": _comm,
    "cocoa": lambda a, b, **knobs: losses.cocoa([a, b], form="ratio", **knobs),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


ROWS, DIM = 12, 24
# each compiled once: no tile, one that divides the rows, and one that does not
PLAIN, EVEN, UNEVEN = None, 4, 5


def pairs(seed, apart, dtype=np.float32, varying=DIM):
    """Two [ROWS, DIM] arrays of which so many columns are not zero: few make rows more alike."""
    rng = np.random.default_rng(seed)
    a, noise = rng.standard_normal((2, ROWS, DIM)) * (np.arange(DIM) < varying)
    return a.astype(dtype), (a + apart * noise).astype(dtype)


@functools.cache
def graded(loss, tile):
    """Compiled (a, b, temperature, where) -> (gradients of a weighted sum, loss of each row)."""

    def total(a, b, temperature, where):
        values = loss(a, b, temperature=temperature, where=where, tile=tile)
        return jnp.vdot(values, 1 + jnp.sin(jnp.arange(ROWS, dtype=values.dtype))), values

    run = jax.jit(jax.grad(total, argnums=(0, 1, 2), has_aux=True))
    return lambda *arguments: jax.device_get(run(*arguments))


@every_loss
@settings(max_examples=24, deadline=None, derandomize=True)
@given(
    tile=st.sampled_from([EVEN, UNEVEN]), temperature=st.sampled_from([2.0, 0.1, 0.03, 0.011]),
    apart=st.sampled_from([0.0, 0.1, 1.0]), share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_values_and_gradients_are_those_of_the_plain_form(
    loss, tile, temperature, apart, share, seed
):
    where = np.random.default_rng(seed).random(ROWS) < share
    with jax.enable_x64(True):
        arrays = pairs(seed, apart, np.float64, varying=6)
        want, want_values = graded(loss, PLAIN)(*arrays, temperature, where)
        got, values = graded(loss, tile)(*arrays, temperature, where)
    np.testing.assert_allclose(values, want_values, rtol=1e-9, atol=1e-300)
    rounding = 1e-14 * values.max() / temperature + 1e-300  # of views alike, which turn nowhere
    for x, y in zip(got, want):
        np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-9 * np.abs(y).max() + rounding)


def some(*names):
    return pytest.mark.parametrize("loss", [LOSSES[name] for name in names], ids=names)


@some("info_nce", "one_way", "nt_xent")
@pytest.mark.parametrize(("temperature", "apart"), [(0.03, 0.3), (0.1, 0.3), (0.015, 0.6)])
def test_float32_keeps_its_digits(loss, temperature, apart):
    a, b = pairs(3, apart)
    everyone = np.ones(ROWS, bool)
    got, values = graded(loss, UNEVEN)(a, b, np.float32(temperature), everyone)
    with jax.enable_x64(True):
        doubles = (x.astype(np.float64) for x in (a, b))
        want, want_values = graded(loss, PLAIN)(*doubles, temperature, everyone)
    np.testing.assert_allclose(values, want_values, rtol=1e-5, atol=1e-12)  # down to 1e-7
    for x, y in zip(got[:2], want):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5 * np.abs(y).max())


def _temporaries(loss, rows, tile, devices=None):
    """Bytes that a gradient needs on each device beside its arguments, for `rows` of its own."""
    mesh = jax.make_mesh((devices or 1,), ("data",), axis_types=(AxisType.Auto,))

    @functools.partial(jax.shard_map, mesh=mesh, in_specs=jax.P("data"), out_specs=jax.P("data"))
    def gradients(a, b):
        axis_name = "data" if devices else None
        total = lambda a, b: loss(a, b, temperature=0.1, tile=tile, axis_name=axis_name).sum()
        return jax.grad(total, argnums=(0, 1))(a, b)

    z = jax.ShapeDtypeStruct((rows * (devices or 1), 16), jnp.float32)
    return jax.jit(gradients).lower(z, z).compile().memory_analysis().temp_size_in_bytes


@some("info_nce", "nt_xent", "supcon")
def test_memory_grows_with_the_batch_and_not_with_its_square(loss):
    small, large = _temporaries(loss, 512, 64), _temporaries(loss, 2048, 64)
    assert large < 5 * small
    assert large < 2048**2  # a quarter of the bytes of all similarities


@some("info_nce", "nt_xent", "sigmoid", "supcon")
def test_memory_of_the_ring_does_not_grow_with_the_devices(loss):
    """Between 2 and 8 devices, where the gathering form has four times as much to hold."""
    two, eight = (_temporaries(loss, 256, 64, devices) for devices in (2, 8))
    assert eight <= 1.05 * two
    assert eight < 2 * 256 * (8 * 256)  # half the bytes of its similarities to all rows


def test_a_large_batch_is_tiled_unless_told_otherwise():
    assert sides.tile_for(2047, None) is None
    assert sides.tile_for(2048, None) == 512
    assert sides.tile_for(16383, None, dim=512) is None  # wide rows on two sides
    assert sides.tile_for(16384, None, dim=512) == sides.tile_for(2048, None, dim=384) == 512
    assert sides.tile_for(8192, 8192) is None  # one tile is the plain form
    assert sides.tile_for(100, 32) == 32


@every_loss
def test_sixteen_bits_are_multiplied_as_such_on_a_gpu_without_losing_digits(loss, monkeypatch):
    narrow = [x.astype(jnp.bfloat16) for x in pairs(5, 0.3)]
    wide = [x.astype(np.float32) for x in narrow]

    def traced(*arrays):
        def total(a, b):
            values = loss(a, b, temperature=0.1, tile=EVEN)
            return values.mean(), values

        return jax.jit(jax.grad(total, has_aux=True)).trace(*arrays)

    run = lambda program, arrays: jax.device_get(program.lower().compile()(*arrays))
    want_grad, want = run(traced(*wide), wide)
    a_tile = f"bf16[{EVEN},{DIM}]"
    assert a_tile not in str(traced(*narrow).jaxpr)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    on_gpu = traced(*narrow)
    assert a_tile in str(on_gpu.jaxpr)
    grad, got = run(on_gpu, narrow)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert grad.dtype == jnp.bfloat16
    error = np.linalg.norm(grad.astype(np.float32) - want_grad)
    assert error < 0.01 * np.linalg.norm(want_grad)


@every_loss
def test_a_tile_that_is_no_size_is_named(loss):
    for tile in (0, -3, 2.0, True):
        run = functools.partial(loss, temperature=0.1, tile=tile)
        with pytest.raises(ValueError, match=f"tile must be a positive whole number .* {tile}"):
            jax.eval_shape(run, *pairs(0, 0.1))

"""How the batch of a per-example loss can be laid out, and slopes against finite differences."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType


@pytest.fixture(params=["whole", "vmap", "shard_map"])
def per_example(request):
    """Calls a per-example loss: (loss, *arrays) -> [batch], the batch whole or split over a mesh.

    Split by a mapped axis over 4, or over 8 devices; compiled as one program.
    """

    def call(loss, *arrays):
        named = functools.partial(loss, axis_name="data")
        if request.param == "vmap":
            pieces = [x.reshape(4, -1, *x.shape[1:]) for x in arrays]
            return jax.vmap(named, axis_name="data")(*pieces).reshape(-1)
        if request.param == "shard_map":
            mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
            rows = jax.P("data")
            return jax.shard_map(named, mesh=mesh, in_specs=rows, out_specs=rows)(*arrays)
        return loss(*arrays)

    return lambda loss, *arrays: jax.jit(functools.partial(call, loss))(*arrays)


def _forward(function):
    return lambda t: jax.jvp(function, (t,), (jnp.ones_like(t),))[1]


@pytest.fixture
def check_slopes(rng):
    """Compares derivatives along a random line with finite differences; call it in 64 bits.

    (function of arrays -> scalar, arrays, modes=(of `jax.grad`,), order=1): of order 2 all pairs of
    modes. One program computes them all.
    """

    def check(function, arrays, *, modes=(jax.grad,), order=1, rtol=1e-5, step=1e-5):
        moves = [rng.standard_normal(x.shape) for x in arrays]

        @jax.jit
        def run(t, arrays, moves):
            line = lambda t: function(*(x + t * move for x, move in zip(arrays, moves)))
            nests = [itertools.product(modes, repeat=n) for n in range(order + 1)]
            composed = lambda nest: functools.reduce(lambda f, mode: mode(f), nest, line)
            return [[composed(nest)(t) for nest in same] for same in nests]

        down, at, up = (run(t, arrays, moves) for t in (-step, 0.0, step))
        for below, found, above in zip(down, at[1:], up):
            np.testing.assert_allclose(found, (above[0] - below[0]) / (2 * step), rtol=rtol)

    check.forward, check.reverse = _forward, jax.grad
    return check


@pytest.fixture
def vectors():
    """Three views of three rows, for which published formulas were worked out by hand."""
    a = [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    b = [[1, 0, 1], [0, 2, 0], [0, 1, 2]]
    c = [[2, 1, 0], [0, 1, 1], [1, 0, 1]]
    return tuple(np.array(x, np.float64) for x in (a, b, c))

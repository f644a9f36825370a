import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mmalign.models.dropout import Dropout, DropPath

KEY = jax.random.key(0)


@functools.partial(jax.jit, static_argnums=(0, 3))
def drop(module, x, key=KEY, train=True):
    return module.apply({}, x, train=train, rngs={"dropout": key})


@pytest.mark.parametrize("shape", [(1000, 7), (50, 3, 41), (10001,)])
def test_share_of_zeros_and_mean_are_right(shape):
    y = np.asarray(drop(Dropout(0.2), np.ones(shape, np.float32)))
    np.testing.assert_allclose((y == 0).mean(), 51 / 256, atol=0.02)
    np.testing.assert_allclose(np.unique(y), [0, 256 / 205], rtol=1e-6)


def test_elements_are_drawn_alone():
    kept = np.asarray(drop(Dropout(0.5), np.ones((20000, 8), np.float32))) > 0
    np.testing.assert_allclose(np.corrcoef(kept.T), np.eye(8), atol=0.03)


@pytest.mark.parametrize("module", [Dropout(0.5), DropPath(0.5)])
def test_only_training_drops(module):
    x = np.ones((40, 3, 5), np.float32)
    np.testing.assert_array_equal(drop(module, x, train=False), x)
    assert (drop(module, x) != x).any()
    assert (drop(module, x) != drop(module, x, jax.random.key(1))).any()


@pytest.mark.parametrize("module", [Dropout(0.0), DropPath(0.0)])
def test_rate_zero_needs_no_key(module):
    x = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(module.apply({}, x, train=True), x)


def test_drop_path_takes_whole_rows():
    y = np.asarray(drop(DropPath(0.25), np.ones((4000, 2, 3), np.float32))).reshape(4000, -1)
    assert (y == y[:, :1]).all()
    np.testing.assert_allclose((y[:, 0] == 0).mean(), 0.25, atol=0.03)
    np.testing.assert_allclose(y.max(), 4 / 3, rtol=1e-6)


def test_a_sharded_batch_drops_the_same_elements():
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    rows = NamedSharding(mesh, PartitionSpec("data"))
    x = np.ones((40, 3, 5), np.float32)
    split = drop(Dropout(0.5), jax.device_put(x, rows))
    np.testing.assert_array_equal(split, drop(Dropout(0.5), x))


def test_bfloat16_stays():
    for module in (Dropout(0.5), DropPath(0.5)):
        x = jax.ShapeDtypeStruct((4, 4), jnp.bfloat16)
        assert jax.eval_shape(functools.partial(drop, module), x, KEY).dtype == jnp.bfloat16


@pytest.mark.parametrize("module", [Dropout(1.0), DropPath(-0.1)])
def test_rates_outside_the_unit_interval_are_refused(module):
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\), got"):
        drop(module, np.ones((2, 2), np.float32))

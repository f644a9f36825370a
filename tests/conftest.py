"""Eight simulated devices, strict ranks, and the ways a per-example loss can be called."""

import functools

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

jax.config.update("jax_num_cpu_devices", 8)  # before anything touches a device
jax.config.update("jax_disable_most_optimizations", True)  # tests compile more than they compute
jax.config.update("jax_numpy_rank_promotion", "raise")  # [n] + [n, 1] is the classic loss bug


@pytest.fixture(
    params=[
        pytest.param("eager", marks=pytest.mark.slow),
        "jit",
        "vmap",
        "shard_map",
        "shard_map_8",
    ]
)
def per_example(request):
    """Calls a per-example loss in five ways, the last three with the batch split over 4 or 8."""

    def call(loss, *arrays):
        named = functools.partial(loss, axis_name="data")
        if request.param == "vmap":
            pieces = [x.reshape(4, -1, *x.shape[1:]) for x in arrays]
            return jax.vmap(named, axis_name="data")(*pieces).reshape(-1)
        if request.param.startswith("shard_map"):
            devices = 8 if request.param.endswith("8") else 4
            mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,))
            rows = jax.P("data")
            return jax.shard_map(named, mesh=mesh, in_specs=rows, out_specs=rows)(*arrays)
        return (jax.jit(loss) if request.param == "jit" else loss)(*arrays)

    return call


@pytest.fixture
def rng():
    return np.random.default_rng(0)

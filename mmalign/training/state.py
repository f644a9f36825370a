"""What a run carries from step to step: arrays only. Keys are derived, never stored."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from mmalign.training.mesh import replicated
from mmalign.training.paths import warm_start


@struct.dataclass
class TrainState:
    """Arrays of one stage.

    state: what its method keeps beside parameters, None if nothing.
    ema: averaged weights, None unless the stage averages them.
    """

    step: jax.Array  # int32 [], updates done
    params: Any
    opt_state: optax.OptState
    state: Any = None
    ema: Any = None


def stream_key(seed: int, name: str, step: int | jax.Array = 0) -> jax.Array:
    """Key for one use at one step. crc32, as Python's hash() of a string changes by process."""
    return jax.random.fold_in(_named_key(seed, name), step)


def _named_key(seed, name):
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def with_key(data: Any, seed: int, name: str) -> dict[str, Any]:
    """What a train step gets as its data: the data, beside the words of the stage's key.

    As an argument of the program, not a constant in it: stages that differ in name or seed alone
    are one program, compiled once.
    """
    return {"data": data, "key": np.asarray(jax.random.key_data(_named_key(seed, name)))}


def init_state(
    init: Callable[[jax.Array, Any], Mapping[str, Any]], tx: optax.GradientTransformation,
    key: jax.Array, batch: Any, *, mesh: jax.sharding.Mesh | None = None, ema: bool = False,
    source: Any = None, patterns: Sequence[str] = (),
) -> TrainState:  # fmt: skip
    """A fresh TrainState.

    init: (key, batch) -> {"params": ..., optional "state": ...}, a method's `init`. It is not
      compiled as one: see `models.init_params`.
    batch: arrays or ShapeDtypeStructs (`jax.eval_shape(prepare, data, rows_at(0))`); only shapes
      and dtypes are used, the values are zeros.
    mesh: where the state is replicated; None leaves it on the default device.
    ema: whether to start an average of the weights.
    source, patterns: parameters of an earlier stage and what to take of them, see `warm_start`.
      They are copied: donating the state leaves `source` intact.
    """
    variables = init(key, jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), batch))
    # From the host, as what one process computed for itself cannot be laid out over several.
    params, state = jax.device_get((variables["params"], variables.get("state")))

    # `source` is an argument: as a captured constant it would be part of the program, which then
    # never is in the compilation cache.
    def first(params, state, source):
        if patterns:
            params = warm_start(params, source, patterns)
        return TrainState(jnp.int32(0), params, tx.init(params), state, params if ema else None)

    everywhere = None if mesh is None else replicated(mesh)
    return jax.jit(first, out_shardings=everywhere)(params, state, source)

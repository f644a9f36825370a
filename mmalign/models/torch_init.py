"""Layers that start as PyTorch's do, where published results rest on that."""

from typing import Any

import jax
from flax import linen as nn

# uniform within 1 / sqrt(fan_in)
KERNEL = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def bias(fan_in: int) -> Any:
    """The initialiser of a bias: uniform within 1 / sqrt(fan_in), too."""
    limit = fan_in**-0.5
    return lambda key, shape, dtype="float32": jax.random.uniform(
        key, shape, dtype, minval=-limit, maxval=limit
    )


def dense(width: int, x: jax.Array, *, kernel_init: Any = KERNEL, name: str) -> jax.Array:
    """x [..., d] through an affine map to [..., width]."""
    layer = nn.Dense(width, kernel_init=kernel_init, bias_init=bias(x.shape[-1]), name=name)
    return layer(x)

"""Activations that encoders take by name."""

from collections.abc import Callable, Mapping

import jax
from flax import linen as nn

ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "gelu": nn.gelu,
    "relu": nn.relu,
    "leaky_relu": lambda x: nn.leaky_relu(x, 0.1),
}

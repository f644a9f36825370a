"""What a backbone is: an encoder, the decoder that undoes it, and the patch grid between them."""

import functools
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.patches import Patching


class Encoded(TypedDict):
    """What an encoder says of a batch of windows.

    tokens: float32 [b, t, d], its feature map, before it is pooled.
    mask: bool [b, t], the tokens that hold a valid sample.
    pooled: float32 [b, dim], the embedding.
    """

    tokens: jax.Array
    mask: jax.Array
    pooled: jax.Array


class Backbone(NamedTuple):
    """One modality's autoencoder.

    encoder.apply(variables, x, masked=None, valid=None, train=False, rngs={"dropout": key})
      -> Encoded; x is [b, rows, cols, channels]. `masked` is bool [b, H, W] (True = hidden) or
      None. `valid` is bool [b, rows], the rows that hold samples, or None for all: the others are
      zeros to the encoder, and tokens without a valid row stay out of `pooled`.
    decoder.apply(variables, code, train=False, rngs=...) -> [b, H, W, values of a patch] float32,
      laid out as `patching.patchify` lays out its input; code is [b, any width].
    dim: width of `pooled`.
    """

    encoder: nn.Module
    decoder: nn.Module
    patching: Patching
    dim: int


def init_params(module: nn.Module, key: jax.Array, *args: Any, **options: Any) -> Any:
    """Parameters of a module that is to be applied to `args`, [b, ...] each; see `apply`.

    Only their shapes are read, and not how many rows: what draws random numbers is slow to compile,
    so it is compiled for one row, and once for all modules alike.
    """
    leaves, tree = jax.tree.flatten(args)
    shapes = tuple(jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for x in leaves)
    return _init_params(module, tuple(options.items()), shapes, tree, key)


def apply(module: nn.Module, params: Any, *args: Any, rngs: Any = None, **options: Any) -> Any:
    """What a module makes of `args`.

    It is traced once for all modules alike and arguments of the same shapes, wherever it is called:
    a method calls its encoders for each view and sensor, a run for each of its methods.

    Args:
      params: of the module.
      *args: arrays, trees of them, or None.
      rngs: {"dropout": key} or None.
      **options: what is no array, of the module's `__call__`.
    """
    return _apply(module, tuple(options.items()), params, args, rngs)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _init_params(module, options, shapes, tree, key):
    args = tree.unflatten([jnp.zeros(x.shape, x.dtype) for x in shapes])
    return module.init(key, *args, **dict(options)).get("params", {})


@functools.partial(jax.jit, static_argnums=(0, 1))
def _apply(module, options, params, args, rngs):
    return module.apply({"params": params}, *args, rngs=rngs, **dict(options))

"""What a backbone is: an encoder, the decoder that undoes it, and the patch grid between them."""

from typing import Any, NamedTuple, TypedDict, cast

import jax
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

    encoder.apply(variables, x, masked=None, train=False, valid=None, rngs={"dropout": key})
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


def apply(module: nn.Module, params: Any, *args: Any, **options: Any) -> jax.Array:
    """What a module that returns one array makes of `args`; options: of `module.apply`.

    flax types that as if it could return variables, too, which takes `mutable`.
    """
    return cast(jax.Array, module.apply({"params": params}, *args, **options))

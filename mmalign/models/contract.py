"""What a backbone is: an encoder, the decoder that undoes it, and the patch grid between them."""

from typing import NamedTuple

from flax import linen as nn

from mmalign.models.patches import Patching


class Backbone(NamedTuple):
    """One modality's autoencoder.

    encoder.apply(variables, x, masked=None, train=False, rngs={"dropout": key}) -> [b, dim]
      float32; x is [b, rows, cols, channels], `masked` is bool [b, H, W] (True = hidden) or None.
    decoder.apply(variables, code, train=False, rngs=...) -> [b, H, W, values of a patch] float32,
      laid out as `patching.patchify` lays out its input; code is [b, any width].
    """

    encoder: nn.Module
    decoder: nn.Module
    patching: Patching
    dim: int

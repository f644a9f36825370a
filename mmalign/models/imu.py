"""MMBind's encoder of an inertial sensor: small convolutions, then a recurrent network."""

import jax.numpy as jnp
from flax import linen as nn

from mmalign import options
from mmalign.models.contract import Backbone, Encoded
from mmalign.models.dropout import Dropout
from mmalign.models.patches import Patching
from mmalign.models.pooling import last_kept
from mmalign.models.recurrent import Context
from mmalign.models.tokens import shown, token_mask

PRESETS = {"mmbind": {"maskable": False}}
FILTERS = (64, 32, 16)
LAYERS = 2  # of the recurrent network
SCANS = ("filters", "time")


def build(
    size, channels, *, width=120, dim=1920, scan="filters", dropout=0.5, maskable=True, patch=1,
    block=1, dtype="float32",
) -> Backbone:  # fmt: skip
    """Backbone of windows of `size` (time steps, 1) with two channels or more.

    Args:
      size: (rows, cols) of a window.
      channels: of a window, the axes that neighbour each other.
      width: of the recurrent states.
      dim: of the embedding, all states one after the other; unless these are as many, as published
        (16 filters x 120), a linear map follows.
      scan: what the recurrent network goes along: "filters", each step being the whole time axis of
        one, as in the released code; or "time", of which the last state is the embedding.
      dropout: after the first two convolutions.
      maskable: whether there is a token for methods that hide patches, a parameter.
      patch: rows of a mask patch; block: patches hidden together.
      dtype: of the convolutions; parameters and states are float32.
    Raises: ValueError for windows of a single channel or sample.
    """
    options.one_of("encoder.scan", scan, SCANS)
    rows, cols = size
    if rows < 2 or cols * channels < 2:
        raise ValueError(
            "encoder 'imu' needs two samples and two channels or more, got "
            f"{rows} and {cols * channels}"
        )
    patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    whole = width * (FILTERS[-1] if scan == "filters" else 1)
    dtype = jnp.dtype(dtype)
    out = None if dim == whole else dim
    encoder = ImuEncoder(patching, width, out, scan, dropout, maskable, dtype)
    decoder = ImuDecoder(patching, channels, width, dtype)
    return Backbone(encoder, decoder, patching, dim)


class ImuEncoder(nn.Module):
    """[b, rows, cols, channels] -> Encoded; tokens are the states of the recurrent network.

    Convolutions of 2 samples x 2 axes and two of 1 x 1, each with a scale and a shift of every
    filter, ReLU and dropout. The released code has batch normalisation where the scale and the
    shift are; no encoder here keeps running statistics, and those of a window alone would take its
    level away. PyTorch's recurrent units have a second bias for two of their gates.

    References: MMBind (Ouyang et al. 2025, arXiv:2411.12126), its inertial encoder as released.
    """

    patching: Patching
    width: int
    dim: int | None
    scan: str
    dropout: float
    maskable: bool
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        x = shown(self, self.patching, x, masked, valid, axis=2, maskable=self.maskable)
        b, rows = x.shape[:2]
        x = x.reshape(b, rows, -1, 1).astype(self.dtype)
        for i, filters in enumerate(FILTERS):
            kernel = (1, 1) if i else (2, 2)
            x = nn.Conv(filters, kernel, padding="VALID", dtype=self.dtype, name=f"conv_{i}")(x)
            x = nn.relu(_Affine(name=f"norm_{i}")(x))
            if i < len(FILTERS) - 1:
                x = Dropout(self.dropout)(x, train=train)
        x = x.transpose(0, 3, 1, 2) if self.scan == "filters" else x
        tokens = x.reshape(b, x.shape[1], -1)
        for i in range(LAYERS):
            tokens = Context(self.width, name=f"context_{i}")(tokens)
        mask, keep = token_mask(valid, (b, rows), 1, rows - 1)
        if self.scan == "filters":  # each token is of the whole window
            mask = jnp.broadcast_to(mask.any(axis=1, keepdims=True), tokens.shape[:2])
            pooled = tokens.reshape(b, -1)
        else:
            pooled = last_kept(tokens, keep)
        if self.dim is not None:
            pooled = nn.Dense(self.dim, name="out")(pooled)
        return {"tokens": tokens, "mask": mask, "pooled": pooled}


class ImuDecoder(nn.Module):
    """[b, any] -> [b, H, W, values of a patch] float32: the encoder backwards.

    The released code ends in batch normalisation and ReLU, although what it is to be like is
    standardised and half of it negative; here the last convolution is the end.
    """

    patching: Patching
    channels: int
    width: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, code, train=False):
        del train
        (rows, cols), filters = self.patching.size, FILTERS[-1]
        axes = cols * self.channels
        if code.shape[-1] != filters * self.width:
            code = nn.Dense(filters * self.width, name="code")(code)
        x = code.reshape(len(code), filters, self.width)
        for i in range(LAYERS):
            x = Context((rows - 1) * (axes - 1), name=f"context_{i}")(x)
        x = x.reshape(-1, filters, rows - 1, axes - 1).transpose(0, 2, 3, 1).astype(self.dtype)
        for i, wider in enumerate(FILTERS[-2::-1]):
            x = nn.ConvTranspose(wider, (1, 1), dtype=self.dtype, name=f"conv_{i}")(x)
            x = nn.relu(_Affine(name=f"norm_{i}")(x))
        x = nn.ConvTranspose(1, (2, 2), padding="VALID", dtype=self.dtype, name="out")(x)
        x = x.reshape(-1, rows, cols, self.channels).astype(jnp.float32)
        return self.patching.patchify(x)


class _Affine(nn.Module):
    """A scale and a shift of each filter."""

    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        shift = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        ahead = (1,) * (x.ndim - 1)
        return x * scale.reshape(*ahead, -1) + shift.reshape(*ahead, -1)

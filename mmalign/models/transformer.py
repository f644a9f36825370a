"""A small pre-norm transformer over tokens: sequences of features, pieces of series or images."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign import options
from mmalign.models.activations import ACTIVATIONS
from mmalign.models.contract import Backbone, Encoded
from mmalign.models.dropout import Dropout
from mmalign.models.patch_decoder import PatchDecoder
from mmalign.models.patches import Patching, square_patches
from mmalign.models.pooling import masked_mean
from mmalign.models.tokens import UNMASKABLE, grid_mask, visible

PRESETS = {
    "vit": {"patch": (8, 8), "dropout": 0.0},  # of images of 64 pixels: 64 tokens
    # features of video, text and sound along time
    "affect": {
        "width": 40, "depth": 5, "heads": 5, "hidden_width": 2048, "activation": "relu",
        "placed": False, "bias": False, "norm": False, "alike": True, "maskable": False,
        "inner_dropout": 0.1, "remat": True,
    },
}  # fmt: skip
_CHUNK = 640  # tokens whose hidden units stay in a core's cache: measured with 2048 of them


def build(
    size, channels, *, patch=1, block=1, width=64, depth=2, heads=4, mlp_ratio=2,
    hidden_width=None, dim=64, hidden=128, dropout=0.1, inner_dropout=0.0, activation="gelu",
    placed=True, bias=True, norm=True, alike=False, maskable=True, remat=False, dtype="float32",
) -> Backbone:  # fmt: skip
    """Transformer backbone of `size`: (tokens, 1) of a sequence, time steps of a series, or pixels.

    Args:
      size: (rows, cols) of a window.
      channels: of a window.
      patch: rows of a token, which holds all columns and channels of them; or (rows, cols), of an
        image. What a mask hides.
      block: tokens hidden together, along each axis.
      width: of a token.
      depth: blocks.
      heads: of each attention; divides the width.
      mlp_ratio: hidden width of a block's perceptron, in widths of a token; hidden_width: in its
        place, that width.
      dim: of the embedding.
      hidden: width of the decoder.
      dropout: after the embedding where tokens are placed, each attention and each perceptron.
      inner_dropout: of the weights of each attention and the hidden units of each perceptron.
      activation: of a block's perceptron, of ACTIVATIONS.
      placed: whether places have learned vectors, which are added to the tokens.
      bias: whether the map to tokens has one.
      norm: whether there is a LayerNorm after the last block.
      alike: whether all blocks start from the same parameters, as where one is copied.
      maskable: whether there is a token for methods that hide patches, a parameter.
      remat: compute hidden units again for the gradient, on a CPU those of a few hundred tokens at
        a time: of wide perceptrons, which it makes faster there.
      dtype: of the computation; parameters stay float32.
    """
    if width % heads:
        raise ValueError(f"heads={heads} does not divide the width {width}")
    options.one_of("encoder.activation", activation, ACTIVATIONS)
    if isinstance(patch, int):
        rows, cols = size
        patching = Patching((rows, cols), (patch, cols), (block, 1), (patch * block, cols))
    else:
        patching = square_patches(size, patch, block)
    dtype, hidden_width = jnp.dtype(dtype), hidden_width or mlp_ratio * width
    form = _BlockForm(heads, hidden_width, dropout, inner_dropout, activation, remat, dtype)
    encoder = Transformer(patching, form, width, depth, dim, placed, bias, norm, alike, maskable)
    return Backbone(encoder, PatchDecoder(patching, channels, hidden, dtype), patching, dim)


class _BlockForm(NamedTuple):
    """What all blocks have in common, as `build` describes it."""

    heads: int
    hidden_width: int
    dropout: float
    inner_dropout: float
    activation: str
    remat: bool
    dtype: jnp.dtype


class Transformer(nn.Module):
    """[b, rows, cols, channels] -> Encoded; the embedding is a linear map of the tokens' mean.

    Tokens attend to those that hold a valid sample, and to themselves. A hidden one is replaced by
    one learned vector after the embedding.

    References: Vaswani et al. 2017, arXiv:1706.03762, normalised first (Xiong et al. 2020,
      arXiv:2002.04745); of images Dosovitskiy et al. 2021, arXiv:2010.11929, without its CLS.
    """

    patching: Patching
    form: _BlockForm
    width: int
    depth: int
    dim: int
    placed: bool
    bias: bool
    norm: bool
    alike: bool
    maskable: bool

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        patching, b, dtype = self.patching, x.shape[0], self.form.dtype
        mask, _ = grid_mask(valid, b, patching.size, patching.patch, patching.grid)
        x = patching.patchify(visible(x, valid)).reshape(b, mask.shape[1], -1)
        x = nn.Dense(self.width, use_bias=self.bias, dtype=dtype, name="embed")(x)
        if self.maskable:
            token = self.param("mask_token", nn.initializers.normal(1.0), (self.width,))
            if masked is not None:
                x = jnp.where(masked.reshape(b, -1, 1), token.astype(dtype)[None, None], x)
        elif masked is not None:
            raise ValueError(UNMASKABLE)
        count = x.shape[1]
        if self.placed:
            place = self.param("place", nn.initializers.normal(0.02), (count, self.width))
            x = Dropout(self.form.dropout)(x + place.astype(dtype)[None], train=train)
        seen = mask[:, None] | jnp.eye(count, dtype=bool)[None]
        x = self._through_blocks(x, seen, train)
        if self.norm:
            x = nn.LayerNorm(dtype=dtype, name="norm")(x)
        tokens = x.astype(jnp.float32)
        pooled = nn.Dense(self.dim, name="out")(masked_mean(tokens, mask))
        return {"tokens": tokens, "mask": mask, "pooled": pooled}

    def _through_blocks(self, x, seen, train):
        block = functools.partial(Block, self.form)
        if not self.alike:
            for i in range(self.depth):
                x = block(name=f"block_{i}")(x, seen, train)
            return x
        over_blocks = nn.scan(
            lambda block, x, _: (block(x, seen, train), None), length=self.depth,
            variable_axes={"params": 0}, split_rngs={"params": False, "dropout": True},
        )  # fmt: skip
        return over_blocks(block(name="blocks"), x, None)[0]


class Block(nn.Module):
    """Attention, then a perceptron, each on normalised tokens and added to them: [b, t, width].

    seen: bool [b, t, t], which tokens (last axis) a token attends to.
    """

    form: _BlockForm

    @nn.compact
    def __call__(self, x, seen, train):
        form = self.form
        y = nn.LayerNorm(dtype=form.dtype, name="norm_attention")(x)
        y = self._dense(x.shape[-1], "attention_out")(self._attention(y, seen, train))
        x = x + Dropout(form.dropout)(y, train=train)
        y = nn.LayerNorm(dtype=form.dtype, name="norm_mlp")(x)
        return x + Dropout(form.dropout)(self._perceptron(y, train), train=train)

    def _dense(self, width, name):
        return nn.Dense(width, dtype=self.form.dtype, name=name)

    def _attention(self, x, seen, train):
        (b, t, width), heads = x.shape, self.form.heads
        qkv = self._dense(3 * width, "qkv")(x).reshape(b, t, 3, heads, width // heads)
        q, k, v = (qkv[:, :, i] for i in range(3))
        logits = jnp.einsum("bqhd,bkhd->bhqk", q, k) * q.shape[-1] ** -0.5
        logits = jnp.where(seen[:, None], logits.astype(jnp.float32), -jnp.inf)
        weights = nn.softmax(logits).astype(self.form.dtype)
        weights = Dropout(self.form.inner_dropout)(weights, train=train)
        return jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(b, t, width)

    def _perceptron(self, x, train):
        def of_tokens(block, _, x):
            y = ACTIVATIONS[block.form.activation](
                block._dense(block.form.hidden_width, "mlp_in")(x)
            )
            y = Dropout(block.form.inner_dropout)(y, train=train)
            return None, block._dense(x.shape[-1], "mlp_out")(y)

        if not self.form.remat or self.is_initializing():
            return of_tokens(self, None, x)[1]
        b, t, width = x.shape
        count = _pieces(b, t) if jax.default_backend() == "cpu" else 1
        chunks = x.reshape(b, count, t // count, width).swapaxes(0, 1)
        over_chunks = nn.scan(
            nn.remat(of_tokens), variable_broadcast="params",
            split_rngs={"params": False, "dropout": True},
        )  # fmt: skip
        return over_chunks(self, None, chunks)[1].swapaxes(0, 1).reshape(b, t, width)


def _pieces(b, t):
    """Into how many pieces of the same length to cut t tokens, so that b times one is a chunk.

    Along the tokens, as the batch is what devices share.
    """
    enough = (n for n in range(1, t + 1) if t % n == 0 and b * t <= n * _CHUNK)
    return next(enough, t)

"""DeepSense: convolutions inside each interval, then a recurrent network over the intervals."""

import math

import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patches import Patching, pair
from mmalign.models.pooling import masked_mean
from mmalign.models.recurrent import states
from mmalign.models.tokens import token_mask, visible

# Published geometries (FOCAL's configurations). Mask patches are those of SW-T.
PRESETS = {
    "mod_acoustic": {
        "input_kernel": (1, 80),
        "stride": (1, 80),
        "kernel": (1, 5),
        "patch": (1, 40),
    },
    "mod_seismic": {"input_kernel": (1, 3), "kernel": (1, 3), "patch": (1, 1)},
    "har": {"input_kernel": (1, 3), "kernel": (1, 3)},
    "pamap2": {
        "input_kernel": (1, 5),
        "kernel": (1, 3),
        "block": (3, 5),
        "depth": 2,
        "width": 64,
        "dim": 128,
    },
}


def build(
    size, channels, *, patch=None, block=None, input_kernel=None, stride=(1, 1), kernel=None,
    depth=4, width=128, dim=512, dropout=0.2, dtype="float32",
) -> Backbone:  # fmt: skip
    """DeepSense backbone of windows of `size`; a spectrogram unless it has one column.

    Args:
      size: (rows, cols) of a window.
      channels: of a window.
      patch: cells of a mask patch; one number counts rows of one column.
      block: patches of a mask block.
      input_kernel: of the first convolution.
      stride: of the first convolution.
      kernel: of the residual convolutions.
      depth: residual convolutions.
      width: channels of an interval before the recurrent network; half of it in the convolutions.
      dim: of the embedding; half of it in each direction of the recurrent network.
      dropout: of whole channels, and between the recurrent layers.
      dtype: of the computation; parameters stay float32.
    """
    series = size[1] == 1
    patch = pair(patch or ((4, 1) if series else (1, 2)))
    block = pair(block or ((1, 1) if series else (3, 3)))
    kernel = pair(kernel or ((3, 1) if series else (1, 3)))
    if width % 2 or dim % 2:
        raise ValueError(f"width and dim must be even, got width={width}, dim={dim}")
    patching = Patching(pair(size), patch, block, pair([p * n for p, n in zip(patch, block)]))
    layers = {"stride": tuple(stride), "kernel": kernel, "depth": depth, "width": width,
              "hidden": dim // 2, "dropout": dropout, "dtype": jnp.dtype(dtype)}  # fmt: skip
    encoder = DeepSenseEncoder(patching, pair(input_kernel or kernel), **layers)
    return Backbone(encoder, DeepSenseDecoder(patching, channels, **layers), patching, dim)


class DeepSenseEncoder(nn.Module):
    """[b, rows, cols, channels] -> Encoded: what the recurrent network says of each interval.

    DeepSense (Yao et al. 2017, arXiv:1611.01942) as in FOCAL, with GroupNorm in place of BatchNorm:
    batch statistics are mutable state, and a row whose sensor is missing would leak into the others
    through them. Masked cells hold one learned value per channel, starting at zero.
    """

    patching: Patching
    input_kernel: tuple[int, int]
    stride: tuple[int, int]
    kernel: tuple[int, int]
    depth: int
    width: int
    hidden: int
    dropout: float = 0.2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        if x.ndim != 4 or x.shape[1:3] != self.patching.size:
            raise ValueError(f"need [batch, *{self.patching.size}, channels], got {x.shape}")
        x, rows = visible(x, valid), x.shape[:2]
        token = self.param("mask_token", nn.initializers.zeros, (x.shape[-1],))
        if masked is not None:
            cells = self.patching.cells(masked)[..., None]
            x = jnp.where(cells, token[None, None, None], x)
        layer = {"dropout": self.dropout, "dtype": self.dtype}
        x = _Convolution(self.width // 2, self.input_kernel, self.stride, **layer, name="embed")(
            x, train
        )
        for i in range(self.depth):
            conv = _Convolution(self.width // 2, self.kernel, **layer, name=f"conv_{i}")
            x = x + conv(x, train)
        x = nn.Dense(self.width, dtype=self.dtype, name="flatten")(x.reshape(*x.shape[:2], -1))
        x = _Recurrent(self.hidden, self.dropout, name="recurrent")(x, train)
        mask, keep = token_mask(valid, rows, self.stride[0], x.shape[1])
        return {"tokens": x, "mask": mask, "pooled": masked_mean(x, keep)}


class DeepSenseDecoder(nn.Module):
    """[b, any] -> [b, H, W, values of a patch] float32: the encoder's layers in reverse.

    The transposed convolution has its stride as kernel, which is a dense layer per position.
    Cells of the padding come out as the zeros that they are.
    """

    patching: Patching
    channels: int
    stride: tuple[int, int]
    kernel: tuple[int, int]
    depth: int
    width: int
    hidden: int
    dropout: float = 0.2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, code, train=False):
        (rows, cols), half = self.patching.size, self.width // 2
        r, c = (-(-n // s) for n, s in zip(self.patching.size, self.stride))
        x = nn.Dense(r * self.width, dtype=self.dtype, name="unfold")(code)
        x = _Recurrent(self.hidden, self.dropout, name="recurrent")(
            x.reshape(-1, r, self.width), train
        )
        x = nn.Dense(c * half, dtype=self.dtype, name="spread")(x).reshape(-1, r, c, half)
        for i in range(self.depth):
            conv = _Convolution(
                half, self.kernel, (1, 1), self.dropout, self.dtype, name=f"conv_{i}"
            )
            x = x + conv(x, train)
        sr, sc = self.stride
        x = nn.Dense(sr * sc * self.channels, dtype=self.dtype, name="out")(x).astype(jnp.float32)
        x = x.reshape(-1, r, c, sr, sc, self.channels).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(-1, r * sr, c * sc, self.channels)
        return self.patching.patchify(x[:, :rows, :cols])


class _Convolution(nn.Module):
    """Convolution, GroupNorm, GELU, dropout of whole channels."""

    features: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(self.features, self.kernel, self.stride, dtype=self.dtype, name="conv")(x)
        groups = math.gcd(8, self.features)
        x = nn.gelu(nn.GroupNorm(groups, dtype=self.dtype, name="norm")(x))
        return nn.Dropout(self.dropout, broadcast_dims=(1, 2), deterministic=not train)(x)


class _Recurrent(nn.Module):
    """Two bidirectional GRU layers over [b, steps, c] -> [b, steps, 2 * hidden].

    In float32 whatever the rest computes in: rounding would add up over the steps.
    """

    hidden: int
    dropout: float

    @nn.compact
    def __call__(self, x, train):
        x = x.astype(jnp.float32)
        for i in range(2):
            if i:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
            ahead = nn.RNN(nn.GRUCell(self.hidden), name=f"ahead_{i}")
            back = nn.RNN(nn.GRUCell(self.hidden), name=f"back_{i}")
            x = states(nn.Bidirectional(ahead, back, name=f"layer_{i}"), x)
        return x

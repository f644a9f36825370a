"""AlexNet's convolutions of images, as published and of a size for CPUs."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.contract import Backbone, Encoded
from mmalign.models.patch_decoder import PatchDecoder
from mmalign.models.patches import Patching, pair, square_patches
from mmalign.models.pooling import region_means
from mmalign.models.tokens import grid_mask, shown
from mmalign.models.torch_init import KERNEL, bias

PRESETS = {
    # for images of 64 pixels, of which it makes 4 x 4 tokens; each layer costs about the same
    "small": {"widths": (32, 64, 128), "kernels": (8, 3, 3), "pooled": (0, 1), "pool": 2},
}
_PAD = 2  # pixels around the image


def build(
    size, channels, *, widths=(64, 192, 384, 256, 256), kernels=(11, 5, 3, 3, 3), stride=4,
    pooled=(0, 1, 4), pool=3, regions=6, dim=256, maskable=False, patch=4, block=1, hidden=128,
    dtype="float32",
) -> Backbone:  # fmt: skip
    """Convolutional backbone of images of `size`; by default the published one.

    Args:
      size: (height, width) of an image.
      channels: of an image.
      widths, kernels: of the convolutions.
      stride: of the first one.
      pooled: which convolutions are followed by max pooling of stride 2.
      pool: its kernel, 3 as published or 2.
      regions: the embedding is a linear map of means over regions * regions parts of the last map.
      dim: of the embedding.
      maskable: whether there is a token for methods that hide patches, a parameter.
      patch: pixels of a mask patch, (rows, cols) or one number for both.
      block: patches hidden together, along each axis.
      hidden: width of the decoder.
      dtype: of the computation; parameters stay float32.
    Raises: ValueError for images so small that nothing of them is left.
    """
    if len(widths) != len(kernels):
        raise ValueError(f"need a kernel for each width, got {kernels} and {widths}")
    if pool not in (2, 3):
        raise ValueError(f"pool must be 2 or 3, got {pool}")
    patching, dtype = square_patches(size, patch, block), jnp.dtype(dtype)
    encoder = AlexNet(
        patching, tuple(widths), tuple(kernels), stride, tuple(pooled), pool, regions, dim,
        maskable, dtype,
    )  # fmt: skip
    encoder.map_size()
    return Backbone(encoder, PatchDecoder(patching, channels, hidden, dtype), patching, dim)


class AlexNet(nn.Module):
    """[b, rows, cols, channels] -> Encoded; a token is a place of the last feature map.

    A ReLU after each convolution and no normalisation. Kernels start as PyTorch's do.

    References: Krizhevsky 2014, arXiv:1404.5997, as torchvision has it, up to its classifier.
    """

    patching: Patching
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    stride: int
    pooled: tuple[int, ...]
    pool: int
    regions: int
    dim: int
    maskable: bool
    dtype: jnp.dtype = jnp.float32

    def map_size(self) -> tuple[int, int]:
        """(rows, cols) of the last feature map."""
        rows, cols = self.patching.size
        for i, (kernel, stride, pad) in enumerate(self._layers()):
            rows, cols = ((n + 2 * pad - kernel) // stride + 1 for n in (rows, cols))
            if i in self.pooled:
                rows, cols = ((n - self.pool) // 2 + 1 for n in (rows, cols))
        if min(rows, cols) < 1:
            raise ValueError(
                f"images of {self.patching.size} are too small for this alexnet, nothing is left "
                "of them: give encoder a smaller stride or preset='small', or another encoder"
            )
        return rows, cols

    @nn.compact
    def __call__(self, x, masked=None, valid=None, train=False) -> Encoded:
        del train  # no dropout
        x = shown(self, self.patching, x, masked, valid, maskable=self.maskable)
        x = x.astype(self.dtype)
        for i, (kernel, stride, pad) in enumerate(self._layers()):
            start = bias(kernel**2 * x.shape[-1])
            x = nn.Conv(
                self.widths[i], (kernel,) * 2, stride, padding=((pad, pad),) * 2,
                dtype=self.dtype, kernel_init=KERNEL, bias_init=start, name=f"conv_{i}",
            )(x)  # fmt: skip
            x = nn.relu(x)
            if i in self.pooled:
                x = max_pool(x, self.pool)
        b, *grid, width = x.shape
        tokens = x.astype(jnp.float32).reshape(b, -1, width)
        stride = self.stride * 2 ** len(self.pooled)
        mask, keep = grid_mask(valid, b, self.patching.size, (stride, stride), pair(grid))
        means = region_means(tokens, keep, pair(grid), self.regions)
        return {"tokens": tokens, "mask": mask, "pooled": nn.Dense(self.dim, name="out")(means)}

    def _layers(self):
        """(kernel, stride, padding) of each convolution."""
        for i, kernel in enumerate(self.kernels):
            yield (kernel, 1, (kernel - 1) // 2) if i else (kernel, self.stride, _PAD)


def max_pool(x: jax.Array, kernel: int) -> jax.Array:
    """Max pooling of stride 2, without padding: [b, rows, cols, d] -> [b, rows', cols', d].

    A kernel of 2 is a maximum of slices, as the gradient of a window's is slow on CPUs.
    """
    if kernel != 2:
        return nn.max_pool(x, (kernel,) * 2, (2, 2))
    b, rows, cols, d = x.shape
    x = x[:, : rows // 2 * 2, : cols // 2 * 2].reshape(b, rows // 2, 2, cols // 2, 2, d)
    x = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return jnp.maximum(x[:, :, :, 0], x[:, :, :, 1])

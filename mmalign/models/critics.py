"""Density-ratio critics: a stem turns a window into a vector, a critic turns vectors into a logit.

InfoMAE (eq. 6 and appendix D) publishes the layout, not the widths. No BatchNorm anywhere: the
statistics of positives and negatives would give the answer away.
"""

import functools
import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.dropout import Dropout
from mmalign.models.pooling import largest
from mmalign.models.torch_init import dense


class Stem(nn.Module):
    """[b, rows, cols, channels] -> [b, out] float32: strided convolutions, mean and max pooling.

    A spectrogram keeps its intervals and halves its bins in each layer; a series or a sequence (one
    column) halves its time, an image both axes. A vector goes through dense layers.
    """

    features: tuple[int, ...] = (32, 64, 128)
    out: int = 256
    kernel: int = 3
    dtype: jnp.dtype = jnp.float32  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: jax.Array, kind: str = "series") -> jax.Array:
        if x.ndim != 4:
            raise ValueError(f"need [batch, rows, cols, channels], got {x.shape}")
        if kind == "vector":
            x = x.reshape(x.shape[0], 1, 1, -1)
        for i, features in enumerate(self.features):
            x = nn.gelu(self._norm(kind, i, features)(self._layer(kind, i, features, x)(x)))
        flat = x.reshape(x.shape[0], -1, x.shape[-1])
        most = x.max(axis=(1, 2)) if kind == "series" else largest(flat)
        x = jnp.concatenate([x.mean(axis=(1, 2)), most], axis=-1)
        return nn.Dense(self.out, dtype=self.dtype, name="out")(x).astype(jnp.float32)

    def _layer(self, kind, i, features, x):
        if kind == "vector":
            return nn.Dense(features, dtype=self.dtype, name=f"dense_{i}")
        if kind == "image":
            kernel, stride = (self.kernel, self.kernel), (2, 2)
        elif x.shape[2] == 1:
            kernel, stride = (self.kernel, 1), (2, 1)
        else:
            kernel, stride = (3, self.kernel), (1, 2)
        return nn.Conv(features, kernel, stride, dtype=self.dtype, name=f"conv_{i}")

    def _norm(self, kind, i, features):
        if kind == "series":
            return nn.GroupNorm(math.gcd(8, features), dtype=self.dtype, name=f"norm_{i}")
        if i == 0:  # a norm before the first activation would erase the size of what is seen
            return lambda x: x
        # a short sequence or a small image ends in one place, of which groups would leave nothing
        return nn.LayerNorm(dtype=self.dtype, name=f"norm_{i}")


class Critic(nn.Module):
    """Logit of joint against product of marginals: arrays [..., b, d_i] -> [..., b] float32.

    The logit is the log density ratio itself; the last layer starts at zero, so ratios start at 1.
    The first layer is applied to each argument alone and the results are added, which equals one
    layer on the concatenation: several negatives, [k, b, d] beside [b, d], share the work of the
    arguments that they have in common. Leading axes broadcast.
    """

    hidden: int = 256
    depth: int = 4  # hidden layers; one more gives the logit
    dropout: float = 0.0
    dtype: jnp.dtype = jnp.float32  # of the hidden layers; logits and parameters are float32

    @nn.compact
    def __call__(self, *arrays: jax.Array, train: bool = False) -> jax.Array:
        if not arrays or self.depth < 1:
            raise ValueError(
                f"need one array and one layer at least, got {len(arrays)}, {self.depth}"
            )
        fan_in, x = sum(a.shape[-1] for a in arrays), jnp.zeros((), self.dtype)
        rank = max(a.ndim for a in arrays)
        for i, a in enumerate(arrays):
            a = a.reshape((1,) * (rank - a.ndim) + a.shape)
            scale = a.shape[-1] / fan_in  # as if drawn for the concatenation
            x = x + nn.Dense(
                self.hidden,
                use_bias=i == 0,
                kernel_init=nn.initializers.variance_scaling(scale, "fan_in", "truncated_normal"),
                dtype=self.dtype,
                name=f"argument_{i}",
            )(a)
        for i in range(self.depth):
            if i:
                x = nn.Dense(self.hidden, dtype=self.dtype, name=f"hidden_{i}")(x)
            x = nn.gelu(nn.LayerNorm(dtype=self.dtype, name=f"norm_{i}")(x))
            x = Dropout(self.dropout)(x, train=train)
        zeros = nn.initializers.zeros
        x = nn.Dense(1, kernel_init=zeros, name="logit")(x.astype(jnp.float32))
        return x[..., 0]


class PairCritic(nn.Module):
    """Scores of all pairs of rows: [n, d], [m, d'] -> [n, m] float32.

    A perceptron of the concatenation with `depth` hidden layers and ReLUs, of which the first layer
    is computed for each row alone. Layers start as PyTorch's do.

    References: the concatenating critic of FactorCL (Liang et al. 2023, arXiv:2306.05268).
    """

    hidden: int
    depth: int = 2

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        fan_in = x.shape[-1] + y.shape[-1]
        limit = fan_in**-0.5
        start = lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -limit, limit)
        layer = functools.partial(nn.Dense, self.hidden, kernel_init=start, bias_init=start)
        of_x, of_y = layer(name="x")(x), layer(use_bias=False, name="y")(y)
        h = nn.relu(of_x[:, None] + of_y[None])
        for i in range(1, self.depth):
            h = nn.relu(dense(self.hidden, h, name=f"hidden_{i}"))
        return dense(1, h, name="score")[..., 0].astype(jnp.float32)

"""Small maps from an embedding to what a loss or a probe reads."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.batch_statistics import BatchNorm
from mmalign.models.dropout import Dropout
from mmalign.models.torch_init import dense


class Projector(nn.Module):
    """Two-layer perceptron with a ReLU between: [..., d] -> [..., out] float32."""

    hidden: int
    out: int
    dtype: jnp.dtype = jnp.float32  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(self.hidden, dtype=self.dtype, name="hidden")(x))
        return nn.Dense(self.out, dtype=self.dtype, name="out")(x).astype(jnp.float32)


class Projection(nn.Module):
    """One linear map without bias, kernel of deviation 1 / sqrt(d): [..., d] -> [..., out] float32.

    References: CLIP (Radford et al. 2021, arXiv:2103.00020), its released projections.
    """

    out: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        start = nn.initializers.normal(x.shape[-1] ** -0.5)
        return nn.Dense(self.out, use_bias=False, kernel_init=start, name="out")(
            x.astype(jnp.float32)
        )


class Classifier(nn.Module):
    """Dense, ReLU, dropout in training a hidden width; Dense: [..., d] -> [..., out] float32.

    With (1920,), and (1280, 128), MMBind's fusion classifiers (Ouyang et al. 2025,
    arXiv:2411.12126) but for the batch normalisation of its second one.
    """

    hidden: tuple[int, ...]
    out: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = x.astype(jnp.float32)
        for i, width in enumerate(self.hidden):
            x = nn.relu(nn.Dense(width, name=f"hidden_{i}")(x))
            x = Dropout(self.dropout)(x, train=train)
        return nn.Dense(self.out, name="out")(x)


class Linear(nn.Module):
    """One affine map: [..., d] -> [..., out] float32. The supervised rows' classifier."""

    out: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(self.out, name="out")(x.astype(jnp.float32))


class ProjectionHead(nn.Module):
    """Perceptron with batch normalisation before each ReLU: [..., b, d] -> [..., b, widths[-1]].

    The last map is affine. Statistics are those of the rows that count, of each leading index for
    itself; there are no running ones, as nothing is read of the head but its loss.

    References: CoMM (Dufumier et al. 2025, arXiv:2409.07402), its critic head, as released.
    """

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array, where: jax.Array) -> jax.Array:
        """where: bool [..., b], the rows that count."""
        x = x.astype(jnp.float32)
        for i, width in enumerate(self.widths[:-1]):
            x = dense(width, x, name=f"hidden_{i}")
            x = nn.relu(BatchNorm(name=f"norm_{i}")(x, where))
        return dense(self.widths[-1], x, name="out")


class Expander(nn.Module):
    """What VICReg puts before its loss and throws away afterwards: [b, d] -> [b, widths[-1]].

    The last map is linear, without bias. LayerNorm stands where the official code has batch
    normalisation, as nothing here keeps running statistics.
    """

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        start = nn.initializers.glorot_uniform()
        for i, width in enumerate(self.widths[:-1]):
            x = nn.Dense(width, kernel_init=start, name=f"hidden_{i}")(x)
            x = nn.relu(nn.LayerNorm(name=f"norm_{i}")(x))
        return nn.Dense(self.widths[-1], use_bias=False, name="out")(x)

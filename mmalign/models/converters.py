"""What an encoder says of a window as tokens of one width, for a transformer that fuses them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mmalign.models.contract import Encoded
from mmalign.models.torch_init import dense

CONVERTERS = ("tokens", "patches", "features", "singleton")


class Converter(nn.Module):
    """Encoded -> (tokens [b, t, width] float32, which of them hold samples, bool [b, t]).

    names: of CONVERTERS, whose tokens stand one after the other:
      "tokens": the encoder's own, through an affine map unless they have the width already;
      "patches": those through an affine map, with the place of each on the feature map added as
        sines and cosines, that are not learned;
      "features": a token for each number of the embedding, number * weight + bias of its own
        (Gorishniy et al. 2021, arXiv:2106.11959);
      "singleton": the embedding as one token, through an affine map unless it has the width.
    grid: (rows, cols) of a window, of an image; None for tokens in a row.
    References: CoMM (Dufumier et al. 2025, arXiv:2409.07402), its latent converters. The released
      code numbers places of square feature maps by columns first; here rows are first.
    """

    names: tuple[str, ...]
    width: int
    grid: tuple[int, int] | None = None

    @nn.compact
    def __call__(self, encoded: Encoded) -> tuple[jax.Array, jax.Array]:
        made = [getattr(self, f"_{name}")(encoded) for name in self.names]
        tokens, mask = (jnp.concatenate(part, axis=1) for part in zip(*made))
        return tokens.astype(jnp.float32), mask

    def _tokens(self, encoded):
        return self._wide(encoded["tokens"], "tokens"), encoded["mask"]

    def _patches(self, encoded):
        x = dense(self.width, encoded["tokens"], name="patches")
        places = places_1d if self.grid is None else self._places_2d
        return x + places(x.shape[1], self.width)[None], encoded["mask"]

    def _features(self, encoded):
        x, start = encoded["pooled"], nn.initializers.normal(1.0)
        shape = (x.shape[1], self.width)
        weight = self.param("feature_weight", start, shape)
        shift = self.param("feature_bias", start, shape)
        return x[..., None] * weight[None] + shift[None], jnp.ones(x.shape, bool)

    def _singleton(self, encoded):
        x = self._wide(encoded["pooled"][:, None], "singleton")
        return x, jnp.ones(x.shape[:2], bool)

    def _wide(self, x, name):
        return x if x.shape[-1] == self.width else dense(self.width, x, name=name)

    def _places_2d(self, count, width):
        assert self.grid is not None
        return places_2d(feature_map(count, self.grid), width)


def feature_map(count: int, grid: tuple[int, int]) -> tuple[int, int]:
    """(rows, cols) of `count` tokens of an image, in shape as near to that of `grid` as it goes."""
    aspect = np.log(grid[0] / grid[1])
    shapes = [(n, count // n) for n in range(1, count + 1) if count % n == 0]
    return min(shapes, key=lambda shape: abs(np.log(shape[0] / shape[1]) - aspect))


def places_1d(count: int, width: int) -> np.ndarray:
    """Float32 [count, width]: sines, then cosines of place * 10000^(-k / (width / 2))."""
    return _waves(np.arange(count), width)


def places_2d(grid: tuple[int, int], width: int) -> np.ndarray:
    """Float32 [rows * cols, width]: sines and cosines of the column, then of the row.

    Frequencies are 10000^(-k / (width / 4)), as in MoCo v3 (Chen et al. 2021, arXiv:2104.02057).
    """
    row, col = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    return np.concatenate([_waves(col, width // 2), _waves(row, width // 2)], axis=1)


def _waves(place, width):
    """[count, width], for places in one direction."""
    count = width // 2
    angle = place[:, None] * 10000.0 ** (-np.arange(count) / count)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)

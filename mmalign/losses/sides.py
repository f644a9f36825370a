"""One side of the pairs that a loss compares, and how large a tile of pairs is."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.numerics import inverse_norm, unit_norm

_WORTH_IT = 2048  # rows; below, one matrix product is faster than many


_WIDE, _WIDE_WORTH_IT = 384, 16384  # columns, and rows then: their matrix takes 1 GiB

_FARTHEST = 1e9  # entries of rows as they are: float32 holds their products, over any temperature


class Side(NamedTuple):
    """One side of the pairs.

    rows: [n, dim], of length 1 at most unless they are compared as they are.
    tags: what each row is, a tuple of [n]. The first tag is an int, negative for rows that do not
      count: f has to be 0 for these.
    narrow: None, or ([n, dim] in 16 bits, scale [n]) whose product equals rows, to the last bit
      where they came in 16 bits: what tiles multiply then, on tensor cores. Sums are in 32 bits.
    """

    rows: jax.Array
    tags: tuple[jax.Array, ...]
    narrow: tuple[jax.Array, jax.Array] | None = None


def side_of(
    z: jax.Array, tags: tuple[jax.Array, ...], narrow: jnp.dtype | None, *, normalise: bool = True
) -> Side:
    """The Side of the rows of z, [n, dim], at length 1; zero rows stay zero.

    Args:
      narrow: the dtype of products, or None for that of z; from `product_dtype`.
      normalise: False leaves rows as they are, but for entries beyond 1e9, which count as that.
    """
    z = z if normalise else jnp.clip(z, -_FARTHEST, _FARTHEST)
    rows = unit_norm(z) if normalise else z
    if narrow is None:
        return Side(rows, tags)
    largest = float(jnp.finfo(narrow).max)  # an infinite entry has become 1e6
    exact = jnp.clip(z, -largest, largest).astype(narrow)
    scale = inverse_norm(z)[:, 0] if normalise else jnp.ones_like(z[:, 0])
    return Side(rows, tags, lax.stop_gradient((exact, scale)))


def product_dtype(*arrays: ArrayLike) -> jnp.dtype | None:
    """16-bit dtype in which tiles multiply `arrays`, or None for full precision.

    That is theirs on a GPU, where it costs nothing: a product of two 16-bit numbers is exact in the
    32 bits of the sum, as long as rows are brought to length 1 after it and not before.
    """
    dtypes = {jnp.result_type(x) for x in arrays}
    if len(dtypes) > 1 or not dtypes <= {jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float16)}:
        return None
    return dtypes.pop() if jax.default_backend() == "gpu" else None


def tile_for(rows: int, tile: int | None, dim: int = 0) -> int | None:
    """Tile to use for a batch of `rows`, or None for the plain form.

    Args:
      rows: of the global batch.
      tile: what the caller of a loss asks for, None to let this choose.
      dim: of rows on two sides, of which no triangle can be used. If they are wide, products that
        are computed again for the gradient cost a CPU more than the memory of the plain form.
    Raises: ValueError for a tile that is not a positive whole number.
    """
    if tile is None:
        cpu = jax.default_backend() == "cpu"
        # a CPU core's cache holds 512 x 512 numbers; a GPU wants to be filled
        default = 512 if cpu else 2048
        least = _WIDE_WORTH_IT if cpu and dim > _WIDE else max(_WORTH_IT, 2 * default)
        return default if rows >= least else None
    if not isinstance(tile, int) or isinstance(tile, bool) or tile < 1:
        raise ValueError(f"tile must be a positive whole number or None, got {tile!r}")
    return tile if tile < rows else None

"""Checked embeddings of any number of modalities or views."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from mmalign.losses.numerics import compute_dtype
from mmalign.losses.rows import check_some, rows_that_count


def prepare_views(
    views: Iterable[ArrayLike],
    where: Any,
    *,
    least: int = 2,
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Checked arguments: a list of [batch, dim], zero where rows do not count, and one of bools.

    Dtypes are left alone, as those of 16 bits decide how products are computed.

    where: None, bool [batch] for all views, or a sequence of such, one for each.
    """
    views = [jnp.asarray(z) for z in views]
    compute_dtype(*views)
    if len(views) < least:
        raise ValueError(f"need {least} views or more, got {len(views)}")
    shape = views[0].shape
    if len(shape) != 2 or any(z.shape != shape for z in views):
        shapes = ", ".join(str(z.shape) for z in views)
        raise ValueError(f"need [batch, dim] arrays alike, got {shapes}")
    check_some(shape)
    if isinstance(where, list | tuple) or getattr(where, "ndim", 1) == 2:
        if len(where) != len(views):
            raise ValueError(f"need a where for each of {len(views)} views, got {len(where)}")
        given = where
    else:
        given = [where] * len(views)
    masks = [rows_that_count(w, shape[:1]) for w in given]
    return [jnp.where(w[:, None], z, 0) for z, w in zip(views, masks)], masks

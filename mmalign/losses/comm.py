"""CoMM: masked views of one augmentation against the fused view of the other."""

import functools
from collections.abc import Sequence

import jax
from jax.typing import ArrayLike

from mmalign.losses.contrastive import info_nce, nt_xent
from mmalign.losses.knobs import Scalar
from mmalign.losses.views import prepare_views

_CONTRASTS = {"nt_xent": nt_xent, "info_nce": functools.partial(info_nce, symmetric=False)}


def comm(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    *,
    weight: Sequence[Scalar] | None = None,
    temperature: Scalar = 0.1,
    contrast: str = "nt_xent",
    normalise: bool = True,
    tile: int | None = None,
    where: ArrayLike | Sequence[ArrayLike | None] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """CoMM's loss: masked views of one augmentation against the fused view of the other.

    Each augmentation gives the embeddings of every modality alone and, last, of all of them fused.
    An embedding of one augmentation is contrasted with the fused one of the other; the mean over
    kinds of embedding, and over both augmentations. What only one modality tells is kept by the
    terms of that modality, what only all together tell by the last.

    Args:
      first: sequence of [batch, dim] floats of any scale: each modality alone, then fused.
      second: as first, from another augmentation.
      weight: a number for each kind of embedding, unity for None: the loss is the mean over kinds
        of weight * term.
      temperature: positive scalar, unitless; may be traced, so it can be learned.
      contrast: "nt_xent", or "info_nce" in one direction, as the paper has it: what is fused of the
        other augmentation is to be found by each embedding.
      normalise: as in `info_nce`.
      tile: as in `info_nce`.
      where: bool [batch], or a sequence of such, one for each kind of embedding; None for all. A
        term is learned from the examples that have that modality, and any at all. See the
        package's rule.
      axis_name: mapped axis that splits the batch; None if the arrays hold the whole batch.
    Returns: [batch] in nats, float32 or wider; log(2 rows - 1) at chance, or log(rows) with
      "info_nce".
    Raises: as `info_nce`; ValueError for sequences of other lengths or another contrast.
    References: CoMM (Dufumier et al. 2025, arXiv:2409.07402) eq. 7 as the authors' code has it: a
      mean where the paper adds, modality terms from augmented inputs and across augmentations, and
      `nt_xent` for InfoNCE. The paper's embeddings of one modality are of clean input: give the
      same as `first` and as `second`.
    """
    if contrast not in _CONTRASTS:
        raise ValueError(f"contrast must be one of {', '.join(_CONTRASTS)}, got {contrast!r}")
    if len(first) != len(second):
        raise ValueError(
            f"need as many embeddings of both augmentations, got {len(first)} and {len(second)}"
        )
    first, where = prepare_views(first, where)
    second, _ = prepare_views(second, where)
    weight = [1] * len(first) if weight is None else list(weight)
    if len(weight) != len(first):
        raise ValueError(f"need a weight for each of {len(first)} embeddings, got {len(weight)}")
    knobs = {
        "temperature": temperature,
        "normalise": normalise,
        "tile": tile,
        "axis_name": axis_name,
    }
    *parts, (fused, fused_second, _, _) = zip(first, second, where, weight)
    compare = functools.partial(_CONTRASTS[contrast], **knobs)
    loss = weight[-1] * compare(fused, fused_second, where=where[-1])
    for z, z_second, w, factor in parts:
        w = w & where[-1]
        there = compare(z, fused_second, where=w)
        back = compare(z_second, fused, where=w)
        loss += factor * 0.5 * (there + back)
    return loss / len(first)

"""Losses: pure functions of arrays, needing jax and optax alone.

Arrays are positional, knobs keyword-only; nothing is compiled or drawn at random here. A loss
computes in float32 at least (in float64 if given float64) and returns one value per example,
`[batch]`; the caller takes the mean. Statistics of the batch (`vicreg`, `mmd`) are scalars. Bad
shapes and values raise ValueError, bad dtypes TypeError. An infinite entry counts as 1e6 of its
sign, with no gradient; NaN in a row that counts comes out.

* `where`, bool [batch], tells which rows count (a missing modality, padding). The rule is one for
  all losses: a row with False costs 0, is nobody's negative, may hold NaN, and gets no gradient;
  the rest is scaled by batch / count, so that *the plain mean over the batch is the mean over the
  rows that count*. If none counts everything is 0.
* `axis_name` names the mapped axis (`jax.shard_map`, `jax.vmap`) that splits the batch; None if the
  arrays hold the whole batch, as they do under plain `jax.jit` on any mesh. Values are those of the
  whole batch, and so are negatives and the count of `where`. In per-device code take
  `lax.pmean(loss.mean(), axis_name)` inside the differentiated function and `lax.pmean` the
  gradient.
"""

from mmalign.losses.contrastive import clip, info_nce, nt_xent
from mmalign.losses.distribution import coral, mmd, sliced_wasserstein
from mmalign.losses.information import (
    density_ratio,
    entropy,
    gaussian_mutual_information,
    private_information,
    shared_information,
    total_correlation,
)
from mmalign.losses.multiview import cmc, cocoa, comm, gmc
from mmalign.losses.mutual_information import mutual_information
from mmalign.losses.orthogonality import orthogonality
from mmalign.losses.pieces import value_and_grad_in_pieces
from mmalign.losses.reconstruction import (
    masked_huber,
    masked_l1,
    masked_mse,
    normalise_patches,
)
from mmalign.losses.redundancy import barlow_twins, vicreg
from mmalign.losses.reweighted import debiased, hard_negative
from mmalign.losses.siglip import sigmoid
from mmalign.losses.supervised import supcon, weighted_supcon
from mmalign.losses.temporal import neighbourhood_coding, sequence_ranking

__all__ = [
    "barlow_twins",
    "clip",
    "cmc",
    "cocoa",
    "comm",
    "coral",
    "debiased",
    "density_ratio",
    "entropy",
    "gaussian_mutual_information",
    "gmc",
    "hard_negative",
    "info_nce",
    "masked_huber",
    "masked_l1",
    "masked_mse",
    "mmd",
    "mutual_information",
    "neighbourhood_coding",
    "normalise_patches",
    "nt_xent",
    "orthogonality",
    "private_information",
    "sequence_ranking",
    "shared_information",
    "sigmoid",
    "sliced_wasserstein",
    "supcon",
    "total_correlation",
    "value_and_grad_in_pieces",
    "vicreg",
    "weighted_supcon",
]

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

from mmalign.losses.barlow_twins import barlow_twins
from mmalign.losses.canonical_information import canonical_information
from mmalign.losses.clip import clip
from mmalign.losses.closed_forms import entropy, gaussian_mutual_information, total_correlation
from mmalign.losses.cmc import cmc
from mmalign.losses.cocoa import cocoa
from mmalign.losses.comm import comm
from mmalign.losses.contrastive import info_nce, nt_xent
from mmalign.losses.coral import coral
from mmalign.losses.dcl import dcl
from mmalign.losses.debiased import debiased
from mmalign.losses.density_ratio import density_ratio
from mmalign.losses.distillation import distillation, update_center
from mmalign.losses.frossl import frossl
from mmalign.losses.gmc import gmc
from mmalign.losses.gram import gram
from mmalign.losses.hard_negative import hard_negative
from mmalign.losses.hierarchical import hierarchical_contrast
from mmalign.losses.infmasking import infmasking
from mmalign.losses.koleo import koleo
from mmalign.losses.leave_one_out import leave_one_out
from mmalign.losses.masked_errors import masked_huber, masked_l1, masked_mse
from mmalign.losses.mmd import mmd
from mmalign.losses.mutual_information import mutual_information
from mmalign.losses.negative_cosine import negative_cosine
from mmalign.losses.neighbourhood import neighbourhood_coding
from mmalign.losses.orthogonality import orthogonality
from mmalign.losses.patches import normalise_patches
from mmalign.losses.pieces import value_and_grad_in_pieces
from mmalign.losses.private_information import private_information
from mmalign.losses.queue_nce import queue_nce
from mmalign.losses.sequence_ranking import sequence_ranking
from mmalign.losses.shared_information import shared_information
from mmalign.losses.siglip import sigmoid
from mmalign.losses.sigreg import sigreg
from mmalign.losses.sinkhorn import sinkhorn
from mmalign.losses.sliced_wasserstein import sliced_wasserstein
from mmalign.losses.supcon import supcon
from mmalign.losses.symile import symile
from mmalign.losses.triangle import triangle
from mmalign.losses.vicreg import vicreg
from mmalign.losses.weighted_supcon import weighted_supcon

__all__ = [
    "barlow_twins",
    "canonical_information",
    "clip",
    "cmc",
    "cocoa",
    "comm",
    "coral",
    "dcl",
    "debiased",
    "density_ratio",
    "distillation",
    "entropy",
    "frossl",
    "gaussian_mutual_information",
    "gmc",
    "gram",
    "hard_negative",
    "hierarchical_contrast",
    "infmasking",
    "info_nce",
    "koleo",
    "leave_one_out",
    "masked_huber",
    "masked_l1",
    "masked_mse",
    "mmd",
    "mutual_information",
    "negative_cosine",
    "neighbourhood_coding",
    "normalise_patches",
    "nt_xent",
    "orthogonality",
    "private_information",
    "queue_nce",
    "sequence_ranking",
    "shared_information",
    "sigmoid",
    "sigreg",
    "sinkhorn",
    "sliced_wasserstein",
    "supcon",
    "symile",
    "total_correlation",
    "triangle",
    "update_center",
    "value_and_grad_in_pieces",
    "vicreg",
    "weighted_supcon",
]

"""Encoders, decoders, heads and critics: the only room that imports flax.linen."""

from mmalign.models.aggregators import aggregator
from mmalign.models.backbone import Backbone, backbone, default_dim
from mmalign.models.batch_statistics import standardised
from mmalign.models.contract import Encoded, apply, init_params
from mmalign.models.converters import CONVERTERS, Converter
from mmalign.models.critics import Critic, PairCritic, Stem
from mmalign.models.fusion import FusionTransformer
from mmalign.models.heads import (
    Classifier,
    Expander,
    Linear,
    Projection,
    ProjectionHead,
    Projector,
)
from mmalign.models.patches import Patching
from mmalign.models.pooling import masked_mean
from mmalign.models.recurrent import Context

__all__ = [
    "CONVERTERS",
    "Backbone",
    "Classifier",
    "Context",
    "Converter",
    "Critic",
    "Encoded",
    "Expander",
    "FusionTransformer",
    "Linear",
    "PairCritic",
    "Patching",
    "Projection",
    "ProjectionHead",
    "Projector",
    "Stem",
    "aggregator",
    "apply",
    "backbone",
    "default_dim",
    "init_params",
    "masked_mean",
    "standardised",
]

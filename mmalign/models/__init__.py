"""Encoders, decoders, heads and critics: the only room that imports flax.linen."""

from mmalign.models.aggregators import aggregator
from mmalign.models.backbone import Backbone, backbone, default_dim
from mmalign.models.contract import Encoded, apply, init_params
from mmalign.models.critics import Critic, Stem
from mmalign.models.heads import Classifier, Expander, Linear, Projector
from mmalign.models.patches import Patching
from mmalign.models.pooling import masked_mean
from mmalign.models.recurrent import Context

__all__ = [
    "Backbone",
    "Classifier",
    "Context",
    "Critic",
    "Encoded",
    "Expander",
    "Linear",
    "Patching",
    "Projector",
    "Stem",
    "aggregator",
    "apply",
    "backbone",
    "default_dim",
    "init_params",
    "masked_mean",
]

"""Encoders, decoders, heads and critics: the only room that imports flax.linen."""

from mmalign.models.aggregators import Expander, aggregator
from mmalign.models.backbone import Backbone, backbone
from mmalign.models.conv import masked_mean
from mmalign.models.critics import Critic, Stem
from mmalign.models.heads import Classifier, Linear, Projector
from mmalign.models.patches import Patching
from mmalign.models.recurrent import Context

__all__ = [
    "Backbone",
    "Classifier",
    "Context",
    "Critic",
    "Expander",
    "Linear",
    "Patching",
    "Projector",
    "Stem",
    "aggregator",
    "backbone",
    "masked_mean",
]

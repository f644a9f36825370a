"""Encoders, decoders, heads and critics: the only room that imports flax.linen."""

from mmalign.models.backbone import Backbone, backbone
from mmalign.models.critics import Critic, Stem
from mmalign.models.heads import Linear, Projector
from mmalign.models.patches import Patching

__all__ = ["Backbone", "Critic", "Linear", "Patching", "Projector", "Stem", "backbone"]

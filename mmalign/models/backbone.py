"""Backbones by name."""

from typing import Any

from mmalign import options as checks
from mmalign.models import (
    alexnet,
    causal_conv,
    compact,
    conv,
    deep_conv_lstm,
    deepsense,
    gru,
    imu,
    mlp,
    resnet,
    small_conv2d,
    swin,
    transformer,
)
from mmalign.models.contract import Backbone

__all__ = ["Backbone", "backbone", "default_dim"]

_FAMILIES = {
    "alexnet": alexnet,
    "causal_conv": causal_conv,
    "compact": compact,
    "conv": conv,
    "deep_conv_lstm": deep_conv_lstm,
    "deepsense": deepsense,
    "gru": gru,
    "imu": imu,
    "mlp": mlp,
    "resnet": resnet,
    "small_conv2d": small_conv2d,
    "swin": swin,
    "transformer": transformer,
}


def backbone(
    name: str, size: tuple[int, int], channels: int, *, preset: str | None = None, **options: Any
) -> Backbone:
    """Encoder, decoder and patch grid of one modality.

    Args:
      name: of a family; "causal_conv", "compact", "conv", "deep_conv_lstm", "deepsense", "imu" and
        "swin" are made for series, "alexnet", "resnet" and "small_conv2d" for images, "mlp" for
        vectors, "gru" for sequences, "transformer" for these and, with a pair as patch, images.
      size: (rows, cols) of a window: time steps and 1, intervals and bins, height and width,
        features and 1, tokens and 1.
      channels: of a window.
      preset: name of a published set of options, see PRESETS of the family.
      **options: as the family's `build` lists them; they win over the preset.
    Raises: ValueError if there is no such name, preset or option.
    """
    family = _family(name)
    checks.check(name, options, [*checks.of(family.build), "preset"])
    return family.build(tuple(size), channels, **{**_preset(name, preset), **options})


def default_dim(name: str, *, preset: str | None = None) -> int:
    """Width of the embedding of a family, where its option `dim` is left out.

    Raises: ValueError if there is no such name or preset.
    """
    return {**checks.of(_family(name).build), **_preset(name, preset)}["dim"]


def _family(name):
    return _FAMILIES[checks.known("backbone", name, _FAMILIES)]


def _preset(name, preset):
    if preset is None:
        return {}
    presets = _family(name).PRESETS
    return presets[checks.known(f"preset of {name}", preset, presets)]

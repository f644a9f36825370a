"""Backbones by name."""

import inspect

from mmalign.models import compact, conv, deep_conv_lstm, deepsense, swin
from mmalign.models.contract import Backbone

__all__ = ["Backbone", "backbone"]

_FAMILIES = {
    "swin": swin,
    "deepsense": deepsense,
    "compact": compact,
    "conv": conv,
    "deep_conv_lstm": deep_conv_lstm,
}


def backbone(name, size, channels, *, preset=None, **options):
    """Encoder, decoder and patch grid of one modality.

    Args:
      name: "swin", "deepsense", "compact", "conv" or "deep_conv_lstm".
      size: (rows, cols) of a window: intervals and bins, or time steps and 1.
      channels: of a window.
      preset: name of a published set of options, see PRESETS of the family.
      **options: as the family's `build` lists them; they win over the preset.
    Returns: Backbone.
    Raises: ValueError if there is no such name, preset or option.
    """
    family = _FAMILIES[_known("backbone", name, _FAMILIES)]
    if preset is not None:
        options = {**family.PRESETS[_known(f"preset of {name}", preset, family.PRESETS)], **options}
    parameters = inspect.signature(family.build).parameters.values()
    allowed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for option in options:
        _known(f"option of {name}", option, [*allowed, "preset"])
    return family.build(tuple(size), channels, **options)


def _known(what, name, names):
    if name not in names:
        raise ValueError(f"no {what} is called {name!r}; there is {', '.join(sorted(names))}")
    return name

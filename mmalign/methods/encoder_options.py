"""Options of encoders as a config has them: by kind, by modality, lengths in seconds."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax

from mmalign import options as checks
from mmalign.augment import interval_fft, intervals
from mmalign.methods.contract import Modality
from mmalign.models import default_dim

# encoders of modalities other than series, whose encoder a config names
ENCODERS = {"image": "small_conv2d", "vector": "mlp", "sequence": "transformer"}
# patches of a series where a config leaves them open: slow sensors have few samples a second
PATCH_S, PATCH_SAMPLES = 0.16, 4


def encoder_options(
    encoder: Mapping[str, Any], modalities: Mapping[str, Modality]
) -> dict[str, dict[str, Any]]:
    """{modality: options of its encoder}, of `config.encoder` as `sensors` reads it."""
    encoder = dict(encoder)
    per_kind = dict(encoder.pop("per_kind", None) or {})
    per_modality = dict(encoder.pop("per_modality", None) or {})
    for kind in per_kind:
        checks.known("kind of encoder.per_kind", kind, ENCODERS)
    for m in per_modality:
        checks.known("modality of encoder.per_modality", m, modalities)
    of_kind = {"series": encoder}
    for kind in {modality.kind for modality in modalities.values()} - {"series"}:
        given = {"name": ENCODERS[kind], **dict(per_kind.get(kind, {}))}
        if not given.get("preset"):  # which has a width of its own
            dim = encoder.get("dim") or default_dim(encoder["name"], preset=encoder.get("preset"))
            given = {"dim": dim, **given}
        of_kind[kind] = given
    return {m: _changed(of_kind[modality.kind], dict(per_modality.get(m, {})))
            for m, modality in modalities.items()}  # fmt: skip


def _changed(options, given):
    """Options with those that are given; of an encoder of another name its width alone stays."""
    if given.get("name", options["name"]) != options["name"]:
        options = {key: options[key] for key in ("dim",) if key in options}
    return {**options, **given}


def of_series(
    options: Mapping[str, Any], modality: Modality
) -> tuple[dict[str, Any], Callable | None, Callable | None]:
    """(Options of the backbone, the spectrogram, which of its intervals hold a valid sample).

    The last two are None where the encoder reads the series itself.
    """
    options = dict(options)
    representation = options.pop("representation", "series")
    interval_s, overlap = options.pop("interval_s", None), options.pop("overlap", 0.0)
    patch_s, kernels_s = options.pop("patch_s", 0), options.pop("kernels_s", None)
    checks.one_of("encoder.representation", representation, ("series", "spectrogram"))
    if representation == "series":
        if patch_s is None:
            options["patch"] = max(_samples("patch_s", PATCH_S, modality), PATCH_SAMPLES)
        elif patch_s:
            options["patch"] = _samples("patch_s", patch_s, modality)
        if kernels_s is not None:
            options["kernels"] = tuple(_samples("kernels_s", s, modality) for s in kernels_s)
        return options, None, None
    if not interval_s:
        raise ValueError("encoder.interval_s is needed with representation='spectrogram'")
    interval = _samples("interval_s", interval_s, modality)
    fft = jax.vmap(functools.partial(interval_fft, interval=interval, overlap=overlap))
    cut = jax.vmap(functools.partial(intervals, interval=interval, overlap=overlap))
    # orthonormal, so that standardised samples give coefficients of that order of size
    return options, lambda x: fft(x) / interval**0.5, lambda valid: cut(valid).any(axis=2)


def _samples(option, seconds, modality):
    """A number of samples, one at least."""
    if modality.rate_hz is None:
        raise ValueError(f"encoder.{option} is in seconds: the modality needs a rate_hz")
    return max(1, round(seconds * modality.rate_hz))

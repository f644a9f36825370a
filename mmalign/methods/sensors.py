"""From windows to what encoders read, per modality: augmentation, spectrogram, backbone."""

import functools
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import jax

from mmalign.augment import Policy, interval_fft
from mmalign.methods.contract import RESERVED
from mmalign.models import Backbone, backbone


class Sensors(NamedTuple):
    """The front end that all methods share.

    backbones: {modality: Backbone}.
    transforms: {modality: [b, time, channels] -> [b, rows, cols, channels']}.
    policy: the augmentation policy, or None.
    spectral: modalities whose encoders read spectrograms.
    """

    backbones: Mapping[str, Backbone]
    transforms: Mapping
    policy: Policy | None
    spectral: frozenset[str]

    def grids(self, inputs):
        """What the encoders read, without augmentation."""
        return {m: self.transforms[m](x) for m, x in inputs.items()}

    def view(self, key, inputs):
        """A randomly augmented view of {modality: [b, time, channels]}, as encoders read it."""
        if self.policy is None:
            return self.grids(inputs)
        series = {m: x for m, x in inputs.items() if m not in self.spectral}
        views = self.grids(self.policy(key, series)) if series else {}
        if spectra := {m: inputs[m] for m in inputs if m in self.spectral}:
            plan = self.policy.draw(key, len(next(iter(spectra.values()))))  # as `policy` draws it
            views |= self.policy.spectrogram(plan, self.grids(self.policy.series(plan, spectra)))
        return {m: views[m] for m in inputs}

    def two_views(self, key, inputs):
        """Two views drawn independently, {m: [2, b, rows, cols, channels]}."""
        return jax.vmap(self.view, in_axes=(0, None))(jax.random.split(key), inputs)

    def encode(self, m, params, x, *, masked=None, key=None):
        """Embedding [b, dim] of modality m; dropout is on if there is a key."""
        rngs = None if key is None else {"dropout": key}
        variables = {"params": params}
        return self.backbones[m].encoder.apply(variables, x, masked, key is not None, rngs=rngs)

    def features(self, m, params, x, *, key=None):
        """Feature map [b, time, dim] of modality m, of encoders that have one; see `encode`."""
        rngs = None if key is None else {"dropout": key}
        encoder, variables = self.backbones[m].encoder, {"params": params}
        return encoder.apply(variables, x, None, key is not None, rngs=rngs, method="features")

    def decode(self, m, params, code, *, key=None):
        """Patches [b, H, W, values] of modality m from a code [b, any]."""
        rngs = None if key is None else {"dropout": key}
        return self.backbones[m].decoder.apply({"params": params}, code, key is not None, rngs=rngs)


def sensors(config, modalities) -> Sensors:
    """Builds the front end.

    Args:
      config: `encoder` {name, representation "series" or "spectrogram", interval_s and overlap of
        the spectrogram, patch_s (a patch of a series, in seconds), kernels_s (the kernels of
        "conv", in seconds at stride 1), per_modality {modality: options}, options of the backbone
        ...} and `augment` {pool, probability, per} or None.
      modalities: {name: Modality}.
    Raises: ValueError naming the option.
    """
    for m in modalities:
        if m in RESERVED:
            raise ValueError(f"a modality cannot be called {m!r}: it is a part of embeddings")
    encoder = dict(config["encoder"])
    per_modality = dict(encoder.pop("per_modality", None) or {})
    for m in per_modality:
        if m not in modalities:
            raise ValueError(
                f"encoder.per_modality names {m!r}; there is {', '.join(sorted(modalities))}"
            )
    built = {m: _sensor({**encoder, **dict(per_modality.get(m, {}))}, modality)
             for m, modality in modalities.items()}  # fmt: skip
    augment = config.get("augment")
    return Sensors(
        backbones={m: parts[0] for m, parts in built.items()},
        transforms={m: parts[1] for m, parts in built.items()},
        policy=Policy(**dict(augment)) if augment and augment["pool"] else None,
        spectral=frozenset(m for m, parts in built.items() if parts[2]),
    )


def _sensor(options, modality):
    representation = options.pop("representation", "series")
    interval_s, overlap = options.pop("interval_s", None), options.pop("overlap", 0.0)
    patch_s, kernels_s = options.pop("patch_s", None), options.pop("kernels_s", None)
    time, channels = modality.shape
    if representation == "series":
        if patch_s is not None:
            options["patch"] = max(1, round(patch_s * modality.rate_hz))
        if kernels_s is not None:
            options["kernels"] = tuple(max(1, round(s * modality.rate_hz)) for s in kernels_s)
        transform = lambda x: x[:, :, None, :]
    elif representation == "spectrogram":
        if not interval_s:
            raise ValueError("encoder.interval_s is needed with representation='spectrogram'")
        interval = round(interval_s * modality.rate_hz)
        fft = functools.partial(interval_fft, interval=interval, overlap=overlap)
        # orthonormal, so that standardised samples give coefficients of that order of size
        transform = lambda x: jax.vmap(fft)(x) / interval**0.5
    else:
        raise ValueError(
            f"encoder.representation must be series or spectrogram, got {representation!r}"
        )
    grid = jax.eval_shape(transform, jax.ShapeDtypeStruct((1, time, channels), "float32"))
    _, rows, cols, values = grid.shape
    built = backbone(options.pop("name"), (rows, cols), values, **options)
    return built, transform, representation == "spectrogram"


def named_key(key, *names):
    """A key for each name: the draws of one modality do not depend on which others there are.

    No key (None) gives none, where there is nothing to draw.
    """
    for name in names if key is not None else ():
        key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return key

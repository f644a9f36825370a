"""From windows to what encoders read, per modality: augmentation, grid, backbone."""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, overload

import jax

from mmalign import options as checks
from mmalign.augment import Policy, interval_fft, intervals
from mmalign.methods.contract import Modality, check_modalities
from mmalign.models import Backbone, Encoded, apply, backbone, default_dim

# encoders of modalities other than series, whose encoder a config names
ENCODERS = {"image": "small_conv2d", "vector": "mlp", "sequence": "transformer"}
# patches of a series where a config leaves them open: slow sensors have few samples a second
PATCH_S, PATCH_SAMPLES = 0.16, 4
_GRIDS = {
    "series": lambda x: x[:, :, None],
    "image": lambda x: x,
    "vector": lambda x: x[:, :, None, None],
    "sequence": lambda x: x[:, :, None],
}


class Sensors(NamedTuple):
    """The front end that all methods share.

    backbones: {modality: Backbone}.
    transforms: {modality: [b, *shape] -> [b, rows, cols, channels]}.
    policy: the augmentation policy, or None.
    kinds: {modality: "series", "image", "vector" or "sequence"}.
    spectral: {modality: bool [b, time] -> bool [b, rows]}, series whose encoders read spectrograms,
      and which intervals hold a valid sample.
    """

    backbones: Mapping[str, Backbone]
    transforms: Mapping[str, Callable]
    policy: Policy | None
    kinds: Mapping[str, str]
    spectral: Mapping[str, Callable]

    def grids(self, inputs: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """What the encoders read, without augmentation."""
        return {m: self.transforms[m](x) for m, x in inputs.items()}

    def view(self, key: jax.Array, inputs: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """A randomly augmented view of {modality: [b, *shape]}, as encoders read it."""
        if self.policy is None:
            return self.grids(inputs)
        plain = {m: x for m, x in inputs.items() if m not in self.spectral}
        views = self.grids(self.policy(key, plain)) if plain else {}
        if spectra := {m: inputs[m] for m in inputs if m in self.spectral}:
            plan = self.policy.draw(key, len(next(iter(spectra.values()))))  # as `policy` draws it
            views |= self.policy.spectrogram(plan, self.grids(self.policy.series(plan, spectra)))
        return {m: views[m] for m in inputs}

    def view_valid(self, key: jax.Array, valid: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Which samples are valid in `view(key, inputs)`: {m: bool [b, time]}.

        valid: {m: bool [b, time]} of the inputs, of the series that have gaps. Augmentations that
        move samples in time move the gaps alike: a sample that was not valid never is in the view.
        """
        return dict(valid) if self.policy is None else self.policy.valid(key, valid)

    def two_views(self, key: jax.Array, inputs: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Two views drawn independently, {m: [2, b, rows, cols, channels]}."""
        return jax.vmap(self.view, in_axes=(0, None))(jax.random.split(key), inputs)

    def two_views_valid(
        self, key: jax.Array, valid: Mapping[str, jax.Array]
    ) -> dict[str, jax.Array]:
        """Which samples are valid in `two_views(key, inputs)`: {m: bool [2, b, time]}."""
        return jax.vmap(self.view_valid, in_axes=(0, None))(jax.random.split(key), valid)

    def encode(
        self, m: str, params: Any, x: jax.Array, *, masked: jax.Array | None = None,
        key: jax.Array | None = None, valid: jax.Array | None = None,
    ) -> jax.Array:  # fmt: skip
        """Embedding [b, dim] of modality m; see `tokens`."""
        return self.tokens(m, params, x, masked=masked, key=key, valid=valid)["pooled"]

    def tokens(
        self, m: str, params: Any, x: jax.Array, *, masked: jax.Array | None = None,
        key: jax.Array | None = None, valid: jax.Array | None = None,
    ) -> Encoded:  # fmt: skip
        """Tokens, their mask and the embedding of modality m.

        Args:
          params: of its encoder. x: its grid.
          masked: bool [b, H, W], the patches that are hidden.
          key: of dropout, which is on if there is one.
          valid: bool [b, time], the samples that were measured; None for all.
        """
        rngs = None if key is None else {"dropout": key}
        encoder: Any = self.backbones[m].encoder
        rows = self._rows(m, valid)
        return encoder.apply({"params": params}, x, masked, key is not None, rows, rngs=rngs)

    def decode(
        self, m: str, params: Any, code: jax.Array, *, key: jax.Array | None = None
    ) -> jax.Array:
        """Patches [b, H, W, values] of modality m from a code [b, any]."""
        rngs = None if key is None else {"dropout": key}
        return apply(self.backbones[m].decoder, params, code, key is not None, rngs=rngs)

    def _rows(self, m, valid):
        """Of valid samples, the rows of the grid that hold one."""
        return self.spectral[m](valid) if valid is not None and m in self.spectral else valid


def sensors(config: Mapping[str, Any], modalities: Mapping[str, Modality]) -> Sensors:
    """Builds the front end.

    Args:
      config: `encoder` and `augment`.
        encoder: {name, representation "series" or "spectrogram", interval_s and overlap of the
          spectrogram, patch_s (a patch of a series, in seconds; None: PATCH_S, PATCH_SAMPLES at
          least), kernels_s (the kernels of "conv", in seconds at stride 1), options of the backbone
          ...} for series; `per_kind` {"image", "vector" or "sequence": {name, options of the
          backbone ...}} for the others, by default those of ENCODERS, as wide as the series'
          encoder; and `per_modality` {modality: options}, which win over both (with
          another `name`, only `dim` stays of them).
        augment: attributes of `Policy` other than `kinds`; None, or an empty `pool`, for no
          augmentation of anything.
      modalities: {name: Modality}.
    Raises: ValueError naming the option.
    """
    check_modalities(modalities)
    of_encoders = _encoder_options(dict(config["encoder"]), modalities)
    backbones, transforms, spectral = {}, {}, {}
    for m, modality in modalities.items():
        options, transforms[m] = of_encoders[m], _GRIDS[modality.kind]
        if modality.kind == "series":
            options, spectrum, held = _series(options, modality)
            if spectrum is not None:
                transforms[m], spectral[m] = spectrum, held
        like = jax.ShapeDtypeStruct((1, *modality.shape), "float32")
        _, rows, cols, channels = jax.eval_shape(transforms[m], like).shape
        backbones[m] = backbone(options.pop("name"), (rows, cols), channels, **options)
    kinds = {m: modality.kind for m, modality in modalities.items()}
    return Sensors(backbones, transforms, _policy(config.get("augment"), kinds), kinds, spectral)


def _encoder_options(encoder, modalities):
    """{modality: options of its encoder}."""
    per_kind = dict(encoder.pop("per_kind", None) or {})
    per_modality = dict(encoder.pop("per_modality", None) or {})
    for kind in per_kind:
        checks.known("kind of encoder.per_kind", kind, ENCODERS)
    for m in per_modality:
        checks.known("modality of encoder.per_modality", m, modalities)
    of_kind = {"series": encoder}
    for kind in {modality.kind for modality in modalities.values()} - {"series"}:
        dim = encoder.get("dim") or default_dim(encoder["name"], preset=encoder.get("preset"))
        of_kind[kind] = {"name": ENCODERS[kind], "dim": dim, **dict(per_kind.get(kind, {}))}
    return {m: _changed(of_kind[modality.kind], dict(per_modality.get(m, {})))
            for m, modality in modalities.items()}  # fmt: skip


def _changed(options, given):
    """Options with those that are given; of an encoder of another name its width alone stays."""
    if given.get("name", options["name"]) != options["name"]:
        options = {key: options[key] for key in ("dim",) if key in options}
    return {**options, **given}


def _series(options, modality):
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


def _policy(augment, kinds):
    """The augmentation policy of a config, or None."""
    given = {option: value for option, value in dict(augment or {}).items() if value is not None}
    if not given or not given.get("pool", True):
        return None
    checks.check(
        "augment", given, [f.name for f in dataclasses.fields(Policy) if f.name != "kinds"]
    )
    return Policy(**given, kinds=kinds)


@overload
def named_key(key: jax.Array, *names: str) -> jax.Array: ...
@overload
def named_key(key: None, *names: str) -> None: ...
def named_key(key: jax.Array | None, *names: str) -> jax.Array | None:
    """A key for each name: the draws of one modality do not depend on which others there are.

    No key (None) gives none, where there is nothing to draw.
    """
    if key is None:
        return None
    for name in names:
        key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return key

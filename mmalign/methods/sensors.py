"""From windows to what encoders read, per modality: augmentation, grid, backbone."""

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, overload

import jax

from mmalign import options as checks
from mmalign.augment import Policy
from mmalign.methods.contract import Modality, check_modalities
from mmalign.methods.encoder_options import encoder_options, of_series
from mmalign.models import Backbone, Encoded, apply, backbone

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

    def among(self, names: Sequence[str]) -> "Sensors":
        """The front end of some modalities alone, without augmentation."""
        kept = lambda column: {m: column[m] for m in names if m in column}
        return Sensors(
            kept(self.backbones), kept(self.transforms), None, kept(self.kinds), kept(self.spectral)
        )

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
        rows, train = self._rows(m, valid), key is not None
        return apply(self.backbones[m].encoder, params, x, masked, rows, rngs=rngs, train=train)

    def decode(
        self, m: str, params: Any, code: jax.Array, *, key: jax.Array | None = None
    ) -> jax.Array:
        """Patches [b, H, W, values] of modality m from a code [b, any]."""
        rngs = None if key is None else {"dropout": key}
        train = key is not None
        return apply(self.backbones[m].decoder, params, code, rngs=rngs, train=train)

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
          encoder unless there is a preset; and `per_modality` {modality: options}, which win over
          both (with another `name`, only `dim` stays of them). Capitals are those of
          `encoder_options`.
        augment: attributes of `Policy` other than `kinds`; None, or an empty `pool`, for no
          augmentation of anything.
      modalities: {name: Modality}.
    Raises: ValueError naming the option.
    """
    check_modalities(modalities)
    of_encoders = encoder_options(config["encoder"], modalities)
    backbones, transforms, spectral = {}, {}, {}
    for m, modality in modalities.items():
        options, transforms[m] = of_encoders[m], _GRIDS[modality.kind]
        if modality.kind == "series":
            options, spectrum, held = of_series(options, modality)
            if spectrum is not None:
                transforms[m], spectral[m] = spectrum, held
        like = jax.ShapeDtypeStruct((1, *modality.shape), "float32")
        _, rows, cols, channels = jax.eval_shape(transforms[m], like).shape
        backbones[m] = backbone(options.pop("name"), (rows, cols), channels, **options)
    kinds = {m: modality.kind for m, modality in modalities.items()}
    return Sensors(backbones, transforms, _policy(config.get("augment"), kinds), kinds, spectral)


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

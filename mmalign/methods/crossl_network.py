"""CroSSL's networks: encoders of all modalities, the aggregator of their latents, the expander."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmalign.augment import hide, latent_mask
from mmalign.augment.latent_spec import LatentMask
from mmalign.methods.contract import Modality, where_present
from mmalign.methods.encoders import Seen, encode, widths
from mmalign.methods.sensors import Sensors, named_key
from mmalign.models import Encoded, Expander, aggregator, apply, init_params


class Network(NamedTuple):
    """All that has parameters, and the masks that it is made for.

    front: one encoder per modality; the latents are in the order of `names`.
    seconds: {m: length of a window}, of masks of time; else empty.
    width: of the widest latent.
    fuse: the aggregator. expand: the expander, or None.
    encoder_init, encoder_dropout: see `crossl.create`.
    """

    front: Sensors
    names: tuple[str, ...]
    seconds: Mapping[str, float]
    width: int
    mask: LatentMask
    fuse: Any
    expand: Any
    encoder_init: str
    encoder_dropout: bool

    def init(self, key: jax.Array, batch: Mapping) -> dict:
        """All parameters."""
        grids = self.front.grids(batch["inputs"])
        seed = lambda m: named_key(key, "encoder" if self.encoder_init == "shared" else m)
        encoders = {
            m: init_params(self.front.backbones[m].encoder, seed(m), x) for m, x in grids.items()
        }
        count = len(self.names)
        latents, kept = jnp.zeros((1, count, self.width)), jnp.ones((1, count), bool)
        params = {
            "sensors": {m: {"encoder": encoders[m]} for m in self.names},
            "aggregator": init_params(self.fuse, named_key(key, "aggregator"), latents, kept),
        }
        if self.mask.fill == "token":
            token = 0.02 * jax.random.normal(named_key(key, "token"), (count, self.width))
            params["mask_token"] = token
        if self.expand is not None:
            z = jnp.zeros((1, self.fuse.out))
            params["expander"] = init_params(self.expand, named_key(key, "expander"), z)
        return params

    def stack(self, parts: Mapping[str, jax.Array]) -> jax.Array:
        """{m: [b]} -> [b, modalities]."""
        return jnp.stack([parts[m] for m in self.names], axis=1)

    def latents(self, parts: Mapping[str, jax.Array]) -> jax.Array:
        """{m: [b, d]} -> [b, modalities, width], with zeros behind what is narrower."""
        wide = lambda z: jnp.pad(z, ((0, 0), (0, self.width - z.shape[1])))
        return self.stack({m: wide(z) for m, z in parts.items()})

    def encode(
        self, params: Mapping, seen: Seen, present: Mapping, key: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        """Latents {m: [b, width]}, zeros where absent; `key` is for dropout."""
        out = {}
        for m in seen.grids:
            encoder, draw = params["sensors"][m]["encoder"], self._dropout(key, m)
            out[m] = where_present(encode(self.front, m, encoder, seen, key=draw), present[m])
        return out

    def tokens(
        self, params: Mapping, seen: Seen, key: jax.Array | None = None
    ) -> dict[str, Encoded]:
        """Feature maps that latents are the means of, and the steps that hold samples."""
        out = {}
        for m, x in seen.grids.items():
            encoder, draw = params["sensors"][m]["encoder"], self._dropout(key, m)
            out[m] = self.front.tokens(m, encoder, x, key=draw, valid=seen.valid.get(m))
        return out

    def aggregate(
        self, params: Mapping, latents: jax.Array, keep: jax.Array, progress: float = 1.0
    ) -> jax.Array:
        """z [..., out] of latents [..., modalities, width], of which some are kept."""
        token = params.get("mask_token")
        latents = hide(latents, keep, self.mask, token=token, progress=progress)
        flat = latents.reshape(-1, *latents.shape[-2:])
        kept = keep.any(axis=-1).reshape(-1, len(self.names))
        z = apply(self.fuse, params["aggregator"], flat, kept)
        return z.reshape(*latents.shape[:-2], -1)

    def complete(self, params: Mapping, parts: Mapping, present: jax.Array) -> jax.Array:
        """z [b, out] of all that is present; rescaling is for masked views alone.

        parts: latents {m: [b, width]}. present: bool [b, modalities].
        """
        latents = self.latents(parts)
        keep = jnp.broadcast_to(present[..., None], latents.shape)
        unscaled = self.mask._replace(rescale="none")
        latents = hide(latents, keep, unscaled, token=params.get("mask_token"))
        return apply(self.fuse, params["aggregator"], latents, present)

    def expanded(self, params: Mapping, z: jax.Array) -> jax.Array:
        """What the loss compares."""
        if self.expand is None:
            return z
        return apply(self.expand, params["expander"], z)

    def kernel_squares(self, params: Mapping, present: Mapping) -> jax.Array:
        """Sum of squares of the encoders' convolution kernels, without absent modalities."""
        each = (
            jnp.where(present[m].any(), _kernel_squares(params["sensors"][m]["encoder"]), 0.0)
            for m in self.names
        )
        return functools.reduce(jnp.add, each)

    def _dropout(self, key, m):
        return named_key(key, "dropout", m) if self.encoder_dropout else None


def network(
    front: Sensors, modalities: Mapping[str, Modality], options: Mapping[str, Any]
) -> Network:
    """Builds it.

    Args:
      front: with an encoder for each of the modalities.
      options: of CroSSL, resolved.
    Raises: ValueError naming the option.
    """
    names = tuple(modalities)
    mask, kind = latent_mask(names, **options["mask"]), options["aggregator"]["name"]
    partly = mask.strategy in ("random", "feature_shared")
    if mask.fill == "token" and kind == "attention" and not partly:
        raise ValueError(
            "method.mask.fill='token' has no effect with aggregator 'attention', which leaves out "
            f"latents that are hidden whole, as strategy {mask.strategy!r} does: take fill='zero'"
        )
    return Network(
        front,
        names,
        {} if mask.time_keep_prob is None else _seconds(front, modalities),
        max(widths(front).values()),
        mask,
        fuse=aggregator(modalities=names, **options["aggregator"]),
        expand=Expander(tuple(options["expander"])) if options["expander"] else None,
        encoder_init=options["encoder_init"],
        encoder_dropout=options["encoder_dropout"],
    )


def _seconds(front, modalities):
    """{m: length of a window}, of modalities whose encoders keep time until the end."""
    for m, modality in modalities.items():
        if modality.kind != "series":
            raise ValueError(f"masks of time are for series alone, {m!r} is {modality.kind!r}")
        if not hasattr(front.backbones[m].encoder, "features"):
            raise ValueError(f"masks of time need an encoder with a feature map, for {m!r} too")
    return {m: modality.shape[0] / modality.rate_hz for m, modality in modalities.items()}


def _kernel_squares(params):
    """Sum of squares of convolution kernels, those with an axis besides input and output."""
    return sum(
        jnp.square(x).sum()
        for path, x in jax.tree.leaves_with_path(params)
        if path[-1].key == "kernel" and x.ndim > 2
    )

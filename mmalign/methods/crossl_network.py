"""CroSSL's networks: encoders of all modalities, the aggregator of their latents, the expander."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmalign.augment import hide, latent_mask
from mmalign.augment.latent import LatentMask
from mmalign.methods.contract import where_present
from mmalign.methods.sensors import Sensors, named_key, sensors
from mmalign.models import Expander, aggregator


class Network(NamedTuple):
    """All that has parameters, and the masks that it is made for.

    front: one encoder per modality, of one `width`; the latents are in the order of `names`.
    seconds: {m: length of a window}.
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

    def init(self, key, batch):
        """All parameters."""
        grids = self.front.grids(batch["inputs"])
        seed = lambda m: named_key(key, "encoder" if self.encoder_init == "shared" else m)
        encoders = {m: self.front.backbones[m].encoder.init(seed(m), x)["params"]
                    for m, x in grids.items()}  # fmt: skip
        count = len(self.names)
        latents, kept = jnp.zeros((1, count, self.width)), jnp.ones((1, count), bool)
        params = {
            "sensors": {m: {"encoder": encoders[m]} for m in self.names},
            "aggregator": self.fuse.init(named_key(key, "aggregator"), latents, kept)["params"],
        }
        if self.mask.fill == "token":
            token = 0.02 * jax.random.normal(named_key(key, "token"), (count, self.width))
            params["mask_token"] = token
        if self.expand is not None:
            z = jnp.zeros((1, self.fuse.out))
            params["expander"] = self.expand.init(named_key(key, "expander"), z)["params"]
        return params

    def stack(self, parts):
        """{m: [b, ...]} -> [b, modalities, ...]."""
        return jnp.stack([parts[m] for m in self.names], axis=1)

    def encode(self, params, grids, present, key=None):
        """Latents {m: [b, width]}, zeros where absent; `key` is for dropout."""
        return {
            m: where_present(
                self.front.encode(m, params["sensors"][m]["encoder"], x, key=self._dropout(key, m)),
                present[m],
            )
            for m, x in grids.items()
        }

    def features(self, params, grids, key=None):
        """Feature maps {m: [b, time, width]} that latents are the means of."""
        return {
            m: self.front.features(
                m, params["sensors"][m]["encoder"], x, key=self._dropout(key, m)
            )
            for m, x in grids.items()
        }  # fmt: skip

    def aggregate(self, params, latents, keep, progress=1.0):
        """z [..., out] of latents [..., modalities, width], of which some are kept."""
        token = params.get("mask_token")
        latents = hide(latents, keep, self.mask, token=token, progress=progress)
        flat = latents.reshape(-1, *latents.shape[-2:])
        kept = keep.any(axis=-1).reshape(-1, len(self.names))
        z = self.fuse.apply({"params": params["aggregator"]}, flat, kept)
        return z.reshape(*latents.shape[:-2], -1)

    def complete(self, params, parts, there):
        """z [b, out] of all that is present; rescaling is for masked views alone.

        parts: latents {m: [b, width]}. there: bool [b, modalities].
        """
        latents = self.stack(parts)
        keep = jnp.broadcast_to(there[..., None], latents.shape)
        unscaled = self.mask._replace(rescale="none")
        latents = hide(latents, keep, unscaled, token=params.get("mask_token"))
        return self.fuse.apply({"params": params["aggregator"]}, latents, there)

    def expanded(self, params, z):
        """What the loss compares."""
        if self.expand is None:
            return z
        return self.expand.apply({"params": params["expander"]}, z)

    def kernel_squares(self, params, present):
        """Sum of squares of the encoders' convolution kernels, without absent modalities."""
        return sum(
            jnp.where(present[m].any(), _kernel_squares(params["sensors"][m]["encoder"]), 0.0)
            for m in self.names
        )

    def _dropout(self, key, m):
        return named_key(key, "dropout", m) if self.encoder_dropout else None


def network(config, modalities, options) -> Network:
    """Builds it.

    Args:
      config: `encoder` and `augment`, as `sensors` reads them.
      modalities: {name: Modality}.
      options: of CroSSL, resolved.
    Raises: ValueError naming the option.
    """
    front, names = sensors(config, modalities), tuple(modalities)
    mask = latent_mask(names, **options["mask"])
    width = _common_width(front)
    if mask.time_keep_prob is not None:
        for m in names:
            if not hasattr(front.backbones[m].encoder, "features"):
                raise ValueError(f"masks of time need an encoder with a feature map, for {m!r} too")
    fuse = aggregator(modalities=names, **options["aggregator"])
    expand = Expander(tuple(options["expander"])) if options["expander"] else None
    seconds = {m: modality.shape[0] / modality.rate_hz for m, modality in modalities.items()}
    return Network(
        front, names, seconds, width, mask, fuse, expand, options["encoder_init"],
        options["encoder_dropout"],
    )  # fmt: skip


def _kernel_squares(params):
    """Sum of squares of convolution kernels, those with an axis besides input and output."""
    return sum(
        jnp.square(x).sum() for path, x in jax.tree.leaves_with_path(params)
        if path[-1].key == "kernel" and x.ndim > 2
    )  # fmt: skip


def _common_width(front):
    widths = {m: backbone.dim for m, backbone in front.backbones.items()}
    if len(set(widths.values())) > 1:
        raise ValueError(f"latents need one width, encoder.dim is {widths}")
    return next(iter(widths.values()))

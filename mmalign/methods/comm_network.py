"""CoMM's networks: encoders, tokens of one width, the transformer that fuses them, its head."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmalign import options as checks
from mmalign.methods.contract import KINDS, Modality
from mmalign.methods.encoders import Seen, init_encoders
from mmalign.methods.sensors import Sensors, named_key
from mmalign.models import (
    CONVERTERS,
    Converter,
    FusionTransformer,
    ProjectionHead,
    apply,
    init_params,
)

# A series' encoder says what its statistics are in its embedding alone.
DEFAULT_CONVERTERS = {
    "series": ("patches", "singleton"),
    "image": ("patches",),
    "vector": ("features",),
    "sequence": ("tokens",),
}


class Tokens(NamedTuple):
    """Of all modalities side by side.

    x: [b, t, width]. mask: bool [b, t], those that hold samples of a modality that is present.
    owner: int [t], the number of the modality of each, ascending.
    """

    x: jax.Array
    mask: jax.Array
    owner: np.ndarray


class Network(NamedTuple):
    """All that has parameters.

    front: one encoder per modality. converters: {modality: Converter}.
    replaced: whether a learned token stands for what masks of modalities hide. token: whether
      there is such a token.
    """

    front: Sensors
    converters: Mapping[str, Converter]
    fusion: FusionTransformer
    head: ProjectionHead
    replaced: bool
    token: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Of the modalities, in the order of their tokens."""
        return tuple(self.converters)

    def init(self, key: jax.Array, batch: Mapping) -> dict:
        """All parameters."""
        grids = self.front.grids(batch["inputs"])
        params = init_encoders(self.front, key, grids)
        for m, of in params.items():
            encoded = jax.eval_shape(self._encoded(m), of, grids[m])
            of["converter"] = init_params(
                self.converters[m], named_key(key, m, "converter"), encoded
            )
        width = self.fusion.width
        tokens, keep = np.ones((1, 1, width), np.float32), np.ones((1, 1), bool)
        drawn = {
            "sensors": params,
            "fusion": init_params(self.fusion, named_key(key, "fusion"), tokens, keep),
            "head": init_params(self.head, named_key(key, "head"), tokens, keep),
        }
        if self.token:
            start = jax.random.truncated_normal(named_key(key, "mask_token"), -1, 1, (width,))
            drawn["mask_token"] = 0.02 * start
        return drawn

    def tokens(
        self, params: Mapping, seen: Seen, present: Mapping, key: jax.Array | None = None
    ) -> Tokens:
        """Each modality encoded once; dropout is on if there is a key."""
        xs, masks, owner = [], [], []
        for i, m in enumerate(self.names):
            of = params["sensors"][m]
            draw, valid = named_key(key, m), seen.valid.get(m)
            encoded = self.front.tokens(m, of["encoder"], seen.grids[m], key=draw, valid=valid)
            x, mask = apply(self.converters[m], of["converter"], encoded)
            xs.append(x)
            masks.append(mask & present[m][:, None])
            owner += [i] * x.shape[1]
        x, mask = jnp.concatenate(xs, axis=1), jnp.concatenate(masks, axis=1)
        return Tokens(x, mask, np.array(owner))

    def fused(self, params: Mapping, tokens: Tokens) -> jax.Array:
        """[modalities + 1, b, width]: of each modality alone, and last of all of them.

        Hidden tokens are left out or, where they are `replaced`, stand there as learned ones; and
        so do those of modalities that are absent.
        """
        whose = np.arange(len(self.names))[:, None] == tokens.owner  # [modalities, t]
        whose = np.concatenate([whose, np.ones((1, len(tokens.owner)), bool)])
        read = tokens.mask[None] & whose[:, None]
        return self.read(params, tokens, read, ~read if self.replaced else None)

    def read(
        self, params: Mapping, tokens: Tokens, read: jax.Array, hidden: jax.Array | None = None
    ) -> jax.Array:
        """Fused of the tokens that are read: bool [..., b, t] -> [..., b, width].

        hidden: bool [..., b, t], tokens in whose place the learned one stands. They are all alike
        to what fuses them, which is told how many they are.
        """
        if hidden is None:
            return apply(self.fusion, params["fusion"], tokens.x, read)
        token = jnp.broadcast_to(params["mask_token"], (tokens.x.shape[0], 1, self.fusion.width))
        x = jnp.concatenate([tokens.x, token], axis=1)
        count = jnp.concatenate([read, hidden.sum(axis=-1, keepdims=True)], axis=-1)
        return apply(self.fusion, params["fusion"], x, count)

    def compared(self, params: Mapping, z: jax.Array, where: jax.Array) -> jax.Array:
        """What the loss compares, [..., b, out]; where: bool [..., b], the rows that count."""
        return apply(self.head, params["head"], z, where)

    def _encoded(self, m):
        return lambda of, grid: self.front.tokens(m, of["encoder"], grid)


def network(
    front: Sensors, modalities: Mapping[str, Modality], *, width: int, depth: int, heads: int,
    converter: Mapping[str, Any] | None, head: tuple[int, ...], replaced: bool, token: bool,
) -> Network:  # fmt: skip
    """Builds it; options as `comm.create` has them.

    Raises: ValueError naming the option.
    """
    if width % heads or width % 4:
        raise ValueError(f"method.width must be a multiple of 4 and of {heads} heads, got {width}")
    if depth < 1 or len(head) < 2:
        raise ValueError(f"method needs depth 1 or more and two widths of its head or more, "
                         f"got {depth} and {head}")  # fmt: skip
    converter = dict(converter or {})
    for name in converter:
        checks.known("kind or modality of method.converter", name, (*KINDS, *modalities))
    made = {}
    for m, modality in modalities.items():
        names = converter.get(m, converter.get(modality.kind, DEFAULT_CONVERTERS[modality.kind]))
        names = (names,) if isinstance(names, str) else tuple(names)
        for name in names:
            checks.known("method.converter", name, CONVERTERS)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"method.converter of {m!r} needs one or more, each once, got {names}")
        image = modality.kind == "image"
        made[m] = Converter(names, width, (modality.shape[0], modality.shape[1]) if image else None)
    return Network(front, made, FusionTransformer(width, depth, heads), ProjectionHead(head),
                   replaced, token)  # fmt: skip

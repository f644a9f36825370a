"""InfMasking: CoMM, and what is fused of all tokens agrees with what is fused of a few."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmalign import losses
from mmalign.methods.comm import contrasted, copies, method
from mmalign.methods.comm_network import network
from mmalign.methods.contract import Method, Modality
from mmalign.methods.encoders import need_augmentation, need_two
from mmalign.methods.sensors import named_key, sensors


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, width: int = 64, depth: int = 1, heads: int = 8,
    converter: Mapping[str, Any] | None = None, head: Sequence[int] = (512, 512, 256),
    temperature: float = 0.1, weight: Sequence[float] | None = None, draws: int = 6,
    mask_ratio: float = 0.7, least: int = 0, strength: float = 1.0, against: str = "same",
) -> Method:  # fmt: skip
    """InfMasking (Wen et al. 2025, arXiv:2509.25270), for any number of modalities from two on.

    CoMM's terms in its code's form, and one for each copy: of the tokens of every modality most are
    replaced by one that is learned, several times, and the fused embedding is made to agree with
    all of these masked views at once (`losses.infmasking`).

    Args:
      modalities, encoder, augment, width, depth, heads, converter, head, temperature: as in
        `comm.create`; the paper has two layers for three modalities.
      weight: of the terms of both copies, of each modality and, last, of the fused views: their
        mean is not renormalised, as in the code. None for ones.
      draws: of masks of a copy.
      mask_ratio: share of the tokens of a modality that a mask hides; int(tokens (1 - ratio)) stay.
      least: tokens of a modality that stay in any case; 0 in the code, whose masked views never
        show a modality of one token.
      strength: of the variance of masked views at the end; it grows with the steps from 0, in the
        code with the epochs.
      against: masked views of the "same" copy (code), or of the "other" one.
    `embed` and metrics as of CoMM, and `masked`, the mean of the new terms.
    Only masks of all modalities together are drawn; the code also computes, and discards, those of
    each alone. To the transformer all hidden tokens are one token, counted.
    """
    need_two(modalities, "alignment")
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    need_augmentation(front, "infmasking")
    count = len(modalities) + 3
    if weight is not None and len(weight) != count:
        raise ValueError(f"method.weight must be {count} numbers, one a copy, one a modality and "
                         f"one for all, got {tuple(weight)}")  # fmt: skip
    weight = [1.0] * count if weight is None else [*weight]
    if draws < 1 or least < 0 or not 0 <= mask_ratio < 1 or strength < 0:
        raise ValueError(
            "method needs draws of 1 or more, least and strength of 0 or more and a mask_ratio in "
            f"[0, 1), got {draws}, {least}, {strength} and {mask_ratio}"
        )
    if against not in ("same", "other"):
        raise ValueError(f"method.against must be 'same' or 'other', got {against!r}")
    net = network(
        front, modalities, width=width, depth=depth, heads=heads, converter=converter,
        head=tuple(head), replaced=False, token=True,
    )  # fmt: skip

    def loss(variables, batch, key):
        params = variables["params"]
        found = copies(net, params, batch, key)
        cost, metrics = contrasted(found, temperature=temperature, weight=weight[2:])
        tokens = found.tokens
        kept = drawn_masks(named_key(key, "masks"), tokens.owner, draws, len(tokens.x), mask_ratio,
                           least)  # fmt: skip
        z = net.read(params, tokens, kept & tokens.mask[None], ~kept & tokens.mask[None])
        z = z.reshape(draws, 2, -1, z.shape[-1])
        where = jnp.broadcast_to(found.there[-1], z.shape[:3])
        masked = net.compared(params, z, where)
        grown = strength * batch.get("progress", 1.0)
        each = [
            losses.infmasking(
                found.compared[-1, copy], [*masked[:, copy if against == "same" else 1 - copy]],
                strength=grown, temperature=temperature, where=found.there[-1],
            ).mean()
            for copy in range(2)
        ]  # fmt: skip
        total = weight[0] * each[0] + weight[1] * each[1] + (count - 2) * cost
        return total / count, {"metrics": {**metrics, "masked": sum(each) / 2}}

    return method(net, loss)


def drawn_masks(
    key: jax.Array, owner: np.ndarray, draws: int, rows: int, ratio: float, least: int = 0
) -> jax.Array:
    """Tokens that masks leave, bool [draws, rows, t]: as many of each modality, drawn for each row.

    owner: int [t], ascending, the number of the modality of each token.
    """
    out = []
    for i, size in enumerate(np.bincount(owner)):
        stay = min(max(int(size * (1 - ratio)), least), size)
        noise = jax.random.uniform(jax.random.fold_in(key, i), (draws, rows, size))
        rank = noise.argsort(axis=-1).argsort(axis=-1)
        out.append(rank < stay)
    return jnp.concatenate(out, axis=-1)

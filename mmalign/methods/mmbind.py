"""MMBind: windows of all combinations of sensors in one batch, weighted by how sure they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from mmalign import options
from mmalign.losses import weighted_supcon
from mmalign.methods.contract import Method, Modality
from mmalign.methods.encoders import (
    Seen,
    embed_encoders,
    encode,
    fuse_side_by_side,
    init_encoders,
    need_two,
    view,
    widths,
    zero_means,
)
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import ProjectionHead, apply, init_params

VIEWS = ("slots", "present", "two")


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, head: Sequence[int] = (128, 64),
    temperature: float = 0.07, views: str = "slots", fill: float = 0.0, anchor: str | None = None,
    prompt: bool = False,
) -> Method:  # fmt: skip
    """MMBind's second stage (Ouyang et al. 2025, arXiv:2411.12126), after the released code.

    All slots of a window are each other's positives, every other embedding of the batch is a
    negative. Batches come from a sampler of kind "bound" (MMBind), or "paired": the windows as they
    are (the baseline MIM, and with `prompt` MPM), with `complete` the upper bound.

    Args:
      modalities: {name: Modality}, two or more slots.
      encoder, augment: as `sensors` reads them.
      head: widths of each slot's `ProjectionHead`; (1280, 128) as released, on embeddings of 1920.
      temperature: of the contrast.
      views: "slots", an absent modality is a constant input whose embedding is compared like any
        other, as in the released code; "present", it is no anchor, no positive and no negative; or
        "two": the anchor modality against the one other that is there (the baseline DCM).
      fill: that constant, of standardised inputs.
      anchor: of "two".
      prompt: whether each head also reads which modalities are there (the baseline MPM).
    The released code multiplies the loss by temperature / 0.07, which is 1 at its default. `embed`
    reads the encoders; see `fuse_side_by_side` for a missing modality.
    """
    need_two(modalities, "mmbind")
    options.one_of("method.views", views, VIEWS)
    if (views == "two") != (anchor is not None):
        raise ValueError(f"method.views={views!r} with method.anchor={anchor!r}: the modality that "
                         "all others are contrasted with is for 'two', which needs it")  # fmt: skip
    if anchor is not None:
        options.known("modality of method.anchor", anchor, modalities)
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    names, network = tuple(modalities), ProjectionHead(tuple(head))

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        for m, dim in widths(front).items():
            rows, where = jnp.zeros((1, dim + prompt * len(names))), jnp.ones((1,), bool)
            params[m]["head"] = init_params(network, named_key(key, m, "head"), rows, where)
        return {"params": {"sensors": params}, "means": zero_means(widths(front))}

    def loss(variables, batch, key):
        params, present = variables["params"]["sensors"], batch["present"]
        constant = {
            m: jnp.full((1, *x.shape[1:]), fill, x.dtype) for m, x in batch["inputs"].items()
        }
        seen = view(front, named_key(key, "view"), batch)
        seen = _filled(seen, present, front.grids(constant))
        told = jnp.stack([present[m] for m in names], axis=1).astype(jnp.float32)
        counted = lambda m: jnp.ones_like(present[m]) if views == "slots" else present[m]
        z = {}
        for m in names:
            x = encode(front, m, params[m]["encoder"], seen, key=named_key(key, m, "dropout"))
            x = jnp.concatenate([x, told], axis=1) if prompt else x
            z[m] = apply(network, params[m]["head"], x, counted(m))
        compared, where = [z[m] for m in names], [counted(m) for m in names]
        if views == "two":
            compared, where = _two(z, present, anchor)
        cost = weighted_supcon(
            compared, batch.get("weight"), temperature=temperature, where=where
        ).mean()
        return cost, {"metrics": {"contrast": cost}}

    return Method(
        init, loss, embed_encoders(front), fuse_side_by_side(modalities), needs=frozenset({"pairs"})
    )


def _filled(seen, present, constant):
    """What encoders read, that of a constant where a modality is absent, all of which is valid."""
    wide = lambda p, x: p.reshape(-1, *[1] * (x.ndim - 1))
    grids = {m: jnp.where(wide(present[m], x), x, constant[m]) for m, x in seen.grids.items()}
    valid = {m: v | ~present[m][:, None] for m, v in seen.valid.items()}
    return Seen(grids, valid)


def _two(z, present, anchor):
    """([anchor's, the other's], which count): the first of the others that is there."""
    first, there = jnp.zeros_like(z[anchor]), jnp.zeros_like(present[anchor])
    for m in z:
        if m != anchor:
            mine = present[m] & ~there
            first = jnp.where(mine[:, None], z[m], first)
            there = there | mine
    both = there & present[anchor]
    return [z[anchor], first], [both, both]

"""Cross-modal contrast as CLIP has it, alone and beside contrast of each modality with itself."""

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from mmalign.losses import clip, nt_xent
from mmalign.methods.contract import Method, Modality
from mmalign.methods.encoders import (
    embed_encoders,
    embeddings,
    fuse_side_by_side,
    init_encoders,
    need_augmentation,
    need_two,
    plain,
    view,
    views_in_a_row,
    widths,
    zero_means,
)
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Projection, ProjectionHead, apply, init_params

START = math.log(1 / 0.07)  # of the logarithm of CLIP's scale
HEAD = (1024, 1024, 256)


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, out: int = 128,
) -> Method:  # fmt: skip
    """CLIP (Radford et al. 2021, arXiv:2103.00020), the row "Cross" of CoMM's comparison.

    Args:
      modalities: {name: Modality}, two or more; of more than two, the mean over their pairs.
      encoder, augment: as `sensors` reads them. One view is contrasted or, without augmentation
        as in that comparison, the input as it is.
      out: width of the space that all modalities are projected to.
    What only one modality tells has no reason to stay: the projections are what `embed` returns, as
    in that comparison, where the probe reads them side by side. See `fuse_side_by_side` for a
    missing modality.
    """
    pairs = [*itertools.combinations(modalities, 2)]

    def cost(z, present, log_scale, key):
        del key
        of = lambda a, b: clip(z[a], z[b], log_scale, where=present[a] & present[b])
        return sum(of(*pair).mean() for pair in pairs) / len(pairs)

    return projected("cross", modalities, cost, encoder=encoder, augment=augment, out=out)


def projected(
    name: str, modalities: Mapping[str, Modality], cost: Callable, *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None, out: int,
) -> Method:  # fmt: skip
    """A contrast of linear projections of all modalities, with a scale that is learned.

    Args:
      name: of the method. modalities, encoder, augment, out: as in `create`.
      cost: ({modality: [b, out]}, {modality: bool [b]}, logarithm of the scale, key) -> scalar.
    """
    need_two(modalities, name)
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    project, fuse = Projection(out), fuse_side_by_side(modalities)

    def projections(params, seen, present, key=None):
        parts = embeddings(front, params, seen, present, key)
        return {m: apply(project, params[m]["projector"], z) for m, z in parts.items()}

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        for m, dim in widths(front).items():
            drawn = init_params(project, named_key(key, m, "projector"), jnp.zeros((1, dim)))
            params[m]["projector"] = drawn
        scale = jnp.float32(START)
        means = zero_means(dict.fromkeys(modalities, out))
        return {"params": {"sensors": params, "log_scale": scale}, "means": means}

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        seen = view(front, named_key(key, "view"), batch)
        z = projections(params["sensors"], seen, present, named_key(key, "dropout"))
        value = cost(z, present, params["log_scale"], named_key(key, "contrast"))
        return value, {"metrics": {"contrast": value, "log_scale": params["log_scale"]}}

    def parts(variables, batch):
        return projections(variables["params"]["sensors"], plain(front, batch), batch["present"])

    def embed(variables, batch):
        return fuse(variables, parts(variables, batch), batch["present"])

    return Method(init, loss, embed, fuse, needs=frozenset({"pairs"}), common=parts)


def create_self(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, head: Sequence[int] = HEAD, scale: float = 1.0,
    temperature: float = 0.1,
) -> Method:  # fmt: skip
    """CLIP's contrast and SimCLR's within each modality, the row "Cross+Self" of CoMM's comparison.

    Args:
      modalities: {name: Modality}, two or more.
      encoder, augment: as `sensors` reads them; an augmentation is needed.
      head: widths of each modality's `ProjectionHead`, which both contrasts read.
      scale: weight of the contrast within modalities, a mean over them.
      temperature: of both, NT-Xent each.
    As the released code (Dufumier et al. 2025, arXiv:2409.07402) has it: the paper's text has
    CLIP's loss and linear projections for the one, and heads of their own for the other. Across
    modalities inputs are compared as they are. `embed` reads the encoders; see `fuse_side_by_side`
    for a missing modality.
    """
    need_two(modalities, "cross_self")
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    need_augmentation(front, "cross_self")
    network = ProjectionHead(tuple(head))

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        for m, dim in widths(front).items():
            rows, where = jnp.zeros((1, dim)), jnp.ones((1,), bool)
            params[m]["head"] = init_params(network, named_key(key, m, "head"), rows, where)
        return {"params": {"sensors": params}, "means": zero_means(widths(front))}

    def loss(variables, batch, key):
        params, present = variables["params"]["sensors"], batch["present"]
        compared = lambda m, z, where: apply(network, params[m]["head"], z, where)
        clean = embeddings(front, params, plain(front, batch), present, named_key(key, "clean"))
        z = {m: compared(m, x, present[m]) for m, x in clean.items()}
        pairs = [*itertools.combinations(modalities, 2)]
        contrast = functools.partial(nt_xent, temperature=temperature)
        of = lambda a, b: contrast(z[a], z[b], where=present[a] & present[b]).mean()
        across = sum(of(*pair) for pair in pairs) / len(pairs)
        both, of_both = views_in_a_row(front, named_key(key, "views"), batch)
        seen = embeddings(front, params, both, of_both, named_key(key, "dropout"))
        within = 0.0
        for m, x in seen.items():
            x, where = x.reshape(2, -1, x.shape[-1]), jnp.stack([present[m]] * 2)
            first, second = compared(m, x, where)
            within += contrast(first, second, where=present[m]).mean() / len(seen)
        return across + scale * within, {"metrics": {"across": across, "within": within}}

    return Method(
        init, loss, embed_encoders(front), fuse_side_by_side(modalities), needs=frozenset({"pairs"})
    )

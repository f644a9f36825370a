"""CoMM: the fused views of a window agree, and each modality's with them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mmalign import options
from mmalign.losses import comm
from mmalign.losses.numerics import unit_norm
from mmalign.methods.comm_linear import LinearNetwork
from mmalign.methods.comm_network import network
from mmalign.methods.contract import JOINT, Method, Modality, where_present
from mmalign.methods.diagnostics import spread
from mmalign.methods.encoders import need_augmentation, need_two, plain, views_in_a_row
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Linear, ProjectionHead

# the released code's form and the paper's, which differ
FORMS = {
    "code": dict(reduce="mean", alone="augmented", contrast="nt_xent", hidden="left_out"),
    "paper": dict(reduce="sum", alone="clean", contrast="info_nce", hidden="token"),
}
FUSIONS = ("transformer", "linear")
_CHOICES = {
    "reduce": ("mean", "sum"),
    "alone": ("augmented", "clean"),
    "contrast": ("nt_xent", "info_nce"),
    "hidden": ("left_out", "token"),
}


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, width: int = 64, depth: int = 1, heads: int = 8,
    converter: Mapping[str, Any] | None = None, head: Sequence[int] = (512, 512, 256),
    temperature: float = 0.1, weight: Sequence[float] | None = None, form: str = "code",
    reduce: str | None = None, alone: str | None = None, contrast: str | None = None,
    hidden: str | None = None, fusion: str = "transformer",
) -> Method:  # fmt: skip
    """CoMM (Dufumier et al. 2025, arXiv:2409.07402), for any number of modalities from two on.

    Tokens of all modalities go through one transformer, with those of every modality alone and with
    all. Of two augmented copies the fused embeddings are made to agree, which keeps what only all
    modalities together tell; and the embedding of each modality with the fused one, which keeps
    what that one tells. Each modality is encoded once a copy, and all masks are one call.

    Args:
      modalities: {name: Modality}, two or more.
      encoder, augment: as `sensors` reads them; an augmentation is needed.
      width, depth, heads: of the transformer that fuses, one layer of eight heads in the paper; the
        width is that of the embeddings.
      converter: {kind or modality: names of `Converter`}, those of DEFAULT_CONVERTERS if not given.
      head: widths of the `ProjectionHead` between an embedding and the loss.
      temperature: of the contrast, fixed.
      weight: of each modality's term and, last, of the fused one; None for ones.
      form: "code", the released code's, or "paper"; they differ in what follows, of which None is
        that of the form:
      reduce: "mean" over the terms (code) or "sum".
      alone: embeddings of one modality from "augmented" input, against the fused one of the other
        copy (code); or from "clean" input, against both.
      contrast: "nt_xent", both directions and negatives of the own copy too (code); or "info_nce",
        the negatives of the other side alone. In the paper's equation 6 the sum below the fraction
        does not hold the positive; here it does, as in the code.
      hidden: tokens of other modalities are "left_out" (code), or replaced by a learned "token".
      fusion: "transformer"; or "linear", a map of the embeddings side by side and one of each
        alone, without tokens: the paper's ablation, of which depth, heads, converter and hidden say
        nothing.
    `embed`: modality -> its embedding alone, "joint": of all that is present. There is no `fuse`:
      a subset is fused from its tokens.
    A term is learned from the windows that have its modality. Batch statistics of the head are of
    each copy and each mask, as in the code.
    Metrics: `contrast`, the loss with `reduce="mean"`; `spread` as of SimSiam.
    """
    need_two(modalities, "alignment")
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    need_augmentation(front, "comm")
    chosen = _chosen(form, reduce=reduce, alone=alone, contrast=contrast, hidden=hidden)
    count = len(modalities) + 1
    if weight is not None and len(weight) != count:
        raise ValueError(f"method.weight must be {count} numbers, one a modality and one for all, "
                         f"got {tuple(weight)}")  # fmt: skip
    if options.one_of("method.fusion", fusion, FUSIONS) == "linear":
        net = LinearNetwork(front, Linear(width), ProjectionHead(tuple(head)))
    else:
        replaced = chosen["hidden"] == "token"
        net = network(
            front, modalities, width=width, depth=depth, heads=heads, converter=converter,
            head=tuple(head), replaced=replaced, token=replaced,
        )  # fmt: skip
    factor = count if chosen["reduce"] == "sum" else 1
    knobs = {"temperature": temperature, "weight": weight, "contrast": chosen["contrast"]}

    def loss(variables, batch, key):
        clean = chosen["alone"] == "clean"
        found = copies(net, variables["params"], batch, key, clean=clean)
        cost, metrics = contrasted(found, **knobs)
        return factor * cost, {"metrics": metrics}

    return method(net, loss)


def _chosen(form, **given):
    """{what the forms differ in: choice}."""
    of_form = FORMS[options.one_of("method.form", form, FORMS)]
    for name, value in given.items():
        if value is not None:
            options.one_of(f"method.{name}", value, _CHOICES[name])
    return {name: of_form[name] if value is None else value for name, value in given.items()}


def method(net: Any, loss: Callable) -> Method:
    """The Method of a loss on CoMM's networks, `Network` or `LinearNetwork`."""

    def embed(variables, batch):
        parts, joint = _parts(net, variables["params"], batch)
        return {**parts, JOINT: joint}

    return Method(
        init=lambda key, batch: {"params": net.init(key, batch)},
        loss=loss,
        embed=embed,
        needs=frozenset({"pairs"}),
        common=lambda variables, batch: _parts(net, variables["params"], batch)[0],
    )


class Copies(NamedTuple):
    """Two augmented copies of a batch, one after the other.

    tokens: as `Network.tokens` gives them. z: [masks, copies, b, width], of each modality alone and
    of all. compared: what the loss reads of them. there: bool [masks, b], windows that have the
    modality, and any.
    """

    tokens: Any
    z: jax.Array
    compared: jax.Array
    there: jax.Array


def copies(
    net: Any,
    params: Mapping,
    batch: Mapping,
    key: jax.Array,
    *,
    clean: bool = False,
) -> Copies:
    """Each modality encoded once a copy, all masks fused in one call.

    clean: whether what is of one modality is of the windows as they are, in both copies.
    """
    present = batch["present"]
    both, of_both = views_in_a_row(net.front, named_key(key, "views"), batch)
    tokens = net.tokens(params, both, of_both, named_key(key, "dropout"))
    z = net.fused(params, tokens)
    z = z.reshape(z.shape[0], 2, -1, z.shape[-1])
    if clean:
        seen = net.tokens(params, plain(net.front, batch), present, named_key(key, "clean"))
        alone = net.fused(params, seen)[:-1, None]
        z = jnp.concatenate([jnp.broadcast_to(alone, z[:-1].shape), z[-1:]])
    there = jnp.stack([present[m] for m in net.names])
    there = jnp.concatenate([there, there.any(axis=0, keepdims=True)])
    where = jnp.broadcast_to(there[:, None], z.shape[:3])
    return Copies(tokens, z, net.compared(params, z, where), there)


def contrasted(found: Copies, **knobs: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
    """(CoMM's loss, metrics); knobs: of `losses.comm`."""
    first, second = ([*found.compared[:, copy]] for copy in range(2))
    cost = comm(first, second, where=[*found.there], **knobs).mean()
    z = unit_norm(lax.stop_gradient(found.z[-1, 0]))
    level = spread(z, found.there[-1]).mean() * z.shape[1] ** 0.5
    return cost, {"contrast": cost, "spread": level}


def _parts(net, params, batch):
    """({modality: [b, width]}, [b, width] of all that is present)."""
    present = batch["present"]
    z = net.fused(params, net.tokens(params, plain(net.front, batch), present))
    return {m: where_present(z[i], present[m]) for i, m in enumerate(net.names)}, z[-1]

"""Sensors generated from another one, and contrast of what is measured with what is generated."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from mmalign import options
from mmalign.losses import weighted_supcon
from mmalign.methods.base import base_method
from mmalign.methods.contract import Method, Modality, Target
from mmalign.methods.decoding import reconstruction
from mmalign.methods.encoders import (
    Seen,
    embed_encoders,
    embeddings,
    encode,
    fuse_side_by_side,
    init_encoders,
    need_two,
    plain,
    view,
    widths,
    zero_means,
)
from mmalign.methods.sensors import Sensors, named_key, sensors
from mmalign.models import ProjectionHead, apply, init_params


def create_generator(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, anchor: str,
) -> Method:  # fmt: skip
    """All other modalities decoded from the anchor's code, by mean squared error.

    The first stage of cross-modal generation (CMG), a baseline of MMBind (Ouyang et al. 2025,
    arXiv:2411.12126): a window teaches those of its modalities that it has beside the anchor.

    Args:
      modalities: {name: Modality}, two or more.
      encoder, augment: as `sensors` reads them; with augmentation, of one view of all.
      anchor: the modality whose code the others are decoded from.
    `embed` reads the encoders, of which the anchor's alone learns; see `fuse_side_by_side`.
    """
    need_two(modalities, "generation")
    options.known("modality of method.anchor", anchor, modalities)
    front = sensors({"encoder": encoder, "augment": augment}, modalities)

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        code = jnp.zeros((1, widths(front)[anchor]))
        for m in _others(front, anchor):
            decoder = front.backbones[m].decoder
            params[m]["decoder"] = init_params(decoder, named_key(key, m, "decoder"), code)
        return {"params": {"sensors": params}, "means": zero_means(widths(front))}

    def loss(variables, batch, key):
        params, present = variables["params"]["sensors"], batch["present"]
        seen = view(front, named_key(key, "view"), batch)
        code = encode(front, anchor, params[anchor]["encoder"], seen, key=named_key(key, anchor))
        metrics = {}
        for m in _others(front, anchor):
            metrics[f"generation_{m}"] = reconstruction(
                front, m, params[m], code, seen.grids[m], present[m] & present[anchor],
                named_key(key, m), valid=seen.valid.get(m),
            )  # fmt: skip
        return sum(metrics.values()), {"metrics": metrics}

    return Method(
        init, loss, embed_encoders(front), fuse_side_by_side(modalities), needs=frozenset({"pairs"})
    )


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, base: Mapping[str, Any],
    head: Sequence[int] = (128, 64), temperature: float = 0.07, targets: Mapping[str, Target],
) -> Method:  # fmt: skip
    """Contrast of the anchor's partners, those that a window lacks generated from the anchor.

    The second stage of CMG, see `create_generator`: the anchor itself is not compared.

    Args:
      modalities: {name: Modality}, three or more.
      encoder, augment: as `sensors` reads them.
      base: the config of a "generator" (in a run: the name of the stage that holds it), whose
        parameters a `warm_start` brings and `optim.freeze = ("base",)` keeps.
      head, temperature: as of MMBind.
    `embed` reads the encoders, of the anchor the generator's; see `fuse_side_by_side`.
    """
    if len(modalities) < 3:
        raise ValueError(
            f"cmg needs an anchor and two modalities more, got {', '.join(modalities)}"
        )
    given, below = base_method(base, modalities, encoder=encoder, augment=augment, targets=targets)
    if given["name"] != "generator":
        raise ValueError(f"method.base must be a 'generator', got {given['name']!r}")
    anchor = given["anchor"]
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    others, network = _others(front, anchor), ProjectionHead(tuple(head))

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        del params[anchor]
        for m in others:
            rows, where = jnp.zeros((1, widths(front)[m])), jnp.ones((1,), bool)
            params[m]["head"] = init_params(network, named_key(key, m, "head"), rows, where)
        generator = below.init(named_key(key, "base"), batch)["params"]
        return {
            "params": {"base": generator, "sensors": params},
            "means": zero_means(widths(front)),
        }

    def loss(variables, batch, key):
        params, present = variables["params"]["sensors"], batch["present"]
        seen = view(front, named_key(key, "view"), batch)
        generator = lax.stop_gradient(variables["params"]["base"]["sensors"])
        code = encode(front, anchor, generator[anchor]["encoder"], seen)
        grids, where = {}, {}
        for m in others:
            made = front.decode(m, generator[m]["decoder"], code)
            made = front.backbones[m].patching.unpatchify(made)
            wide = present[m].reshape(-1, *[1] * (made.ndim - 1))
            grids[m] = jnp.where(wide, seen.grids[m], made)
            where[m] = present[m] | present[anchor]
        valid = {m: v | ~present[m][:, None] for m, v in seen.valid.items() if m in grids}
        z = embeddings(front.among(others), params, Seen(grids, valid), where, key)
        z = [apply(network, params[m]["head"], z[m], where[m]) for m in others]
        cost = weighted_supcon(z, temperature=temperature, where=[where[m] for m in others]).mean()
        return cost, {"metrics": {"contrast": cost}}

    fuse = fuse_side_by_side(modalities)

    def embed(variables, batch):
        params, present = variables["params"], batch["present"]
        own = {**params["sensors"], anchor: params["base"]["sensors"][anchor]}
        return fuse(variables, embeddings(front, own, plain(front, batch), present), present)

    return Method(init, loss, embed, fuse, needs=frozenset({"pairs"}))


def _others(front: Sensors, anchor: str) -> list[str]:
    return [m for m in front.backbones if m != anchor]

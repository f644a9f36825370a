"""COCOA, CMC and GMC: every modality is encoded alone, and is a view of the same moment."""

import inspect

import jax.numpy as jnp

from mmalign.losses import cmc, cocoa, gmc
from mmalign.methods.contract import Method, present_inputs
from mmalign.methods.encoders import (
    embed_encoders,
    embeddings,
    fuse_side_by_side,
    init_encoders,
    side_by_side,
    width,
)
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Projector

OPTIONS = ("encoder", "augment", "projector", "loss")
LOSSES = {"cmc": cmc, "cocoa": cocoa, "gmc": gmc}


def create(config, modalities, num_classes=0) -> Method:
    """One loss of `mmalign.losses` between the modalities' projected embeddings.

    Args:
      config: `name`, "cocoa", "cmc" or "gmc"; `encoder`, `augment` as `sensors` reads them;
        `projector`, {hidden, out} of each modality's `Projector`, or None for a loss of the
        embeddings themselves; `loss`, keyword arguments of the loss, as {temperature, form}.
      modalities: {name: Modality}, two or more.
    One augmented view is drawn, or none. A modality absent from a row takes no part there; "cmc"
    learns nothing from rows with one modality.
    Differs from the papers: GMC's projection is shared by all modalities and the joint embedding,
    here each has its own, so that encoders may differ in width; its joint encoder is the
    projector of the embeddings side by side. `embed` reads the encoders, which keep more of what
    one modality alone tells than the projectors do; see `embed_encoders` for a missing sensor.
    """
    del num_classes
    name, projector, knobs = config["name"], config["projector"], dict(config["loss"])
    if len(modalities) < 2:
        raise ValueError(f"{name} needs two modalities or more, got {', '.join(modalities)}")
    known = {
        p.name for p in inspect.signature(LOSSES[name]).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    } - {"where", "axis_name"}  # fmt: skip
    if unknown := sorted(set(knobs) - known):
        raise ValueError(
            f"method.loss does not know {', '.join(unknown)}; {name} takes "
            f"{', '.join(sorted(known))}"
        )
    front = sensors(config, modalities)
    dims = {m: backbone.dim for m, backbone in front.backbones.items()}
    if projector is None and (name == "gmc" or len(set(dims.values())) > 1):
        raise ValueError(
            f"{name} compares embeddings of one width: method.projector has to give it; the "
            f"encoders' are {dims}"
        )
    head = projector and Projector(**projector)

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        if projector is None:
            return {"params": {"sensors": params}}
        draw = lambda m, dim: head.init(named_key(key, "projector", m), jnp.zeros((1, dim)))
        for m in modalities:
            params[m]["projector"] = draw(m, dims[m])["params"]
        joint = {"joint": draw("joint", width(front))["params"]} if name == "gmc" else {}
        return {"params": {"sensors": params, **joint}}

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        grids = front.view(named_key(key, "view"), present_inputs(batch))
        e = embeddings(front, params["sensors"], grids, present, key)
        project = lambda p, x: x if projector is None else head.apply({"params": p}, x)
        views = [project(params["sensors"][m].get("projector"), e[m]) for m in e]
        arguments = [views]
        if name == "gmc":
            arguments.append(project(params["joint"], side_by_side(e)))
        where = [present[m] for m in e]
        cost = LOSSES[name](*arguments, where=where, **knobs).mean()
        return cost, {"metrics": {"contrast": cost}}

    return Method(init, loss, embed_encoders(front), fuse=fuse_side_by_side(front))

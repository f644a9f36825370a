"""COCOA, CMC and GMC: every modality is encoded alone, and compared with the others in a window."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from mmalign import losses, options
from mmalign.methods.contract import Method, Modality, where_present
from mmalign.methods.encoders import (
    PROJECTOR,
    embed_encoders,
    embeddings,
    fuse_side_by_side,
    init_encoders,
    need_two,
    plain,
    side_by_side,
    view,
    width,
    widths,
    zero_means,
)
from mmalign.methods.sensors import Sensors, named_key, sensors
from mmalign.models import Projector, apply, init_params


class Comparison(NamedTuple):
    """What a method compares.

    loss: of `mmalign.losses`. with_joint: whether it takes the joint embedding beside the others.
    """

    name: str
    loss: Callable
    with_joint: bool = False


def create(
    comparison: Comparison,
    modalities: Mapping[str, Modality],
    *,
    encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None,
    projector: Mapping[str, Any] | None = PROJECTOR,
    loss: Mapping[str, Any],
) -> Method:
    """One loss of `mmalign.losses` between the modalities' projected embeddings.

    Args:
      comparison: which one.
      modalities: {name: Modality}, two or more.
      encoder, augment: as `sensors` reads them.
      projector: {hidden, out} of each modality's `Projector`, or None for a loss of the embeddings
        themselves.
      loss: keyword arguments of the loss, as {temperature, form}.
    One augmented view is drawn, or none. A modality absent from a row takes no part there; "cmc"
    learns nothing from rows with one modality.
    Differs from the papers: GMC's projection is shared by all modalities and the joint embedding,
    here each has its own, so that encoders may differ in width; its joint encoder is the
    projector of the embeddings side by side. `embed` reads the encoders, which keep more of what
    one modality alone tells than the projectors do; see `fuse_side_by_side` for a missing modality.
    """
    name = comparison.name
    need_two(modalities, name)
    accepted = options.of(comparison.loss, without=("where", "axis_name"))
    options.check(f"the loss of {name}", loss, accepted)
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    dims = widths(front)
    if projector is None and (comparison.with_joint or len(set(dims.values())) > 1):
        raise ValueError(
            f"{name} compares embeddings of one width: method.projector has to give it; the "
            f"encoders' are {dims}"
        )
    head = None if projector is None else Projector(**projector)
    net = _Network(front, comparison.with_joint, head)

    def objective(variables, batch, key):
        arguments = net.compared(variables["params"], batch, key)
        where = [batch["present"][m] for m in modalities]
        cost = comparison.loss(*arguments, where=where, **loss).mean()
        return cost, {"metrics": {"contrast": cost}}

    def init(key, batch):
        return net.init(key, batch)

    def common(variables, batch):
        return net.common(variables["params"]["sensors"], batch)

    embed, fuse = embed_encoders(front), fuse_side_by_side(modalities)
    return Method(init, objective, embed, fuse, needs=frozenset({"pairs"}), common=common)


create_cmc = functools.partial(create, Comparison("cmc", losses.cmc), loss={"temperature": 0.2})
create_cocoa = functools.partial(
    create, Comparison("cocoa", losses.cocoa), loss={"temperature": 0.5, "form": "sum"}
)
create_gmc = functools.partial(
    create, Comparison("gmc", losses.gmc, with_joint=True), loss={"temperature": 0.2}
)


class _Network(NamedTuple):
    """Encoders, and a projector of each embedding, of the joint one too if that is compared."""

    front: Sensors
    with_joint: bool
    head: Projector | None

    def init(self, key, batch):
        dims = widths(self.front)
        params = init_encoders(self.front, key, self.front.grids(batch["inputs"]))
        out = {"params": {"sensors": params}, "means": zero_means(dims)}
        head = self.head
        if head is None:
            return out
        draw = lambda m, dim: init_params(head, named_key(key, "projector", m), jnp.zeros((1, dim)))
        for m, dim in dims.items():
            params[m]["projector"] = draw(m, dim)
        if self.with_joint:
            out["params"]["joint"] = draw("joint", width(self.front))
        return out

    def compared(self, params, batch, key):
        """Arguments of the loss: what the modalities are projected to, and the joint embedding."""
        seen = view(self.front, named_key(key, "view"), batch)
        e = embeddings(self.front, params["sensors"], seen, batch["present"], key)
        views = [self._project(params["sensors"][m], z) for m, z in e.items()]
        if not self.with_joint:
            return (views,)
        return views, self._project({"projector": params["joint"]}, side_by_side(e))

    def common(self, params, batch):
        """{m: [b, d]}, what the modalities of windows as they are are projected to."""
        e = embeddings(self.front, params, plain(self.front, batch), batch["present"])
        return {m: where_present(self._project(params[m], z), batch["present"][m])
                for m, z in e.items()}  # fmt: skip

    def _project(self, params, z):
        return z if self.head is None else apply(self.head, params["projector"], z)

"""FactorCL: what modalities share is kept and what they do not, each in parts of its own."""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from mmalign.losses import mutual_information
from mmalign.methods.contract import Method, Modality
from mmalign.methods.encoders import (
    embeddings,
    fuse_side_by_side,
    init_encoders,
    need_augmentation,
    need_two,
    plain,
    view,
    widths,
    zero_means,
)
from mmalign.methods.sensors import Sensors, named_key, sensors
from mmalign.models import PairCritic, Projector, apply, init_params


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, out: int = 64, hidden: int = 128, depth: int = 2,
) -> Method:  # fmt: skip
    """FactorCL (Liang et al. 2023, arXiv:2306.05268), self-supervised, as CoMM's authors train it.

    Of each pair of modalities: information between them is raised and, for other projections,
    lowered, as it is and given an augmented copy of both; and between each modality and its copy it
    is raised. What is raised is bounded below by InfoNCE, what is lowered above by CLUB.

    Args:
      modalities: {name: Modality}, two or more; of more, all their pairs.
      encoder, augment: as `sensors` reads them; an augmentation is needed.
      out: width of a projection, 512 as published.
      hidden, depth: of the critics that score pairs of projections, 512 and 2 as published.
    `embed`: of each modality its five projections side by side (four more for each modality beyond
      two), as is probed in that comparison; its copy is the window itself there. See
      `fuse_side_by_side` for a missing modality.
    The critics of what is lowered learn from their own InfoNCE alone, and nothing else does from
    it: in place of the second optimiser of the released code there are stopped gradients, and
    `optim.groups` may give "critics" a rate of their own.
    """
    need_two(modalities, "factorcl")
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    need_augmentation(front, "factorcl")
    net = _Network(front, Projector(out, out), PairCritic(hidden, depth))
    fuse = fuse_side_by_side(modalities)

    def init(key, batch):
        params, parts = net.init(key, batch), len(net.terms_of(next(iter(modalities))))
        return {"params": params, "means": zero_means(dict.fromkeys(modalities, out * parts))}

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        seen = plain(front, batch), view(front, named_key(key, "view"), batch)
        e, copy = (embeddings(front, params["sensors"], x, present, named_key(key, name))
                   for x, name in zip(seen, ("dropout", "dropout_of_copy")))  # fmt: skip
        metrics: dict[str, Any] = dict.fromkeys(("kept", "lowered", "critics"), 0.0)
        for term in net.terms:
            x, y = net.projected(params, term, e, copy)
            where = present[term.first] & present[term.second]
            critic = params["critics"][term.name]
            if term.lowered:
                given = lax.stop_gradient((x, y))
                metrics["critics"] -= net.information(critic, *given, "info_nce", where)
                given = lax.stop_gradient(critic)
                metrics["lowered"] += net.information(given, x, y, "club", where)
            else:
                metrics["kept"] += net.information(critic, x, y, "info_nce", where)
        total = metrics["lowered"] - metrics["kept"] + metrics["critics"]
        return total, {"metrics": metrics}

    def embed(variables, batch):
        params, present = variables["params"], batch["present"]
        e = embeddings(front, params["sensors"], plain(front, batch), present)
        parts = {m: net.parts(params, m, z) for m, z in e.items()}
        return fuse(variables, parts, present)

    return Method(init, loss, embed, fuse, needs=frozenset({"pairs"}))


class _Term(NamedTuple):
    """An information: between two modalities, or one and its copy.

    given: whether both have their copies beside them. lowered: whether it is unwanted.
    """

    name: str
    first: str
    second: str
    given: bool
    lowered: bool


class _Network(NamedTuple):
    """Encoders, and for each term two projectors and a critic."""

    front: Sensors
    projector: Projector
    critic: PairCritic

    @property
    def terms(self):
        names = tuple(self.front.backbones)
        out = [_Term(f"own_{m}", m, m, False, False) for m in names]
        for a, b in itertools.combinations(names, 2):
            for given, lowered in itertools.product((False, True), (False, True)):
                kind = f"{'given' if given else 'plain'}_{'lowered' if lowered else 'raised'}"
                out.append(_Term(f"{kind}_{a}_{b}", a, b, given, lowered))
        return tuple(out)

    def terms_of(self, m):
        """Those that a modality takes part in."""
        return [term for term in self.terms if m in (term.first, term.second)]

    def init(self, key, batch):
        dims = widths(self.front)
        sensors_ = init_encoders(self.front, key, self.front.grids(batch["inputs"]))
        projectors, critics = {}, {}
        out = jnp.zeros((1, self.projector.out))
        for term in self.terms:
            of = {}
            for role, m in (("first", term.first), ("second", term.second)):
                rows = jnp.zeros((1, dims[m] * (1 + term.given)))
                of[role] = init_params(self.projector, named_key(key, term.name, role), rows)
            projectors[term.name] = of
            critics[term.name] = init_params(
                self.critic, named_key(key, term.name, "critic"), out, out
            )
        return {"sensors": sensors_, "projectors": projectors, "critics": critics}

    def projected(self, params, term, e, copy):
        """The two sides of a term, [b, out] each."""
        first, second = term.first, term.second
        return (self._side(params, term, "first", e[first], copy[first]),
                self._side(params, term, "second", e[second], copy[second]))  # fmt: skip

    def parts(self, params, m, z):
        """[b, terms * out], the projections of a modality; its copy is what it is itself."""
        return jnp.concatenate([
            self._side(params, term, "first" if term.first == m else "second", z, z)
            for term in self.terms_of(m)
        ], axis=-1)  # fmt: skip

    def information(self, critic, x, y, bound, where):
        """Nats, by the scores of all pairs; InfoNCE's negatives are other x, as in the code."""
        scores = apply(self.critic, critic, x, y)
        scores = scores.T if bound == "info_nce" else scores
        return mutual_information(scores, bound=bound, where=where).mean()

    def _side(self, params, term, role, own, copy):
        if term.given:
            own = jnp.concatenate([own, copy], axis=-1)
        elif term.first == term.second and role == "second":
            own = copy
        return apply(self.projector, params["projectors"][term.name][role], own)

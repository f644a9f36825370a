"""InfoMAE's second stage: pretrained encoders aligned from few pairs."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from mmalign import options
from mmalign.methods.contract import Method, Modality
from mmalign.methods.encoders import need_two
from mmalign.methods.infomae_critics import Critics
from mmalign.methods.infomae_network import READOUTS, Network
from mmalign.methods.infomae_presets import resolve
from mmalign.methods.infomae_terms import (
    FORMS,
    INDEPENDENCE,
    Prices,
    information_terms,
    separation,
)
from mmalign.methods.instance_terms import Weights, instance_terms, shown
from mmalign.methods.sensors import sensors
from mmalign.methods.shared_private import Split
from mmalign.models import Critic, Stem

RAMP = 0.1  # share of the stage over which the information terms come in, while critics learn
STEM = {"features": (16, 32), "out": 64}
CRITIC = {"hidden": 64, "depth": 2}


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, shared: int = 8, private: int = 64,
    preset: str = "recommended", mask_ratio: float | None = None, form: str | None = None,
    independence: str | None = None, temperature: float | None = None, alpha: float | None = None,
    beta: float | None = None, gamma: float | None = None, epsilon: float | None = None,
    delta: float | None = None, lam: float | None = None, eta: float | None = None,
    readout: str | None = None, information: float = 1.0, noise: float = 0.3, negatives: int = 4,
    margin: float = 1.0, stem: Mapping[str, Any] = STEM, critic: Mapping[str, Any] = CRITIC,
    length: int = 1,
) -> Method:  # fmt: skip
    """InfoMAE (Kimura et al. 2025) eq. 11, for any number of modalities from two on.

    L = shared + private + reconstruction + augmentation contrast + temporal ranking, and the
    critics' own loss. One scalar: stop-gradients keep the two players apart, so one optimiser step
    updates both (give the group "critics" a learning rate of its own).

    Args:
      modalities: {name: Modality}.
      encoder, augment: as `sensors` reads them.
      shared, private: as in `mae`; the paper's are 256 both.
      preset: "recommended" or "paper". What follows, up to readout, changes something of it, None
        nothing.
      mask_ratio: as in `mae`.
      form: of the shared loss, of FORMS.
      independence: what measures I(v; u). "critic": a network beside the others, as in the paper,
        noise on both. "canonical": `canonical_information`, with u held still; for narrow codes,
        as it needs several rows a column. With a critic v keeps what is shared (R^2 of a linear
        readout 0.82 on the embedded data, 0.22 without one).
      temperature: of the contrast.
      alpha, beta, gamma, epsilon, delta, lam (lambda), eta: the paper's weights, of which it
        publishes no value.
      readout: what embeddings hold, see `Network`.
      information: weight of the whole of eq. 4; 0 is the paper's ablation "noShared".
      noise: standard deviation of what is added to u and v where their information is measured.
      negatives: per row. stem, critic: options of `Stem` and `Critic`, of which the paper has four
        hidden layers, as `Critic` by itself. Dropout is of the critics' own loss alone.
      margin: of the ranking.
      length: consecutive windows of a sequence in the batch, 1 turns the ranking off.
    Of a batch whose rows are not all pairs, what is of one modality (what u and v hold, the
    reconstruction, contrast, ranking) is of all rows, what is of several of the pairs alone.
    Differs from the paper in all presets: signs of eq. 5 and 9 are those derived, not those
    printed; u and v are normalised, and noisy before critics, as the information of a deterministic
    code is infinite; u, v come from unmasked views, the reconstruction from a masked one; terms are
    means; augmentations are the run's.
    `embed`: see `Network.fuse`.
    """
    need_two(modalities, "alignment")
    chosen = resolve(preset, {
        "mask_ratio": mask_ratio, "form": form, "independence": independence,
        "temperature": temperature, "alpha": alpha, "beta": beta, "gamma": gamma,
        "epsilon": epsilon, "delta": delta, "lam": lam, "eta": eta, "readout": readout,
    })  # fmt: skip
    options.one_of("method.form", chosen["form"], FORMS)
    options.one_of("method.independence", chosen["independence"], INDEPENDENCE)
    options.one_of("method.readout", chosen["readout"], READOUTS)
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    critics = Critics(
        front.kinds, shared, private, chosen["form"] != "two_ratio",
        chosen["independence"] == "critic", negatives, length, Stem(**stem), Critic(**critic),
    )  # fmt: skip
    net = Network(front, Split(front, shared, private), critics, chosen["readout"])
    of = lambda kind, **more: kind(**{k: x for k, x in chosen.items() if k in kind._fields}, **more)
    prices = of(Prices, noise=noise, shared=information)
    weights = of(Weights, margin=margin, length=length)
    return Method(
        init=lambda key, batch: net.init(key, batch),
        loss=_objective(net, prices, weights, chosen["mask_ratio"]),
        embed=lambda variables, batch: net.embed(variables, batch),
        fuse=lambda variables, parts, present: net.fuse(variables, parts, present),
        needs=frozenset({"some_pairs", "sequences"}),
        common=lambda variables, batch: net.common(variables, batch),
    )


def _objective(net, prices, weights, mask_ratio):
    """The method's `loss`."""

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        of = shown(net.front, net.split, params["sensors"], batch, key, mask_ratio)
        ramp = jnp.clip(batch.get("progress", 1.0) / RAMP, 0.0, 1.0)
        u, v = ({m: code[i][0] for m, code in of.codes.items()} for i in range(2))
        information, player, metrics = information_terms(
            prices, net.critics, params["critics"], of.first.grids, u, v, present, key, ramp,
            batch.get("paired"),
        )  # fmt: skip
        split, nats = separation(
            prices, {m: (u[:2], v[:2]) for m, (u, v) in of.codes.items()}, present
        )
        terms = instance_terms(weights, net.front, params["sensors"], of, present, key)
        information += split
        total = information + sum(terms.values()) + player
        terms |= {"information": information, "critics": player}
        return total, {"metrics": terms | metrics | nats}

    return loss

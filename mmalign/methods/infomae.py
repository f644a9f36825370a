"""InfoMAE's second stage: pretrained encoders aligned from few pairs."""

import functools

import jax
import jax.numpy as jnp

from mmalign.losses import nt_xent, sequence_ranking
from mmalign.methods.contract import JOINT, Method, present_inputs, where_present
from mmalign.methods.critics import Critics
from mmalign.methods.information import information_terms
from mmalign.methods.mae import draw_masks, reconstruction
from mmalign.methods.sensors import named_key, sensors
from mmalign.methods.split import Split
from mmalign.models import Critic, Stem

FORMS = ("two_ratio", "three_ratio", "three_ratio_printed")
RAMP = 0.1  # share of the stage over which the information terms come in, while critics learn
OPTIONS = ("encoder", "augment", "shared", "private", "mask_ratio", "length", "form", "noise",
           "negatives", "stem", "critic", "temperature", "margin",
           "alpha", "beta", "gamma", "epsilon", "delta", "lam", "eta")  # fmt: skip


def create(config, modalities, num_classes=0) -> Method:
    """InfoMAE (Kimura et al. 2025) eq. 11, for any number of modalities from two on.

    L = shared + private + reconstruction + augmentation contrast + temporal ranking, and the
    critics' own loss. One scalar: stop-gradients keep the two players apart, so one optimiser step
    updates both (give the group "critics" a learning rate of its own).

    Args:
      config: `encoder`, `augment` as `sensors` reads them; `shared`, `private`, `mask_ratio` as in
        `mae`; `length`, consecutive windows of a sequence in the batch (1 turns the ranking off);
        `form` of the shared loss; `noise`, the standard deviation added to u and v for the critics;
        `negatives` per row, options `stem` of `Stem` and `critic` of `Critic`; `temperature`,
        `margin`; and the paper's weights `alpha`, `beta`, `gamma`, `epsilon`, `delta`, `lam`
        (lambda), `eta`, of which it publishes no value.
      modalities: {name: Modality}.
    Differs from the paper: signs of eq. 5 and 9 are those derived, not those printed; u and v are
    normalised, and noisy before critics, as the information of a deterministic code is infinite;
    u, v come from unmasked views, the reconstruction from a masked one; terms are means.
    `embed`: modality -> [u, v]; "shared" and "private" -> the u and v of all. Where a modality is
    absent the joint embedding holds the mean u of the present ones in its place, and v = 0.
    """
    del num_classes
    if len(modalities) < 2:
        raise ValueError(f"alignment needs two modalities or more, got {', '.join(modalities)}")
    if config["form"] not in FORMS:
        raise ValueError(f"method.form must be one of {', '.join(FORMS)}, got {config['form']!r}")
    front = sensors(config, modalities)
    split = Split(front, config["shared"], config["private"])
    critics = Critics(
        tuple(modalities), config["shared"], config["private"], config["form"] != "two_ratio",
        config["negatives"], config["length"], Stem(**config["stem"]), Critic(**config["critic"]),
    )  # fmt: skip

    def init(key, batch):
        grids = front.grids(batch["inputs"])
        return {
            "params": {
                "sensors": {m: split.init(named_key(key, m), m, grids[m]) for m in modalities},
                "critics": critics.init(named_key(key, "critics"), grids),
            }
        }

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        views = front.two_views(named_key(key, "views"), present_inputs(batch))
        first = {m: x[0] for m, x in views.items()}
        masked = draw_masks(front, named_key(key, "masks"), first, config["mask_ratio"])
        codes = {m: _three_codes(front, split, m, p, views[m], masked[m], named_key(key, m))
                 for m, p in params["sensors"].items()}  # fmt: skip
        u, v = ({m: code[i][0] for m, code in codes.items()} for i in range(2))
        ramp = jnp.clip(batch.get("progress", 1.0) / RAMP, 0.0, 1.0)
        information, player, metrics = information_terms(
            config, critics, params["critics"], first, u, v, present, key, ramp
        )
        terms = _instance_terms(
            config, front, params["sensors"], codes, first, masked, present, key
        )
        total = information + sum(terms.values()) + player
        terms |= {"information": information, "critics": player}
        return total, {"metrics": {**terms, **metrics}}

    def embed(variables, batch):
        present, grids = batch["present"], front.grids(present_inputs(batch))
        u, v = {}, {}
        for m, p in variables["params"]["sensors"].items():
            codes = split.apply(p, front.encode(m, p["encoder"], grids[m]))
            u[m], v[m] = (where_present(x, present[m]) for x in codes)
        out = {m: jnp.concatenate([u[m], v[m]], axis=-1) for m in modalities}
        count = sum(p.astype(jnp.float32) for p in present.values())
        stand_in = sum(u.values()) / jnp.maximum(count, 1.0)[:, None]
        u = {m: jnp.where(present[m][:, None], x, stand_in) for m, x in u.items()}
        shared, private = (jnp.concatenate([x[m] for m in modalities], axis=-1) for x in (u, v))
        joint = jnp.concatenate([x for m in modalities for x in (u[m], v[m])], axis=-1)
        return out | {"shared": shared, "private": private, JOINT: joint}

    return Method(init, loss, embed)


def _three_codes(front, split, m, params, views, masked, key):
    """(u, v), each [3, b, width]: of both views, and of the first with patches hidden.

    One pass of the encoder for all three, three times the batch.
    """
    b = views.shape[1]
    windows = jnp.concatenate([views[0], views[1], views[0]])
    nothing = jnp.zeros_like(masked)
    hidden = jnp.concatenate([nothing, nothing, masked])
    e = front.encode(m, params["encoder"], windows, masked=hidden, key=key)
    return [x.reshape(3, b, -1) for x in split.apply(params, e)]


def _instance_terms(config, front, params, codes, grids, masked, present, key):
    """Weighted reconstruction, contrast and ranking, summed over modalities.

    codes: {m: (u, v)}, each [3, b, width]: two views, and the first one with patches hidden.
    """
    terms = dict.fromkeys(("reconstruction", "contrast", "ranking"), 0.0)
    for m, code in codes.items():
        h = jnp.concatenate(code, axis=-1)
        terms["reconstruction"] += config["delta"] * reconstruction(
            front, m, params[m], h[2], grids[m], masked[m], present[m], named_key(key, m)
        )
        terms["contrast"] += config["lam"] * _contrast(h[0], h[1], present[m], config)
        if config["length"] > 1:
            rank = functools.partial(
                sequence_ranking, length=config["length"], margin=config["margin"], where=present[m]
            )
            terms["ranking"] += config["eta"] * sum(rank(x).mean() for x in h[:2])
    return terms


def _contrast(h_a, h_b, present, config):
    """NT-Xent between windows at the same position of different sequences.

    Neighbours in time are then never negatives, as in FOCAL's code.
    """
    length = config["length"]
    by_position = lambda x: x.reshape(-1, length, *x.shape[1:]).swapaxes(0, 1)
    rows = by_position(present)
    cost = jax.vmap(lambda a, b, w: nt_xent(a, b, temperature=config["temperature"], where=w))(
        by_position(h_a), by_position(h_b), rows
    )
    # each position's mean is over its own rows; weigh positions by the rows they have
    weight = rows.sum(axis=1) / jnp.maximum(present.sum(), 1)
    return jnp.sum(cost.mean(axis=1) * weight)

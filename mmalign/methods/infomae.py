"""InfoMAE's second stage: pretrained encoders aligned from few pairs."""

import itertools

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses import nt_xent, private_information, sequence_ranking, shared_information
from mmalign.losses.numerics import mean_over_counted
from mmalign.methods.contract import JOINT, Method, present_inputs, where_present
from mmalign.methods.critics import Critics
from mmalign.methods.mae import reconstruction
from mmalign.methods.sensors import named_key, sensors
from mmalign.methods.split import Split, noisy

FORMS = ("two_ratio", "three_ratio", "three_ratio_printed")
RAMP = 0.1  # share of the stage over which the information terms come in, while critics learn


def create(config, modalities, num_classes=0) -> Method:
    """InfoMAE (Kimura et al. 2025) eq. 11, for any number of modalities from two on.

    L = shared + private + reconstruction + augmentation contrast + temporal ranking, and the
    critics' own loss. One scalar: stop-gradients keep the two players apart, so one optimiser step
    updates both (give the group "critics" a learning rate of its own).

    Args:
      config: `encoder`, `augment` as `sensors` reads them; `code`, `mask_ratio` as in `mae`;
        `length`, consecutive windows of a sequence in the batch (1 turns the ranking off);
        `form` of the shared loss; `noise`, the standard deviation added to u and v for the critics;
        `negatives`, `stem`, `critic` as in `Critics`; `temperature`; `margin`; and the paper's
        weights `alpha`, `beta`, `gamma`, `epsilon`, `delta`, `lam`, `eta`, of which it publishes
        no value.
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
    split = Split(front, config["code"])
    critics = Critics(
        front, config["code"], config["form"] != "two_ratio", config["negatives"],
        config["length"], dict(config["stem"]), dict(config["critic"]),
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
        inputs = present_inputs(batch)
        views = [front.view(named_key(key, f"view {i}"), inputs) for i in range(2)]
        codes = [_codes(front, split, params["sensors"], view, key) for view in views]
        ramp = jnp.clip(batch.get("progress", 1.0) / RAMP, 0.0, 1.0)

        information, player, metrics = _information(
            config, critics, params["critics"], views[0], *codes[0], present, key, ramp
        )
        terms = {"information": information}
        terms["reconstruction"] = config["delta"] * sum(
            reconstruction(front, split, m, params["sensors"][m], views[0][m], present[m],
                           config["mask_ratio"], named_key(key, m)) for m in modalities
        )  # fmt: skip
        h = [{m: jnp.concatenate([u[m], v[m]], axis=-1) for m in u} for u, v in codes]
        terms["contrast"] = config["lam"] * sum(
            _contrast(h[0][m], h[1][m], present[m], config) for m in modalities
        )
        if config["length"] > 1:
            terms["ranking"] = config["eta"] * sum(
                sequence_ranking(view[m], length=config["length"], margin=config["margin"],
                                 where=present[m]).mean() for view in h for m in modalities
            )  # fmt: skip
        total = sum(terms.values())
        return total + player, {"metrics": {**terms, **metrics, "critics": player}}

    def embed(variables, batch):
        present = batch["present"]
        u, v = _codes(front, split, variables["params"]["sensors"],
                      front.grids(present_inputs(batch)))  # fmt: skip
        u = {m: where_present(x, present[m]) for m, x in u.items()}
        v = {m: where_present(x, present[m]) for m, x in v.items()}
        out = {m: jnp.concatenate([u[m], v[m]], axis=-1) for m in modalities}
        count = sum(p.astype(jnp.float32) for p in present.values())
        stand_in = sum(u.values()) / jnp.maximum(count, 1.0)[:, None]
        u = {m: jnp.where(present[m][:, None], x, stand_in) for m, x in u.items()}
        shared, private = (jnp.concatenate(list(x.values()), axis=-1) for x in (u, v))
        joint = jnp.concatenate([x for m in modalities for x in (u[m], v[m])], axis=-1)
        return out | {"shared": shared, "private": private, JOINT: joint}

    return Method(init, loss, embed)


def _codes(front, split, params, grids, key=None):
    """({m: u}, {m: v}) of a view."""
    u, v = {}, {}
    for m, p in params.items():
        e = front.encode(m, p["encoder"], grids[m], key=named_key(key, m))
        u[m], v[m] = split.apply(p, e)
    return u, v


def _contrast(h_a, h_b, present, config):
    """NT-Xent between windows at the same position of different sequences.

    Neighbours in time are then never negatives, as in FOCAL's code.
    """
    length = config["length"]
    by_position = lambda x: x.reshape(-1, length, *x.shape[1:]).swapaxes(0, 1)
    rows, counted = by_position(present), present.sum()
    cost = jax.vmap(lambda a, b, w: nt_xent(a, b, temperature=config["temperature"], where=w))(
        by_position(h_a), by_position(h_b), rows
    )
    # each position's mean is over its own rows; weigh positions by the rows they have
    weight = rows.sum(axis=1) / jnp.maximum(counted, 1)
    return jnp.sum(cost.mean(axis=1) * weight)


def _information(config, critics, params, grids, u, v, present, key, ramp):
    """(encoders' information terms, critics' loss, metrics)."""
    modalities, sigma = list(u), config["noise"]
    u = {m: noisy(named_key(key, "noise u", m), x, sigma) for m, x in u.items()}
    v = {m: noisy(named_key(key, "noise v", m), x, sigma) for m, x in v.items()}
    features = critics.features(params, grids)
    player = critics.loss(
        params, features, *lax.stop_gradient((u, v)), present, named_key(key, "offsets")
    )

    fixed = lax.stop_gradient((params, features))
    logits = critics.positives(*fixed, u, v)
    where = critics.where(present)
    mean = lambda x, w: mean_over_counted(jnp.where(w, x, 0.0), w, None).mean()
    shared = private = 0.0
    for m in modalities:
        others = [o for o in modalities if o != m]
        for o in others:  # rows may lack different modalities, so each other has its own mean
            joint = {"joint": logits["joint"][m]} if critics.joint else {}
            rows = where["joint"][m] if critics.joint else where["other"][m][o]
            shared += shared_information(
                logits["own"][m], logits["other"][m][o], **joint, beta=config["beta"],
                form=config["form"], where=rows,
            ).mean() / len(others)  # fmt: skip
        private += private_information(
            logits["private"][m], logits["split"][m], gamma=config["gamma"],
            epsilon=config["epsilon"], where=present[m],
        ).mean()  # fmt: skip
    pairs = list(itertools.combinations(modalities, 2))
    distance = sum(
        mean(jnp.mean((u[a] - u[b]) ** 2, axis=-1), present[a] & present[b]) for a, b in pairs
    ) / len(pairs)
    nats = {
        kind: sum(map(mean, jax.tree.leaves(logits[kind]), jax.tree.leaves(where[kind])))
        / len(jax.tree.leaves(logits[kind]))
        for kind in logits
    }
    metrics = {"distance": distance, **{f"nats_{kind}": x for kind, x in nats.items()}}
    # what beta has to stay below for a u that is not constant, as far as the critics can tell
    metrics["beta_bound"] = nats["other"] / jnp.maximum(nats["own"], 1e-6)
    if critics.joint:
        metrics["joint_excess"] = _joint_excess(critics, *fixed, *lax.stop_gradient((u, v)))
    total = config["alpha"] * distance + ramp * (shared + private)
    return total, player, metrics


def _joint_excess(critics, params, features, u, v):
    """Norm of the gradient of T_joint - T_own by u, relative to that of T_own; 0 for perfect critics.

    At the optimum the difference, log p(x_o | x_i) / p(x_o), does not depend on u.
    """

    def total(u, kind):
        logits = critics.positives(params, features, u, v)
        return sum(x.sum() for x in logits[kind].values())

    joint, own = (jax.grad(total)(u, kind) for kind in ("joint", "own"))
    norm = lambda tree: jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(tree)))
    return norm(jax.tree.map(jnp.subtract, joint, own)) / jnp.maximum(norm(own), 1e-12)

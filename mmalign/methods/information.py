"""InfoMAE's game: encoders that keep or drop information, critics that measure it."""

import itertools

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses import private_information, shared_information
from mmalign.losses.numerics import mean_over_counted
from mmalign.methods.sensors import named_key
from mmalign.methods.split import noisy


def information_terms(config, critics, params, grids, u, v, present, key, ramp):
    """What the encoders pay for information, and the critics' own loss.

    Args:
      config: of the method: `alpha`, `beta`, `gamma`, `epsilon`, `form`, `noise`.
      critics: Critics; `params` are theirs, the model's gradient does not reach them.
      grids: {m: window} as the encoders read them, unmasked.
      u, v: {m: [b, width]}.
      present: {m: bool [b]}.
      key: of noise and negatives.
      ramp: weight in [0, 1] of the critics' word, for the steps in which they know little.
    Returns: (encoders' loss, critics' loss, metrics). Metrics in nats: means over all networks of a
      kind; `beta_bound` = nats_other / nats_own, what beta has to stay below for a u that is not
      constant, as far as critics can tell (0 while they tell nothing); `joint_excess`, see
      `_joint_excess`.
    """
    noise = lambda name, x: {
        m: noisy(named_key(key, name, m), z, config["noise"]) for m, z in x.items()
    }
    distance = _distance(u, present)  # needs no critic, so no noise
    u, v = noise("u", u), noise("v", v)
    features = critics.features(params, grids)
    player = critics.loss(
        params, features, *lax.stop_gradient((u, v)), present, named_key(key, "negatives")
    )
    fixed = lax.stop_gradient((params, features))
    logits, where = critics.logits(*fixed, u, v), critics.where(present)
    by_name = {pair: (x, w) for pair, x, w in zip(critics.pairs, logits["pair"], where["pair"])}
    shared = private = 0.0
    for i, m in enumerate(critics.modalities):
        others = [o for o in critics.modalities if o != m]
        for o in others:  # rows may lack different modalities, so each other has its own mean
            other, rows = by_name["other", m, o]
            joint = logits["joint"][i] if critics.joint else None
            shared += shared_information(
                by_name["own", m, m][0], other, joint, beta=config["beta"], form=config["form"],
                where=where["joint"][i] if critics.joint else rows,
            ).mean() / len(others)  # fmt: skip
        private += private_information(
            logits["private"][i], logits["split"][i], gamma=config["gamma"],
            epsilon=config["epsilon"], where=present[m],
        ).mean()  # fmt: skip
    metrics = {"distance": distance}
    for kind in ("own", "other"):
        rows = [_mean(*x) for pair, x in by_name.items() if pair[0] == kind]
        metrics[f"nats_{kind}"] = sum(rows) / len(rows)
    for kind, x in logits.items():
        if kind != "pair":
            metrics[f"nats_{kind}"] = jax.vmap(_mean)(x, where[kind]).mean()
    own = metrics["nats_own"]
    metrics["beta_bound"] = jnp.where(own > 0.05, metrics["nats_other"] / own, 0.0)
    if critics.joint:
        metrics["joint_excess"] = _joint_excess(critics, *fixed, *lax.stop_gradient((u, v)), where)
    return config["alpha"] * distance + ramp * (shared + private), player, metrics


def _distance(u, present):
    """d(u_1, u_2): mean squared difference per dimension, averaged over pairs of modalities."""
    pairs = list(itertools.combinations(u, 2))
    apart = [
        _mean(jnp.mean((u[a] - u[b]) ** 2, axis=-1), present[a] & present[b]) for a, b in pairs
    ]
    return sum(apart) / len(pairs)


def _joint_excess(critics, params, features, u, v, where):
    """Norm of the gradient by u of T_joint - T_own, relative to that of T_own.

    0 for perfect critics: at the optimum the difference, log p(x_o | x_i) / p(x_o), does not depend
    on u. What is left of it is what the joint critic adds to the encoder's gradient as noise. Over
    the rows in which no modality is absent.
    """
    own_pairs, whole = slice(len(critics.modalities)), where["joint"]  # own pairs come first

    def total(u, name):
        return critics.logits(params, features, u, v)[name][own_pairs].sum(where=whole)

    joint, own = (jax.grad(total)(u, name) for name in ("joint", "pair"))
    norm = lambda tree: jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(tree)))
    return norm(jax.tree.map(jnp.subtract, joint, own)) / jnp.maximum(norm(own), 1e-12)


def _mean(x, where):
    return mean_over_counted(jnp.where(where, x, 0.0), where).mean()

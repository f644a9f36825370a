"""InfoMAE's game: encoders that keep or drop information, critics that measure it."""

import functools
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses import canonical_information, private_information, shared_information
from mmalign.losses.rows import mean_over_counted
from mmalign.methods.infomae_critics import Critics
from mmalign.methods.sensors import named_key
from mmalign.methods.shared_private import noisy

FORMS = ("two_ratio", "three_ratio", "three_ratio_printed")
INDEPENDENCE = ("canonical", "critic")  # what measures I(v; u)


class Prices(NamedTuple):
    """What information costs the encoders: the paper's weights, and the form of its eq. 5.

    shared: weight of the whole of eq. 4. independence: of INDEPENDENCE.
    noise: standard deviation of what is added to u and v for the critics.
    """

    alpha: float
    beta: float
    gamma: float
    epsilon: float
    form: str
    noise: float
    shared: float
    independence: str


def information_terms(
    prices: Prices, critics: Critics, params: Any, grids: Mapping, u: Mapping, v: Mapping,
    present: Mapping, key: jax.Array, ramp: jax.Array | float, paired: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:  # fmt: skip
    """What the encoders pay for information, and the critics' own loss.

    Args:
      prices: Prices.
      critics: Critics; `params` are theirs, the model's gradient does not reach them.
      grids: {m: window} as the encoders read them, unmasked.
      u, v: {m: [b, width]}.
      present: {m: bool [b]}.
      key: of noise and negatives.
      ramp: weight in [0, 1] of the critics' word, for the steps in which they know little.
      paired: bool [b], the rows that are pairs: distance and what critics tell across modalities
        are of these alone, the rest of all rows. None: all are.
    Returns: (encoders' loss, critics' loss, metrics). Metrics in nats: means over all networks of a
      kind; `beta_bound` = nats_other / nats_own, what beta has to stay below for a u that is not
      constant, as far as critics can tell (0 while they tell nothing); `joint_excess`, see
      `_joint_excess`.
    """
    pairs = present if paired is None else {m: p & paired for m, p in present.items()}
    distance = _distance(u, pairs)  # needs no critic, so no noise
    u, v = (
        {m: noisy(named_key(key, name, m), z, prices.noise) for m, z in x.items()}
        for name, x in (("u", u), ("v", v))
    )
    features = critics.features(params, grids)
    player = critics.loss(
        params, features, *lax.stop_gradient((u, v)), present, named_key(key, "negatives"), paired
    )
    fixed = lax.stop_gradient((params, features))
    logits, where = critics.logits(*fixed, u, v), critics.where(present, across=(pairs, pairs))
    by_pair = {pair: (x, w) for pair, x, w in zip(critics.pairs, logits["pair"], where["pair"])}
    charged = None if paired is None else present
    cost = _encoders_cost(prices, critics, logits, where, by_pair, present, charged)
    metrics = {"distance": distance, **_nats(logits, where, by_pair)}
    if critics.joint:
        metrics["joint_excess"] = _joint_excess(critics, *fixed, *lax.stop_gradient((u, v)), where)
    return prices.shared * prices.alpha * distance + ramp * cost, player, metrics


def separation(
    prices: Prices, codes: Mapping, present: Mapping
) -> tuple[jax.Array | float, dict[str, jax.Array]]:
    """(What it costs that v tells of u, metrics), where no critic measures it.

    codes: {m: (u, v)}, each [views, b, width], all of which count. u is without gradient: what is
    shared leaves v, and not u.
    """
    if prices.independence == "critic":
        return 0.0, {}
    flat = lambda x: x.reshape(-1, x.shape[-1])
    nats = {
        m: canonical_information(
            lax.stop_gradient(flat(u)), flat(v), noise=prices.noise,
            where=jnp.tile(present[m], len(u)),
        )
        for m, (u, v) in codes.items()
    }  # fmt: skip
    total = functools.reduce(jnp.add, nats.values())
    return prices.epsilon * total, {"nats_split": total / len(nats)}


def _encoders_cost(prices, critics, logits, where, by_pair, present, charged):
    """Shared and private information as the critics tell it, summed over modalities.

    by_pair: {name of `Critics.pairs`: (logits, rows)}. charged: {m: bool [b]}, the rows on which u
    costs what it holds where these are not those of its pairs; else None.
    """
    shared = private = 0.0
    for i, m in enumerate(critics.modalities):
        others = [o for o in critics.modalities if o != m]
        for o in others:  # rows may lack different modalities, so each other has its own mean
            other, rows = by_pair["other", m, o]
            joint = logits["joint"][i] if critics.joint else None
            shared += shared_information(
                by_pair["own", m, m][0], other, joint, beta=prices.beta, form=prices.form,
                where=where["joint"][i] if critics.joint else rows,
                own_where=charged and charged[m],
            ).mean() / len(others)  # fmt: skip
        of_u = logits["split"][i] if critics.split else jnp.zeros_like(logits["private"][i])
        private += private_information(
            logits["private"][i], of_u, gamma=prices.gamma, epsilon=prices.epsilon,
            where=present[m],
        ).mean()  # fmt: skip
    return prices.shared * shared + private


def _nats(logits, where, by_pair):
    """Means over all networks of a kind, and the bound of beta."""
    nats = {}
    for kind in ("own", "other"):
        means = [_mean(*x) for pair, x in by_pair.items() if pair[0] == kind]
        nats[f"nats_{kind}"] = sum(means) / len(means)
    for kind, x in logits.items():
        if kind != "pair":
            nats[f"nats_{kind}"] = jax.vmap(_mean)(x, where[kind]).mean()
    own = nats["nats_own"]
    return nats | {"beta_bound": jnp.where(own > 0.05, nats["nats_other"] / own, 0.0)}


def _distance(u, present):
    """d(u_1, u_2): mean squared difference per dimension, averaged over pairs of modalities."""
    pairs = list(itertools.combinations(u, 2))
    apart = [
        _mean(jnp.mean((u[a] - u[b]) ** 2, axis=-1), present[a] & present[b]) for a, b in pairs
    ]
    return functools.reduce(jnp.add, apart) / len(pairs)


def _joint_excess(critics, params, features, u, v, where):
    """Norm of the gradient by u of T_joint - T_own, relative to that of T_own.

    0 for perfect critics: at the optimum the difference, log p(x_o | x_i) / p(x_o), does not depend
    on u. What is left of it is what the joint critic adds to the encoder's gradient as noise. Over
    the rows in which no modality is absent.
    """
    own_pairs, complete = slice(len(critics.modalities)), where["joint"]  # own pairs come first

    def total(u, name):
        return critics.logits(params, features, u, v)[name][own_pairs].sum(where=complete)

    joint, own = (jax.grad(total)(u, name) for name in ("joint", "pair"))
    norm = lambda tree: jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(tree)))
    return norm(jax.tree.map(jnp.subtract, joint, own)) / jnp.maximum(norm(own), 1e-12)


def _mean(x, where):
    return mean_over_counted(jnp.where(where, x, 0.0), where).mean()

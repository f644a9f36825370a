"""Losses between two embeddings of the same windows, by name, as one number and its terms."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mmalign import losses, options

# Defaults are those of CroSSL's released loss module where it has the loss, else the library's.
_RELEASED = {"prior": 0.01, "temperature": 0.2, "own_view": False, "symmetric": False}
DEFAULTS = {
    "vicreg": {"invariance": 25.0, "variance": 25.0, "covariance": 1.0},
    "barlow_twins": {"invariance": 1.0, "redundancy": 0.0051},
    "nce": {"symmetric": False, "temperature": 0.2},  # rows of the first view ask, alone
    "info_nce": {"temperature": 0.2},
    "nt_xent": {"temperature": 0.2},
    "debiased": _RELEASED,
    "hard_negative": {**_RELEASED, "beta": 2.0, "form": "linear"},
    "cocoa": {"temperature": 0.2},
}
_WEIGHTS = {"vicreg": ("invariance", "variance", "covariance"),
            "barlow_twins": ("invariance", "redundancy")}  # fmt: skip
ON_LATENTS = frozenset({"cocoa"})  # they compare latents of modalities, not embeddings of views


def view_loss(name: str, **knobs: Any) -> Callable[..., tuple[jax.Array, dict[str, jax.Array]]]:
    """`(z_a, z_b, where) -> (scalar, {term: scalar})`; for "cocoa" `(latents, present) -> ...`.

    That of "vicreg" takes a fourth argument, two views from which variance and covariance are taken
    in place of z_a and z_b.

    Args:
      name: of DEFAULTS. "nce" is `info_nce` in one direction, as CroSSL's code has it.
      **knobs: keyword arguments of the function in `mmalign.losses`, and the weights of its terms
        where it has several. Terms are returned unweighted.
    Raises: ValueError if there is no such loss or option.
    """
    options.one_of("loss.name", name, DEFAULTS)
    function = losses.info_nce if name == "nce" else getattr(losses, name)
    weights = _WEIGHTS.get(name, ())
    accepted = options.of(function, without=("where", "axis_name", "tile"))
    options.check(f"loss {name!r}", knobs, (*weights, *accepted))
    knobs = {**DEFAULTS[name], **knobs}
    weights = {term: knobs.pop(term) for term in weights}
    loss: Callable[..., Any] = functools.partial(function, **knobs)

    def of_terms(z_a, z_b, where, spread=None):
        terms: Any = loss(z_a, z_b, where=where)
        if spread is not None:
            terms = dict(loss(*spread, where=where), invariance=terms["invariance"])
        each = (weight * terms[term] for term, weight in weights.items())
        return functools.reduce(jnp.add, each), terms

    def of_rows(z_a, z_b, where):
        value = loss(z_a, z_b, where=where).mean()
        return value, {name: value}

    def of_latents(latents, present):
        value = loss(latents, where=present).mean()
        return value, {name: value}

    if weights:
        return of_terms
    return of_latents if name in ON_LATENTS else of_rows

"""AdamW of one group of parameters: its settings, schedule, clip, and what decays."""

import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mmalign.training.paths import path_names


class Settings(NamedTuple):
    """Settings of one group.

    warmup_steps: None: a twentieth of the steps. floor: the last learning rate as a fraction of
    `lr`.
    """

    lr: float
    warmup_steps: int | None = None
    floor: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8


class ClipState(NamedTuple):
    """`norm`: float32 [], of the group's last gradient before clipping."""

    norm: jax.Array


def make_schedule(
    lr: float, warmup_steps: int, num_steps: int, floor: float = 0.0
) -> optax.Schedule:
    """Learning rate by update: linear from lr / (warmup_steps + 1), then a cosine to floor * lr."""
    if not 0 <= warmup_steps < num_steps:
        raise ValueError(
            f"warmup_steps={warmup_steps} does not fit a stage of {num_steps} steps; "
            f"from 0 to {num_steps - 1} would do, {num_steps // 10} for instance"
        )
    if warmup_steps == 0:
        return optax.cosine_decay_schedule(lr, num_steps, floor)
    return optax.warmup_cosine_decay_schedule(
        lr / (warmup_steps + 1), lr, warmup_steps, num_steps, floor * lr
    )


def adamw(s: Settings, num_steps: int) -> optax.GradientTransformation:
    """The clip, whose state is the first, then AdamW; kernels alone decay."""
    warmup_steps = num_steps // 20 if s.warmup_steps is None else s.warmup_steps
    schedule = make_schedule(s.lr, warmup_steps, num_steps, s.floor)
    step = optax.adamw(schedule, s.b1, s.b2, s.eps, weight_decay=s.weight_decay, mask=_decays)
    return optax.chain(_clip(s.clip_norm), step)


def _clip(max_norm):
    """Scales gradients to a norm of at most `max_norm` (None or 0: as they are); keeps the norm."""

    def update(updates, state, params=None):
        norm = jnp.asarray(optax.tree.norm(updates), jnp.float32)
        if max_norm:
            scale = max_norm / jnp.maximum(norm, max_norm)
            updates = jax.tree.map(lambda g: g * scale.astype(g.dtype), updates)
        return updates, ClipState(norm)

    return optax.GradientTransformation(lambda params: ClipState(jnp.float32(0)), update)


def _decays(params):
    """Bool per leaf: is it a kernel?"""
    is_kernel = lambda name, x: x.ndim >= 2 and re.search(r"(^|[/_])kernel$", name) is not None
    return jax.tree.map(is_kernel, path_names(params), params)

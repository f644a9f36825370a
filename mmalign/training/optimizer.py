"""The optimizer of a model: AdamW for each group of parameters, none for what is frozen."""

import re
from collections.abc import Hashable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax

from mmalign.training.adamw import Settings, adamw
from mmalign.training.paths import cover, no_match, path_names

FROZEN, MAIN = "frozen", "main"


def make_optimizer(
    config: Mapping[str, Any], num_steps: int
) -> optax.GradientTransformationExtraArgs:
    """AdamW (Loshchilov & Hutter 2019) with one schedule, clip and Adam per parameter group.

    config: mapping with the fields of `Settings`, and
      groups: {name: {match, lr_scale, and any field of Settings}}. `match` is the pattern of paths,
        by default the name itself; what a group leaves out it takes from the rest of the config.
        `lr_scale` multiplies the config's lr.
      freeze: patterns of parameters that do not move; wins over groups.
      Patterns are those of `paths`. Parameters of no group form the group "main".
    num_steps: length of the schedule; the updates are numbered 0 to num_steps - 1.
    Clipping is by the norm of the group: a large gradient of critics does not shrink the encoders'.
    Only kernels decay: leaves named "kernel" or "..._kernel" with two axes or more. Biases, norm
    scales, tokens, position tables and embeddings do not.
    Raises: ValueError, for the config here, for patterns when the optimizer first sees parameters.
    """
    config = {key: value for key, value in dict(config).items() if value is not None}
    groups, freeze = dict(config.pop("groups", {})), tuple(config.pop("freeze", ()))
    main = _settings(config, "optim")
    transforms: dict[Hashable, optax.GradientTransformation] = {
        FROZEN: optax.set_to_zero(),
        MAIN: adamw(main, num_steps),
    }
    patterns = {}
    for name, options in groups.items():
        options, label = dict(options), re.sub(r"\W+", "_", name).strip("_")
        if label in transforms:
            raise ValueError(f"optim.groups: {name!r} would be the second group named {label!r}")
        patterns[label] = options.pop("match", name)
        if "lr_scale" in options:
            if "lr" in options:
                raise ValueError(f"optim.groups.{name}: give lr or lr_scale, not both")
            options["lr"] = main.lr * options.pop("lr_scale")
        settings = _settings({**main._asdict(), **options}, f"optim.groups.{name}")
        transforms[label] = adamw(settings, num_steps)
    return optax.partition(transforms, lambda params: _labels(params, patterns, freeze))


def gradient_norms(grads: Any, opt_state: optax.OptState) -> dict[str, jax.Array]:
    """{"grad_norm": total before clipping}, and "grad_norm_<group>" where there are several groups.

    Gradients of frozen parameters are not counted, so the compiler drops their computation.
    """
    if not isinstance(opt_state, optax.transforms.PartitionState):
        return {"grad_norm": optax.tree.norm(grads)}
    groups = {
        label: state.inner_state[0].norm
        for label, state in cast(Mapping[str, Any], opt_state.inner_states).items()
        if label != FROZEN
    }
    total = jnp.sqrt(sum(norm**2 for norm in groups.values()))
    several = len(groups) > 1
    return {"grad_norm": total} | {f"grad_norm_{k}": v for k, v in groups.items() if several}


def _settings(options, where):
    unknown = sorted(set(options) - set(Settings._fields))
    if unknown or "lr" not in options:
        problem = f"unknown {', '.join(unknown)}" if unknown else "lr is missing"
        raise ValueError(f"{where}: {problem}; expected {', '.join(Settings._fields)}")
    return Settings(**options)


def _labels(params, patterns, freeze):
    names = path_names(params)
    paths = jax.tree.leaves(names)
    for pattern in (*freeze, *patterns.values()):
        if not any(cover(pattern, path) for path in paths):
            raise no_match(pattern, paths, "the model")

    def label(path):
        if any(cover(pattern, path) for pattern in freeze):
            return FROZEN
        groups = [group for group, pattern in patterns.items() if cover(pattern, path)]
        if len(groups) > 1:
            raise ValueError(f"parameter {path!r} is in several groups: {', '.join(groups)}")
        return groups[0] if groups else MAIN

    return jax.tree.map(label, names)

"""Labels of any integer dtype as numbers of classes that a device's integers hold."""

from typing import Any

import jax
import jax.numpy as jnp

from mmalign.losses.rows import gathered


def class_numbers(label: Any, rows: int, axis_name: str | None = None) -> jax.Array:
    """Labels as jax's default integers, [rows]: alike where they were, negative where they were.

    Labels that those integers do not hold are numbered by rank. A compiled function narrows
    labels of 64 bits before anything here sees them, unless 64 bits are enabled.

    Raises: TypeError for labels that are not integers, ValueError for another shape.
    """
    if not jnp.issubdtype(jnp.result_type(label), jnp.integer):
        raise TypeError(f"label must be integers, got {jnp.result_type(label)}")
    if jnp.shape(label) != (rows,):
        raise ValueError(f"label must be [batch] = [{rows}], got shape {jnp.shape(label)}")
    held = jnp.iinfo(jnp.arange(0).dtype)
    if not isinstance(label, jax.Array):
        values = label.tolist() if hasattr(label, "tolist") else list(label)
        if max(values) > held.max or min(values) < held.min:
            rank = {value: k for k, value in enumerate(sorted({v for v in values if v >= 0}))}
            label = [rank.get(value, -1) for value in values]
    label = jnp.asarray(label)
    if jnp.iinfo(label.dtype).max <= held.max:
        return label.astype(held.dtype)
    everyone = jnp.sort(gathered(label, axis_name))
    return jnp.where(label >= 0, jnp.searchsorted(everyone, label), -1).astype(held.dtype)

"""Devices pass their rows on in a ring, so that each holds its own and one other's."""

from collections.abc import Callable
from typing import Any

from jax import lax


def axis_devices(axis_name: str | None) -> int:
    """Devices that split the batch, a Python number; 1 for None."""
    return 1 if axis_name is None else lax.axis_size(axis_name)


def round_the_ring(
    visit: Callable[[Any, Any], tuple[Any, Any]],
    own: Any,
    visitor: Any,
    axis_name: str | None,
    devices: int,
) -> tuple[Any, Any]:
    """Lets every device's visitor come by every device; it is at home again in the end.

    Args:
      visit: (own, visitor) -> (own, visitor), both with what they have gathered on the way.
      own: pytree of arrays that stays on its device.
      visitor: pytree of arrays that goes round.
      axis_name: mapped axis of the devices; None for one device, with a single visit.
      devices: on that axis, from `axis_devices`: in a gradient the axis may have lost its name.
    Returns: (own, visitor).
    """
    if axis_name is None:
        return visit(own, visitor)
    onward = [(i, (i + 1) % devices) for i in range(devices)]

    def step(carry, _=None):
        own, visitor = visit(*carry)
        return (own, lax.ppermute(visitor, axis_name, onward)), None

    carry = own, visitor
    if _is_bound(axis_name):
        return lax.scan(step, carry, length=devices)[0]
    for _ in range(devices):
        carry, _ = step(carry)
    return carry


def _is_bound(axis_name):
    """False in the gradient of a vmapped function: collectives work there, but in no scan."""
    try:
        lax.axis_size(axis_name)
    except NameError:
        return False
    return True

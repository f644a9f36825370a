"""Methods on top of another one, which they train further."""

from collections.abc import Mapping
from typing import Any

from mmalign.methods.contract import Method, Modality, Target
from mmalign.methods.registry import create as create_method


def base_method(
    base: Mapping[str, Any], modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None, targets: Mapping[str, Target],
) -> tuple[dict[str, Any], Method]:  # fmt: skip
    """(config, method) that `method.base` describes, encoder and augmentation being the run's.

    Raises: ValueError for one that learns from labels, and as `registry.create`.
    """
    given = {"encoder": encoder, "augment": augment, **base}
    below = create_method(given, modalities, targets=targets)
    if "labels" in below.needs:
        raise ValueError(f"method.base is {given['name']!r}, which learns from labels itself")
    return given, below


def of_base(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the method below, {"params": {"base": its parameters, ...}, ...}."""
    return without_means(variables) | {"params": variables["params"]["base"]}


def without_means(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters and state, which stays as it is: zeros stand for what is absent."""
    return {name: value for name, value in variables.items() if name in ("params", "state")}

"""What a config may say: names and options checked in one way, by every room but the losses.

An error names what was given, suggests the nearest name, and lists what there is.
"""

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def known(what: str, name: Any, names: Collection[str]) -> str:
    """`name`, if it is one of `names`.

    what: of the error: "no <what> is called ...".
    Raises: ValueError that lists the names.
    """
    if name not in names:
        near = difflib.get_close_matches(str(name), [str(x) for x in names], 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"no {what} is called {name!r}{hint}; there is {listed(names)}")
    return name


def one_of(what: str, value: Any, choices: Collection[T]) -> T:
    """`value`, if it is one of `choices`.

    Raises: ValueError, "<what> must be one of ..., got ...".
    """
    if value not in choices:
        raise ValueError(f"{what} must be one of {listed(choices, sort=False)}, got {value!r}")
    return value


def per_name(what: str, value: Any, of: str) -> None:
    """Raises ValueError unless `value` is None or {name: its own}; of: what has the names."""
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(
            f"{what} is said for each {of} on its own, such as --config.data.{what}.NAME=..., got "
            f"{value!r}"
        )


def check(
    what: str, given: Iterable[str], allowed: Collection[str], needed: Iterable[str] = ()
) -> None:
    """Raises ValueError unless `needed` <= `given` <= `allowed`, all of them names of options."""
    for name in given:
        known(f"option of {what}", name, allowed)
    if missing := [name for name in needed if name not in given]:
        raise ValueError(f"{what} needs {listed(missing)}; its options are {listed(allowed)}")


def of(function: Callable, without: Collection[str] = ()) -> dict[str, Any]:
    """{name: default} of the keyword-only parameters of a function.

    without: names that are no options. A parameter without a default has `inspect.Parameter.empty`.
    """
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters
            if p.kind is p.KEYWORD_ONLY and p.name not in without}  # fmt: skip


def call(
    what: str, function: Callable[..., T], given: Mapping[str, Any], *args: Any,
    without: Iterable[str] = (), **more: Any,
) -> T:  # fmt: skip
    """`function(*args, **given, **more)`, `given` checked against its keyword-only options first.

    without: keyword-only parameters that a config cannot give; those in `more` never can.
    """
    options = of(function, (*without, *more))
    needed = [name for name, default in options.items() if default is inspect.Parameter.empty]
    check(what, given, options, needed)
    return function(*args, **given, **more)


def listed(names: Iterable, sort: bool = True) -> str:
    """Names in a row."""
    names = [str(name) for name in names]
    return ", ".join(sorted(names) if sort else names) or "none"

"""Parameters by name: "a/b/c" paths, patterns over them, and warm starts from an earlier tree.

A pattern is a regular expression that covers a path or its leading part up to a "/": "critics"
covers everything below `critics` but not `critics_2`; "encoder/(acc|gyro)" and ".*/kernel" do too.
"""

import re
from collections.abc import Iterable
from typing import Any

import jax


def path_names(tree: Any) -> Any:
    """The tree with each leaf replaced by its path, "a/b/c"."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: jax.tree_util.keystr(path, simple=True, separator="/"), tree
    )


def flat(tree: Any) -> dict[str, Any]:
    """{path: leaf}."""
    return dict(zip(jax.tree.leaves(path_names(tree)), jax.tree.leaves(tree)))


def cover(pattern: str, path: str) -> re.Match[str] | None:
    """Match object of `pattern` over the leading part of `path`, or None."""
    return re.match(rf"(?:{pattern})(?=/|$)", path)


def no_match(pattern: str, paths: Iterable[str], where: str) -> ValueError:
    """The error for a pattern that covers none of `paths`."""
    tops = sorted({"/".join(path.split("/")[:2]) for path in paths})
    shown = ", ".join(tops[:20]) + (", ..." if len(tops) > 20 else "")
    return ValueError(f"pattern {pattern!r} covers no parameter of {where}, which has: {shown}")


def warm_start(params: Any, source: Any, patterns: Iterable[str]) -> Any:
    r"""`params` with the leaves of `source` that a pattern covers; the other leaves stay.

    params, source: nested dicts of arrays; source may hold more or fewer leaves.
    patterns: "old" copies to the same path; "old -> new" replaces the covered part of the path by
      `new`, in which \1, \2 stand for groups of the expression ("enc_(.*) -> encoders/\1").
    Leaves take the dtype of `params`. Pure, so it can run inside jit.
    Raises: ValueError if a pattern covers nothing, or a leaf has no counterpart of its shape.
    """
    names, structure = jax.tree.flatten(path_names(params))
    leaves = dict(zip(names, jax.tree.leaves(params)))
    given = flat(source)
    for path, target in _moves(given, patterns):
        if target not in leaves:
            raise no_match(target, names, f"the model (warm start from {path!r})")
        if leaves[target].shape != given[path].shape:
            raise ValueError(
                f"warm start of {target!r}: the model has shape {leaves[target].shape}, "
                f"the source's {path!r} has {given[path].shape}"
            )
        leaves[target] = given[path].astype(leaves[target].dtype)
    return jax.tree.unflatten(structure, [leaves[name] for name in names])


def left_out(names: Iterable[str], source: Any, patterns: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that the source has parameters of, none of which a warm start takes.

    names: of modalities, say; a parameter is of those that are a part of its path.
    source, patterns: as of `warm_start`.
    """
    given = flat(source)
    there = {part for path in given for part in path.split("/")}
    taken = {part for path, _ in _moves(given, patterns) for part in path.split("/")}
    return tuple(name for name in names if name in there - taken)


def _moves(given, patterns):
    """(path in the source, path in the model) of all that patterns cover."""
    for pattern in patterns:
        old, arrow, new = (part.strip() for part in pattern.partition("->"))
        covered = [(path, match) for path in given if (match := cover(old, path))]
        if not covered:
            raise no_match(old, given, "the source")
        for path, match in covered:
            yield path, match.expand(new) + path[match.end() :] if arrow else path

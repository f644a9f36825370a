"""Which blocks of a config have to be trained, and in which order."""

from collections.abc import Iterator, Mapping

from mmalign.bound import binding_of
from mmalign.run_checks import BUILT_IN


def wanted(config: Mapping) -> Iterator[str]:
    """Names of all blocks that have to be trained, each after those that it starts from."""
    done = {}

    def visit(name, path):
        if name in path:
            raise ValueError(f"stages start from each other: {' <- '.join((*path, name))}")
        if name not in done:
            block = config.get(name)
            if not isinstance(block, Mapping) or "method" not in block:
                asked = f", which stage {path[-1]!r} starts from" if path else ""
                raise ValueError(f"config.{name}{asked} is missing, or without a method")
            for earlier in _starts_from(name, block, config):
                visit(earlier, (*path, name))
            done[name] = None

    for name in (*config["stages"], *(row for row in config["rows"] if row not in BUILT_IN)):
        visit(name, ())
    return iter(done)


def _starts_from(name, block, config) -> Iterator[str]:
    """Blocks that are trained before this one: its source, and what its pairs are found by."""
    if block.get("source") is not None:
        yield block["source"]
    named = binding_of(block)
    if named is not None:
        found = config.get(named)
        if not isinstance(found, Mapping) or not isinstance(found.get("bind"), Mapping):
            asked = f", whose pairs stage {name!r} learns from,"
            raise ValueError(f"config.{named}{asked} is missing, or without `bind`")
        if found["bind"].get("features") is not None:
            yield found["bind"]["features"]

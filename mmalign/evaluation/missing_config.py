"""Which heads, sets of sensors and patterns are tried: the options of a config, checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmalign import defaults
from mmalign.data.missing_patterns import check, devices_of
from mmalign.defaults import HEADS

DEFAULTS = defaults.missing()


def missing_options(config: Mapping | None, modalities: Sequence[str]) -> dict[str, Any]:
    """`config.evaluation.missing` with its defaults.

    heads: of HEADS. "trained on complete": the linear probe learns from windows with all their
      sensors; "trained on missing": one probe for each set or pattern, from windows that miss what
      the test windows miss, its strength chosen on these.
    limit, devices: as `sensor_sets` takes them.
    patterns, rates, duration: kinds of `missing_patterns`, each tried at each rate (a subset
      has none), devices falling out together.
    references: whether reference rows are tried, too, or the last stage alone.
    Raises: ValueError, naming the option.
    """
    given = dict(config or {})
    try:
        if unknown := sorted(set(given) - set(DEFAULTS)):
            raise ValueError(f"no option is called {unknown[0]!r}; there is {', '.join(DEFAULTS)}")
        options = DEFAULTS | {k: v for k, v in given.items() if v is not None}
        if odd := set(options["heads"]) - set(HEADS):
            raise ValueError(f"heads must be of {', '.join(HEADS)}, got {min(odd)!r}")
        if options["limit"] < 1:
            raise ValueError(f"limit must be 1 or more, got {options['limit']}")
        devices_of(modalities, options["devices"])
        for pattern in patterns(options):
            check(pattern, modalities)
    except ValueError as error:
        raise ValueError(f"config.evaluation.missing: {error}") from error
    return options


def patterns(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The patterns to try, as `missingness.simulate` takes them."""
    out = []
    for kind in options["patterns"]:
        for rate in options["rates"] if kind != "subsets" else (None,):
            pattern = {"kind": kind, "devices": dict(options["devices"])}
            if rate is not None:
                pattern["rate"] = rate
            if kind == "burst":
                pattern["duration"] = options["duration"]
            out.append(pattern)
    return out

"""What a reader of the table must know of single numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

_CLEARLY = 0.01  # of macro-F1


def cautions(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on probes at the edge of their search, that did not converge, or below a part's."""
    out = []
    for r in records:
        what = f"{r['row']}, {r['part']}, {100 * r['fraction']:.3g} % labels"
        if r.get("at_edge"):
            out.append(f"{what}: the probe's best C, {r['strength']:.0e}, is the last one tried")
        if r.get("converged") is False:
            out.append(f"{what}: the probe did not converge at C = {r['strength']:.1e}")
    key = lambda r: (r["row"], r["protocol"], r["fraction"], r["seed"])
    joint = {key(r): r for r in records if r["part"] == "joint"}
    for r in records:
        whole = joint.get(key(r))
        if whole is not None and r["macro_f1"] > whole["macro_f1"] + _CLEARLY:
            out.append(
                f"{r['row']}: {r['part']} alone has a macro-F1 of {100 * r['macro_f1']:.1f} %, "
                f"the joint embedding {100 * whole['macro_f1']:.1f} %"
            )
    return out

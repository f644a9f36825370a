"""What a reader of the table must know of single numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmalign.defaults import HEADS

_CLEARLY, _MUCH = 0.01, 0.02  # of macro-F1


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


def better_without(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on sensors without which most rows are better, though their probes know of it.

    Such a sensor tells people, days or the order of recording apart, and the label of no one else.

    sets: records by set of sensors, as `evaluation.missing_sensors` returns.
    """
    f1 = {(r["row"], frozenset(r["present"])): r["macro_f1"] for r in sets if r["head"] == HEADS[1]}
    gains: dict[str, list[tuple[float, str, float]]] = {}
    for row in dict.fromkeys(row for row, _ in f1):
        full = max((present for other, present in f1 if other == row), key=len)
        for sensor in sorted(full):
            if (without := f1.get((row, full - {sensor}))) is not None:
                gains.setdefault(sensor, []).append((without - f1[row, full], row, without))
    out = []
    for sensor, found in gains.items():
        better = sum(gain > _MUCH for gain, _, _ in found)
        if 2 * better > len(found):
            gain, row, most = max(found)
            best = f"{row} {100 * most:.1f} for {100 * (most - gain):.1f} %"
            out.append(
                f"without {sensor} {better} of {len(found)} rows have a macro-F1 more than "
                f"{100 * _MUCH:.0f} points higher, {best}: config.data.modalities keeps the rest"
            )
    return out

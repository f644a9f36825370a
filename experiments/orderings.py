"""The orderings that CroSSL's paper states, and how they come out in several seeds.

Deldari et al. 2024 (arXiv:2307.16847): on average over its data sets 7.2 % more F1 than other
self-supervised methods and 3.2 % more than supervised ones, fine-tuned; spatial masks 2.0 to 5.3 %
above random ones. Whether these are points or relative gains could not be found out.
"""

import numpy as np

from experiments import tables

CLAIMS = {
    "CroSSL above the mean of the other self-supervised methods": "+7.2 %",
    "CroSSL above the best of them": "+7.2 %",
    "CroSSL above training from scratch": "+3.2 %",
    "Spatial masks above random ones": "+2.0 to +5.3 %",
}
CONDITIONS = (
    "10 % labels",
    "100 % labels",
    "sensors missing in the test",
    "sensors missing in both",
)


def compare(runs, rows):
    """[{claim, published, condition, points, relative, above, verdict}] for what was trained.

    Differences are taken within a seed, where both rows have the same people and labels.

    Args:
      runs: results of the seeds.
      rows: names of the rows "spatial", "random", "scratch" (None: not there) and "baselines", a
        list; "hidden" ends the name of a row that was trained with sensors hidden.
    `points` and `relative`: [mean, std] of the difference in macro-F1 and of its share of the other
    row's; `above`: number of seeds with a difference above zero; `verdict`: of `judge`.
    """
    return [
        {
            "claim": claim, "published": CLAIMS[claim], "condition": condition,
            "points": tables.spread(gain), "relative": tables.spread(gain / rival),
            "above": int((gain > 0).sum()), "verdict": judge(gain),
        }
        for condition in CONDITIONS
        for claim, gain, rival in _gains(
            [_scores(run, condition, rows["hidden"]) for run in runs], rows
        )
    ]  # fmt: skip


def _gains(scores, rows):
    """Yields (claim, [seeds] CroSSL with spatial masks minus its rival, [seeds] the rival)."""
    of = lambda row: np.array([found[row] for found in scores])
    if rows["spatial"] is None:
        return
    others = [of(row) for row in rows["baselines"]]
    rivals = (
        np.mean(others, axis=0) if others else None,
        max(others, key=np.mean) if others else None,
        of(rows["scratch"]) if rows["scratch"] else None,
        of(rows["random"]) if rows["random"] else None,
    )
    for claim, rival in zip(CLAIMS, rivals):
        if rival is not None:
            yield claim, of(rows["spatial"]) - rival, rival


def judge(gain):
    """Whether all seeds agree with an ordering, all contradict it, or neither; of one, nothing."""
    if len(gain) < 2:
        return "one seed"
    if (np.asarray(gain) > 0).all():
        return "holds"
    return "reversed" if (np.asarray(gain) < 0).all() else "undecided"


def page(found):
    """Markdown lines."""
    conditions = [name for name in CONDITIONS if any(f["condition"] == name for f in found)]
    lines = []
    for claim in dict.fromkeys(f["claim"] for f in found):
        mine = {f["condition"]: f for f in found if f["claim"] == claim}
        texts = [f"{tables.percent(f['points'], sign=True)}, {f['verdict']}"
                 for f in map(mine.get, conditions)]  # fmt: skip
        lines.append([claim, CLAIMS[claim], *texts])
    return [
        "## The published orderings",
        "",
        "Differences of macro-F1 in points, fine-tuned rows, within a seed: mean ± standard "
        "deviation over seeds. An ordering holds if every seed has it, is reversed if every seed "
        "has the other one, and is undecided else; one seed decides nothing. The best of the "
        "methods is the one with the best mean. Published are averages over other data sets, "
        "points or relative gains, which is not known. Sensors missing: the mean over all numbers "
        "of sensors but the full one, 100 % labels; in both: hidden in fine-tuning, too.",
        "",
        *tables.table(["", "published", *conditions], lines),
    ]


def _scores(run, condition, hidden):
    """{row: macro-F1} of the networks under a condition, without `hidden` in the name."""
    fraction = {"10 % labels": 0.1, "100 % labels": 1.0}.get(condition)
    if fraction is not None:
        return {
            r["row"]: r["macro_f1"]
            for r in run["records"]
            if r["protocol"] == "network" and r["fraction"] == fraction
        }
    suffix = hidden if condition == CONDITIONS[3] else ""
    whole = str(len(run["data"]["modalities"]))
    return {
        s["row"].removesuffix(suffix): np.mean([f for k, f in s["by_count"].items() if k != whole])
        for s in run["missing"]["summary"]
        if s["head"] == "network" and s["row"].endswith(suffix)
    }

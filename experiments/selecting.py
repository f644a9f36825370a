"""Whether what needs no label orders a run's settings as probes with labels do."""

import numpy as np

from experiments import tables

# Higher is better, or the measure is turned: of the embeddings of the training windows, and of
# those of held-out people by retrieval from another sensor.
OF_ALL = {"rankme": 1, "alpha_req": -1, "lidar": 1, "uniformity": -1, "knn_agreement": 1}
OF_SENSORS = {"r1": 1, "mrr": 1, "alignment": -1, "modality_gap": -1}
LEAST = 5  # settings, below which an order says nothing


def rank_correlations(run, rows):
    """Spearman's, between rows, of each measure and the joint embedding's macro-F1 by linear probe.

    rows: their names, as the tables have them; those without a common space of the sensors, or
    without a probe, are left out.
    Returns: {measure: {share of labels: correlation}}, {} where fewer than LEAST rows are left.
    """
    from scipy.stats import spearmanr

    f1 = {}
    for record in run["records"]:
        if (record["part"], record["protocol"]) == ("joint", "linear"):
            f1.setdefault(record["fraction"], {})[record["row"]] = record["macro_f1"]
    found = run.get("across") or {}
    rows = [row for row in rows if row in found and all(row in of for of in f1.values())]
    if len(rows) < LEAST:
        return {}
    measures = {m: [sign * run["label_free"][row][m] for row in rows] for m, sign in OF_ALL.items()}
    measures |= {
        m: [sign * np.mean([way[m] for way in found[row]]) for row in rows]
        for m, sign in OF_SENSORS.items()
    }
    return {
        name: {
            fraction: float(spearmanr(values, [of[row] for row in rows]).statistic)
            for fraction, of in sorted(f1.items())
        }
        for name, values in measures.items()
    }


def markdown(runs, rows):
    """Lines of a page: means over runs of the correlations between these rows."""
    found = [of for of in (rank_correlations(run, rows) for run in runs) if of]
    if not found:
        return []
    fractions = list(next(iter(found[0].values())))
    mean = lambda name, f: f"{np.nanmean([of[name][f] for of in found]):+.2f}"
    return [
        "",
        "Without labels: Spearman's correlation of each measure (turned where less is better) with "
        f"the macro-F1 above, between the settings; {', '.join(OF_ALL)} are of the windows that "
        "were trained on, the others of the people above:",
        "",
        *tables.table(
            ["", *(f"{100 * f:g} % labels" for f in fractions)],
            [[name, *(mean(name, f) for f in fractions)] for name in found[0]],
        ),
    ]

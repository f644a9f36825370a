"""Several seeds as one table: means and spreads over runs, files of a result."""

import json
import os
import pathlib
import platform

import numpy as np

RESULTS = pathlib.Path(__file__).parent / "results"
METRICS = ("accuracy", "macro_f1")


def hardware():
    """What the numbers were made on, in words."""
    import jax

    may_use = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return (
        f"{jax.devices()[0].device_kind}, {len(may_use(0))} {platform.machine()} core(s), "
        f"jax {jax.__version__}"
    )


def spread(values):
    """[mean, sample standard deviation] of values of shape [seeds, ...]; 0 for a single seed."""
    mean, std = np.mean(values, axis=0), np.std(values, axis=0, ddof=min(1, len(values) - 1))
    return [mean.tolist(), std.tolist()]


def grouped(runs, keys, metrics):
    """[{**keys, metric: [mean, std]}] of records that agree in `keys`, in order of appearance.

    Args:
      runs: for each seed its list of records.
      keys: names of what a record is about.
      metrics: names of its numbers.
    What not every run has is left out: its mean would be over other seeds than that of the rest.
    """
    values = {}
    for records in runs:
        for r in records:
            values.setdefault(tuple(r[k] for k in keys), []).append([r[m] for m in metrics])
    return [
        dict(zip(keys, key)) | dict(zip(metrics, map(list, zip(*spread(scores)))))
        for key, scores in values.items()
        if len(scores) == len(runs)
    ]


def summarise(runs):
    """[{row, part, protocol, fraction, accuracy: [mean, std], macro_f1: [mean, std]}]."""
    keys = ("row", "part", "protocol", "fraction")
    return grouped([run["records"] for run in runs], keys, METRICS)


def seconds(runs):
    """Of training, for each run."""
    return [round(sum(run["seconds"].values()), 1) for run in runs]


def without_folders(config):
    """The config of a run without what belongs to one seed and to one machine."""
    own = ("dir", "cache_dir", "path", "fold")
    data = {key: value for key, value in config["data"].items() if key not in own}
    return {**config, "seed": None, "data": data}


def table(head, rows):
    """Markdown lines; the first cell of each row is text, the others are numbers."""
    lines = [f"| {' | '.join(head).lstrip()} |", "| --- |" + " ---: |" * (len(head) - 1)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def percent(value, sign=False):
    """[mean, std] in % as text."""
    mean, std = (100 * x for x in value)
    return f"{mean:+.1f} ± {std:.1f}" if sign else f"{mean:.1f} ± {std:.1f}"


def gap(mean, interval):
    """A difference in points as text, with its interval where there is one."""
    text = f"{100 * mean:+.1f}"
    if interval is None:
        return text
    low, high = interval
    return f"{text} ({100 * low:+.1f} to {100 * high:+.1f})"


def both(cell):
    """Accuracy / macro-F1 of a cell in %, or a dash where there is none."""
    return "-" if cell is None else " / ".join(percent(cell[m]) for m in METRICS)


def save(name, out, page, figure):
    """Writes name.json, .md and .png into RESULTS and prints the page; figure: or its PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(out, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(page)
    if isinstance(figure, bytes):
        (RESULTS / f"{name}.png").write_bytes(figure)
    else:
        FigureCanvasAgg(figure).print_png(RESULTS / f"{name}.png")
    print(page)

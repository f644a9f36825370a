"""report.html: one page that needs nothing else, no network and no script."""

import base64
import html
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmalign.report import curves, figures, robustness, table
from mmalign.report.cautions import cautions
from mmalign.report.results import plain

_LONG = 80  # characters; a longer fact of the header gets a line of its own
_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; color: #1f2933;
  background: #fff; font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .6rem; padding-top: .8rem; border-top: 1px solid #e4e7eb; }
dl { display: flex; flex-wrap: wrap; gap: .4rem 2.2rem; margin: 1rem 0 0; }
dt { color: #6b7785; font-size: .8rem; } dd { margin: 0; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { color: #6b7785; font-weight: 600; border-bottom: 1.5px solid #cbd2d9; }
tbody tr { border-bottom: 1px solid #edf0f3; }
tr.shown { background: #eef5fa; }
.note { color: #6b7785; font-size: .85rem; max-width: 46rem; }
img { display: block; max-width: 100%; height: auto; }
summary { cursor: pointer; color: #2f6f9f; margin: .6rem 0; }
pre { background: #f5f7fa; padding: 1rem; overflow-x: auto; font-size: .8rem; line-height: 1.45; }
"""


def write(
    folder: str | os.PathLike, results: Mapping[str, Any], *,
    metrics: Sequence[Mapping[str, Any]] = (), embedding: ArrayLike | None = None,
    label: ArrayLike | None = None,
) -> Path:  # fmt: skip
    """Writes `report.html` into `folder`; every section whose material is missing is left out.

    Args:
      folder: an existing folder.
      results: dict with
        "method": its name; "data": {"name", "windows", "subjects", "classes": [names], ...}, all of
        it shown in the header, lists and mappings by their items; "summary": {name: value}, shown
        there too; "records": as `evaluation.evaluate` returns; "headline": the row whose confusion
        matrix is shown (default: the last record's); "information": {part: {factor: R^2}};
        "missing": as `evaluation.missing_sensors` returns; "config": the resolved config.
      metrics: the lines of metrics.jsonl, {"step": int, "<stage>/<metric>": float}.
      embedding, label: [n, d] and [n], joint embeddings of the test windows for the map.
    Returns: path of the page.
    """
    data = results.get("data", {})
    headline = results.get("headline") or _last_row(results)
    classes = list(data.get("classes", ()))
    sections = [
        _header(results, data),
        _probes(results.get("records"), headline),
        _missing(results.get("missing")),
        _confusion(results.get("records"), headline, classes),
        _map(embedding, label, classes),
        _information(results.get("information")),
        _curves(metrics),
        _config(results.get("config")),
    ]
    title = html.escape(_title(results, data))
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body>\n"
        f"{''.join(s for s in sections if s)}</body></html>\n"
    )
    path = Path(folder) / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _title(results, data):
    return " on ".join(str(x) for x in (results.get("method", "mmalign"), data.get("name")) if x)


def _header(results, data):
    facts = {k: v for k, v in data.items() if k != "name"} | dict(results.get("summary", {}))
    short, long = "", ""
    for name, value in facts.items():
        if isinstance(value, list | tuple | dict):
            value = f"{len(value)}: {', '.join(map(str, value))}" if len(value) < 9 else len(value)
        text = html.escape(f"{value:,}" if isinstance(value, int) else str(value))
        name = html.escape(str(name))
        if not text:
            continue
        if len(text) < _LONG:
            short += f"<div><dt>{name}</dt><dd>{text}</dd></div>\n"
        else:
            long += f'<p class="note">{name}: {text}</p>\n'
    return f"<h1>{html.escape(_title(results, data))}</h1>\n<dl>\n{short}</dl>\n{long}"


def _probes(records, headline):
    if not records:
        return None
    said = "".join(f"<li>{html.escape(text)}</li>" for text in cautions(records))
    return _section(
        "What the embeddings know of the label",
        f'<div class="wide">{table.probe_table(records).html(shown=headline)}</div>'
        + (f'<ul class="note">{said}</ul>' if said else "")
        + _choices(records, headline),
    )


def _choices(records, headline):
    """The headline's probe by its strength, a line a share of the labels."""
    lines = ""
    for r in records:
        if (r["row"], r["part"], r["protocol"]) == (headline, "joint", "linear") and r.get("curve"):
            curve = ", ".join(f"{c:.0e}: {100 * f1:.1f}" for c, f1 in r["curve"])
            lines += (
                f"<li>{100 * r['fraction']:.3g} % labels: C = {r['strength']:.1e} of {curve}</li>"
            )
    if not lines:
        return ""
    return (
        "<details><summary>How the probe's strength was chosen: macro-F1 in % over folds of "
        f"training people by C</summary><ul>{lines}</ul></details>"
    )


def _missing(missing):
    if not missing or not missing["sets"]:
        return None
    return _section(
        "When sensors are missing",
        _picture(robustness.matrix(missing), "Macro-F1 by set of present sensors"),
        robustness.NOTE,
    )


def _confusion(records, headline, classes):
    found = [
        r
        for r in records or ()
        if r["row"] == headline and r["part"] == "joint" and r["protocol"] in ("linear", "network")
    ]
    if not found:
        return None
    most = max(found, key=lambda r: (r["fraction"], -r["seed"]))
    names = classes or [str(i) for i in range(len(most["confusion"]))]
    return _section(
        "Which classes are taken for which",
        _picture(figures.confusion_matrix(most["confusion"], names), "Confusion matrix"),
        f"{headline}: joint probe at {100 * most['fraction']:.3g} % of the labels, counts of "
        f"{most['test_windows']:,} test windows.",
    )


def _map(embedding, label, classes):
    if embedding is None:
        return None
    label = np.full(len(embedding), -1) if label is None else np.asarray(label)
    names = classes or [str(i) for i in range(label.max(initial=-1) + 1)]
    return _section(
        "Map of the joint embedding",
        _picture(figures.embedding_map(embedding, label, names), "Embedding map"),
        "Test windows on the first two principal components, coloured by class.",
    )


def _information(information):
    if not information:
        return None
    return _section(
        "What the embeddings know of the generating factors",
        _picture(figures.factor_bars(information), "R² of each factor"),
        "R² of a linear readout on test windows: 1 reads the factor exactly, 0 knows nothing.",
    )


def _curves(metrics):
    losses, others = curves.loss_curves(metrics), curves.other_curves(metrics)
    if losses is None and others is None:
        return None
    content = _picture(losses, "Loss curves") if losses else ""
    if others:
        content += (
            f"<details><summary>Everything logged</summary>{_picture(others, 'Metrics')}</details>"
        )
    return _section("Training", content)


def _config(config):
    if not config:
        return None
    text = html.escape(json.dumps(plain(config), indent=2, ensure_ascii=False))
    return _section(
        "Configuration", f"<details><summary>Resolved config</summary><pre>{text}</pre></details>"
    )


def _section(title, content, note=""):
    note = f'<p class="note">{html.escape(note)}</p>\n' if note else ""
    return f"<h2>{html.escape(title)}</h2>\n{note}{content}\n"


def _picture(png, text):
    """The picture inside the page, smaller than its pixels so that it is sharp on dense screens."""
    width = int.from_bytes(png[16:20], "big")  # PNG: width in the header chunk
    code = base64.b64encode(png).decode("ascii")
    source = f"data:image/png;base64,{code}"
    return f'<img alt="{html.escape(text)}" width="{width * 2 // 3}" src="{source}">'


def _last_row(results):
    records = results.get("records")
    return records[-1]["row"] if records else None

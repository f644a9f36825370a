"""report.html: one page that needs nothing else, no network and no script."""

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from mmalign.report import curves, sections, spaces
from mmalign.report.bound import bound
from mmalign.report.look import document, picture, resolved_config, section
from mmalign.report.maps import maps
from mmalign.report.targets import targets

_LONG = 80  # characters; a longer fact of the header gets a line of its own


def write(
    folder: str | os.PathLike, results: Mapping[str, Any], *,
    metrics: Sequence[Mapping[str, Any]] = (), embedding: ArrayLike | None = None,
    label: ArrayLike | None = None, group: ArrayLike | None = None,
) -> Path:  # fmt: skip
    """Writes `report.html` into `folder`; every section whose material is missing is left out.

    Args:
      folder: an existing folder.
      results: dict with
        "method": its name; "data": {"name", "windows", "subjects", "classes": [names], ...}, all of
        it shown in the header, lists and mappings by their items; "summary": {name: value}, shown
        there too; "records": as `evaluation.evaluate` returns; "headline": the row whose confusion
        matrix is shown (default: the last record's); "information": {part: {factor: R^2}};
        "missing": as `evaluation.missing_sensors` returns; "targets", "label_free", "across",
        "recalled", "binding": {row: as `evaluation.probe_targets`, `without_labels`,
        `across_sensors`, `recalled`, `binding_quality` return}; "unprobed": why there are no
        probes; "concerns": sentences on the data; "config": the resolved config.
      metrics: the lines of metrics.jsonl, {"step": int, "<stage>/<metric>": float}.
      embedding: [n, d], joint embeddings of the test windows for the maps.
      label, group: int [n], their classes and people, -1 unknown; None: of all of them.
    Returns: path of the page.
    """
    data = results.get("data", {})
    headline = results.get("headline") or _last_row(results)
    classes = list(data.get("classes", ()))
    parts = [
        _header(results, data),
        _notes([results.get("unprobed"), *results.get("concerns", ())]),
        sections.probes(results.get("records"), headline),
        targets(results.get("targets")),
        sections.missing_sensors(results.get("missing")),
        sections.confusion(results.get("records"), headline, classes),
        maps(embedding, label, classes, group),
        sections.information(results.get("information")),
        spaces.label_free(results.get("label_free")),
        spaces.across(results.get("across")),
        spaces.recalled(results.get("recalled")),
        bound(results.get("binding"), data.get("sources", ())),
        _curves(metrics),
        resolved_config(results.get("config")),
    ]
    page = document(_title(results, data), "".join(part for part in parts if part))
    path = Path(folder) / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _title(results, data):
    what = results.get("headline") or results.get("method") or "mmalign"
    return " on ".join(str(x) for x in (what, data.get("name")) if x)


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


def _notes(texts):
    said = "".join(f"<li>{html.escape(text)}</li>" for text in texts if text)
    return f'<ul class="note">{said}</ul>\n' if said else None


def _last_row(results):
    records = results.get("records")
    return records[-1]["row"] if records else None


def _curves(metrics):
    losses, others = curves.loss_curves(metrics), curves.other_curves(metrics)
    if losses is None and others is None:
        return None
    content = picture(losses, "Loss curves") if losses else ""
    if others:
        content += (
            f"<details><summary>Everything logged</summary>{picture(others, 'Metrics')}</details>"
        )
    return section("Training", content)

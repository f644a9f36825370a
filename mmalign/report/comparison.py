"""The page and the lines of a comparison: results in, report.html and results.csv out."""

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from mmalign.report import efficiency, sections, spaces
from mmalign.report.advice import pairs_text
from mmalign.report.look import document, picture, resolved_config, section
from mmalign.report.ranked import NOTE, numbers_table, ranking_table
from mmalign.report.targets import targets

FIELDS = ("pairs", "seed", "fold", "row", "part", "protocol", "fraction", "accuracy", "macro_f1",
          "train_windows", "test_windows", "strength")  # fmt: skip


def csv_of(records: Sequence[Mapping[str, Any]]) -> str:
    """One line a record with FIELDS; what a record does not have is empty."""
    text = io.StringIO()
    lines: Any = csv.DictWriter(text, FIELDS, extrasaction="ignore", lineterminator="\n")
    lines.writeheader()
    lines.writerows(records)
    return text.getvalue()


def comparison_page(results: Mapping[str, Any]) -> str:
    """The page, as HTML that needs nothing else; results: as `compared.gather` makes them."""
    title = f"Which method on {results['data']['name']}"
    parts = [
        f"<h1>{html.escape(title)}</h1>", _header(results), _advice(results["advice"]),
        _ranking(results), _pairs(results["rankings"]), _labels(results["rankings"]),
        targets(results["targets"]), sections.missing_sensors(results["missing"]),
        spaces.label_free(results["label_free"]), spaces.across(results["across"]),
        resolved_config(results["config"]),
    ]  # fmt: skip
    return document(title, "".join(part for part in parts if part))


def _header(results):
    data, facts = results["data"], {}
    facts["windows"] = f"{data['windows']:,}"
    facts["sensors"] = ", ".join(data["modalities"])
    facts["classes"] = f"{len(data['classes'])}"
    facts["test people"] = f"{results['people'] or 'not known'}"
    facts["seeds"] = ", ".join(map(str, results["seeds"]))
    facts["mmalign"] = results["version"]
    items = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>\n"
        for name, value in facts.items()
    )
    dropped = "".join(f"<li>{html.escape(text)}</li>" for text in results["dropped"])
    return (f"<dl>\n{items}</dl>\n<pre>{html.escape(results['command'])}</pre>"
            + (f'<ul class="note">{dropped}</ul>' if dropped else ""))  # fmt: skip


def _advice(advice):
    first, *rest = map(html.escape, advice)
    return f"<p><b>{first}</b></p>\n<ul>{''.join(f'<li>{text}</li>' for text in rest)}</ul>\n"


def _ranking(results):
    """The table of the setting with the most data, and those of the others to be opened."""
    tables = [
        (f"{pairs_text(r['pairs'])}, {100 * r['fraction']:.3g} % of the labels",
         ranking_table(r, results["cost"])) for r in results["rankings"]
    ]  # fmt: skip
    (first, shown), *others = tables
    more = "".join(
        f"<details><summary>{html.escape(title)}</summary>{content}</details>\n"
        for title, content in others
    )
    return section(f"Ranking with {first}", shown + more, NOTE)


def _pairs(rankings):
    """What more pairs are worth, a panel a share of labels."""
    panels = {}
    for r in reversed(rankings):
        panels.setdefault(f"{100 * r['fraction']:.3g} % labels", []).append((_short(r["pairs"]), r))
    if max(map(len, panels.values())) < 2:
        return None
    return _curves("What pairs are worth", panels, "pairs", rankings)


def _labels(rankings):
    """What more labels are worth, a panel a share of pairs."""
    panels = {}
    for r in reversed(rankings):
        panels.setdefault(pairs_text(r["pairs"]), []).append((f"{100 * r['fraction']:.3g} %", r))
    if max(map(len, panels.values())) < 2:
        return None
    return _curves("What labels are worth", panels, "labels", rankings)


def _curves(title, panels, xlabel, rankings):
    figure = picture(efficiency.curves(panels, xlabel), title)
    note = "Macro-F1 with its 95 % interval over people and seeds; dashed: what needs no pairs."
    return section(title, figure + numbers_table(rankings), note)


def _short(pairs):
    return pairs if isinstance(pairs, str) else f"{100 * pairs:.3g} %"

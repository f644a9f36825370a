"""A model card: what a trained run is, what it learnt from, and what it is worth."""

from collections.abc import Mapping
from typing import Any

from mmalign.report import probe_table
from mmalign.trained import Trained


def card(model: Trained, results: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Markdown with the front matter that model hubs read.

    results: of the run. files: {name: what it is} of those beside the card.
    """
    data, label = results["data"], results["headline"]
    sensors = "\n".join(
        f"- `{m}`: {d['kind']} {' x '.join(map(str, d['shape']))}"
        + (f" at {d['rate_hz']:g} Hz" if d["rate_hz"] else "")
        + (f", in {d['unit']}" if d["unit"] else "")
        for m, d in data["modalities"].items()
    )
    numbers = probe_table(results["records"]).markdown() if results["records"] else (
        f"No probe: {results['unprobed']}."
    )  # fmt: skip
    sure = "" if model.probe is None else (
        f"\nThe probe's probabilities are off by {100 * float(model.probe.calibration_error):.1f} "
        "points on test windows (expected calibration error).\n"
    )  # fmt: skip
    classes = ", ".join(model.classes) or "none"
    cited = f"\n{data['citation']}\n" if data["citation"] else ""
    return "\n".join([
        "---",
        "library_name: jax",
        "tags: [sensors, time-series, self-supervised, multimodal, mmalign]",
        "---",
        f"# {label} on {data['name']}",
        "",
        "Embeds windows of sensors, any of which may be missing. Made by mmalign "
        f"(method `{model.recipe.method['name']}`).",
        "",
        "## Inputs",
        "",
        sensors,
        "",
        "In the unit of the training data: the program standardises them itself.",
        "",
        "## Files",
        "",
        *(f"- `{name}`: {what}" for name, what in files.items()),
        "",
        "## Data",
        "",
        f"{data['name']}: {data['windows']:,} windows{_people(data)}; "
        f"classes: {classes}. Licence of the data: {data['licence'] or 'not stated'}.",
        cited,
        "## Numbers",
        "",
        numbers,
        sure,
    ])  # fmt: skip


def _people(data):
    """Of how many people the windows are, as far as that is known."""
    unknown = data.get("windows of unknown people", 0)
    if not data["subjects"]:
        return " of unknown people"
    more = f", {unknown:,} of them of unknown people" if unknown else ""
    return f" of {data['subjects']} people{more}"

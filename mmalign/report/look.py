"""How the page looks: its style sheet, a section, a picture."""

import base64
import html
import io
import json
from collections.abc import Mapping
from typing import Any

from mmalign.report.canvas import KEY
from mmalign.report.results import plain

STYLE = """
:root { color-scheme: light dark; }
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
img { display: block; max-width: 100%; height: auto; box-sizing: border-box; }
pre { background: #f5f7fa; padding: 1rem; overflow-x: auto; font-size: .8rem; line-height: 1.45; }
summary { cursor: pointer; color: #2f6f9f; margin: .6rem 0; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; }
  img, table { break-inside: avoid; } .wide { overflow: visible; } }
@media (max-width: 30rem) { body { padding: 1rem .7rem 2rem; } h1 { font-size: 1.25rem; }
  th, td { padding: .3rem .45rem; } dl { gap: .4rem 1.2rem; } }
@media screen and (prefers-color-scheme: dark) { body { background: #14191f; color: #dde3ea; }
  h2 { border-color: #2b333d; } th { border-color: #46525f; } tbody tr { border-color: #232b34; }
  tr.shown { background: #1d2c3a; } pre { background: #1b222b; } summary { color: #7fb2dd; }
  dt, th, .note { color: #93a1b0; }
  img { background: #fff; padding: .6rem; border-radius: 8px; } }
"""


def document(title: str, body: str) -> str:
    """A whole page of a body in HTML."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    )


def resolved_config(config: Mapping[str, Any] | None) -> str | None:
    """The section that holds the config, to be opened."""
    if not config:
        return None
    text = html.escape(json.dumps(plain(config), indent=2, ensure_ascii=False))
    return section(
        "Configuration", f"<details><summary>Resolved config</summary><pre>{text}</pre></details>"
    )


def section(title: str, content: str, note: str = "") -> str:
    """A heading, a note below it if there is one, and what follows."""
    note = f'<p class="note">{html.escape(note)}</p>\n' if note else ""
    return f"<h2>{html.escape(title)}</h2>\n{note}{content}\n"


def picture(png: bytes, text: str) -> str:
    """The picture inside the page, smaller than its pixels so that it is sharp on dense screens.

    Below it stands the key of names that are numbers in it, if there are any.
    """
    width = int.from_bytes(png[16:20], "big")  # PNG: width in the header chunk
    code = base64.b64encode(png).decode("ascii")
    source = f"data:image/png;base64,{code}"
    shown = f'<img alt="{html.escape(text)}" width="{width * 2 // 3}" src="{source}">'
    key = _described(png)
    return shown + (f'<p class="note">{html.escape(key)}</p>' if key else "")


def _described(png):
    """The description that stands in a PNG, if there is one."""
    from PIL import Image  # matplotlib has it

    with Image.open(io.BytesIO(png)) as image:
        return image.info.get(KEY)

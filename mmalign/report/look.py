"""How the page looks: its style sheet, a section, a picture."""

import base64
import html
import io
import json
from collections.abc import Mapping
from typing import Any

from mmalign.canvas import KEY
from mmalign.report.results import plain

# The colours of text keep 4.5 : 1 to what is behind them, in both schemes. Names of rows stay in
# sight while the numbers of a wide table, which paper has to hold as a whole, are scrolled.
STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1f2933; --muted: #5c6875; --line: #edf0f3;
  --rule: #cbd2d9; --tint: #eef5fa; --code: #f5f7fa; --link: #2a6694; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; color: var(--ink);
  background: var(--page); overflow-wrap: anywhere;
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
dl { display: flex; flex-wrap: wrap; gap: .4rem 2.2rem; margin: 1rem 0 0; }
dt { color: var(--muted); font-size: .8rem; } dd { margin: 0; font-weight: 600; }
.wide { overflow-x: auto; max-width: 100%; }
.side { display: flex; flex-wrap: wrap; gap: .75rem; } .side > * { max-width: 100%; }
table { border-collapse: separate; border-spacing: 0; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .7rem; text-align: right; white-space: nowrap; overflow-wrap: break-word;
  border-bottom: 1px solid var(--line); background: var(--page); }
th:first-child, td:first-child { position: sticky; left: 0; text-align: left; padding-left: 0;
  white-space: normal; overflow-wrap: anywhere; min-width: 11rem; max-width: 17rem; }
th { color: var(--muted); font-weight: 600; border-bottom: 1.5px solid var(--rule);
  vertical-align: bottom; white-space: normal; }
tr.shown td { background: var(--tint); }
.note { color: var(--muted); font-size: .85rem; max-width: 46rem; }
img { display: block; max-width: 100%; height: auto; box-sizing: border-box; }
pre { background: var(--code); padding: 1rem; overflow-x: auto; font-size: .8rem;
  line-height: 1.45; overflow-wrap: normal; }
summary { cursor: pointer; color: var(--link); margin: .6rem 0; }
@media print { body { max-width: none; padding: 0; } h2, h2 + p.note { break-after: avoid; }
  img, tr, p.note { break-inside: avoid; } img { min-width: 0 !important; }
  .wide { overflow: visible; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  table { font-size: .7rem; } th, td { white-space: normal; padding: .2rem .3rem; }
  th:first-child, td:first-child { position: static; min-width: 4rem; } }
@media (max-width: 30rem) { body { padding: 1rem .7rem 2rem; } h1 { font-size: 1.25rem; }
  th, td { padding: .3rem .45rem; } dl { gap: .4rem 1.2rem; }
  th:first-child, td:first-child { min-width: 7rem; max-width: 9rem; } }
@media screen and (prefers-color-scheme: dark) { :root { --page: #14191f; --ink: #dde3ea;
  --muted: #93a1b0; --line: #2b333d; --rule: #46525f; --tint: #1d2c3a; --code: #1b222b;
  --link: #7fb2dd; }
  img { background: #fff; padding: .6rem; border-radius: 8px; } }
"""
_SMALLEST = 0.8  # of a picture's width: letters of 7.5 points are 8 CSS pixels high there


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

    Where there is too little room it is scrolled sideways, sooner than its letters get too small.
    Below it stands the key of names that are numbers in it, if there are any.
    """
    width = shown_width(png)
    code = base64.b64encode(png).decode("ascii")
    shown = (
        f'<div class="wide"><img alt="{html.escape(text)}" width="{width}" '
        f'style="min-width:{int(_SMALLEST * width)}px" src="data:image/png;base64,{code}"></div>'
    )
    key = _described(png)
    return shown + (f'<p class="note">{html.escape(key)}</p>' if key else "")


def shown_width(png: bytes) -> int:
    """CSS pixels that a picture takes where there is room."""
    return int.from_bytes(png[16:20], "big") * 2 // 3  # PNG: width in the header chunk


def _described(png):
    """The description that stands in a PNG, if there is one."""
    from PIL import Image  # matplotlib has it

    with Image.open(io.BytesIO(png)) as image:
        return image.info.get(KEY)

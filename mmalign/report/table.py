"""A table of numbers as plain text, Markdown and HTML: one row a contender."""

import html
import textwrap
from collections.abc import Callable
from typing import NamedTuple

WIDTH = 110


class Number(NamedTuple):
    """A number as text, and whether it is the best of its column, see `probe_table`."""

    text: str
    best: bool = False


class Table(NamedTuple):
    """Strings ready to print. A row is its name and a cell a column: the numbers of it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[Number, ...], ...]], ...]
    note: str

    def text(self, width: int = WIDTH) -> str:
        """Aligned plain text; columns that do not fit `width` follow in a second block."""
        lines = [self.header, *self._lines(lambda text: text, lambda text: text)]
        sizes = [max(len(line[j]) for line in lines) for j in range(len(self.header))]
        sizes[0] = min(sizes[0], max(8, width // 3))
        blocks, start = [], 1
        while start < len(sizes) or not blocks:
            end = start + 1
            while (
                end < len(sizes) and sizes[0] + sum(s + 2 for s in sizes[start : end + 1]) <= width
            ):
                end += 1
            picked = [_line(line, sizes, start, end) for line in lines]
            blocks.append([picked[0], "-" * max(map(len, picked)), *picked[1:]])
            start = end
        return "\n\n".join("\n".join(block) for block in [*blocks, textwrap.wrap(self.note, width)])

    def markdown(self) -> str:
        """A pipe table; what is better than all others in bold."""
        cell = lambda text: text.replace("\\", "\\\\").replace("|", "\\|")
        lines = ["| " + " | ".join(map(cell, self.header)) + " |"]
        lines.append("|" + " --- |" + " ---: |" * (len(self.header) - 1))
        for line in self._lines(cell, lambda text: f"**{text}**"):
            lines.append("| " + " | ".join(line) + " |")
        return "\n".join([*lines, "", self.note])

    def html(self, shown: str | None = None) -> str:
        """A <table> that scrolls where it is wide; the row named `shown` tinted; escaped.

        What is better than all others is in bold, as in `markdown`.
        """
        head = "".join(f"<th>{html.escape(t)}</th>" for t in self.header)
        body = ""
        lines = self._lines(html.escape, lambda text: f"<b>{text}</b>")
        for (name, _), line in zip(self.rows, lines, strict=True):
            tint = ' class="shown"' if name == shown else ""
            body += f"<tr{tint}>{''.join(f'<td>{text}</td>' for text in line)}</tr>\n"
        return (
            f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>'
            f'</table></div>\n<p class="note">{html.escape(self.note)}</p>'
        )

    def _lines(self, escape: Callable[[str], str], bold: Callable[[str], str]) -> list[list[str]]:
        """The rows as text, the best numbers marked by `bold`."""
        marked = lambda n: bold(escape(n.text)) if n.best else escape(n.text)
        return [
            [escape(name), *(" / ".join(map(marked, cell)) for cell in cells)]
            for name, cells in self.rows
        ]


def _line(line, sizes, start, end):
    name = line[0] if len(line[0]) <= sizes[0] else line[0][: sizes[0] - 1] + "…"
    cells = [name.ljust(sizes[0]), *(line[j].rjust(sizes[j]) for j in range(start, end))]
    return "  ".join(cells).rstrip()

"""How every picture looks. Nothing global of matplotlib is touched."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from mmalign.lettering import FONT, Lettering

if TYPE_CHECKING:  # imported inside: nothing else of a run needs it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

INK, MUTED = "#1f2933", "#6b7785"
SERIES = ("#2f6f9f", "#d1783c", "#4c9a6a", "#b04a5a", "#7a68a6", "#8c6d46", "#c76aa0", "#5f7d8c")
KEY = "Description"  # of a PNG's texts
BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.02), "fontsize": 8}  # a legend
_DPI = 144
_LINE, _SHARE = 0.175, 0.35  # inches of a line of a legend; how wide it may be, of the figure


def blank(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> "Figure":
    """An empty figure, inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout=layout, facecolor="white")


def png(figure: "Figure", names: Lettering | None = None) -> bytes:
    """The figure as PNG bytes; the key of its names, if they need one, as their description."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    names = names or Lettering()
    if names.families != [FONT]:
        for text in figure.findobj(Text):
            text.set_fontfamily(names.families)
    about = {"Software": None} | ({KEY: names.text()} if names.key else {})
    canvas, buffer = FigureCanvasAgg(figure), io.BytesIO()
    _widen(figure, canvas.get_renderer())
    canvas.print_png(buffer, metadata=about)
    return buffer.getvalue()


def _widen(figure, renderer):
    """Makes room for legends that would leave too little to the axes."""
    from matplotlib.legend import Legend

    width, height = figure.get_size_inches()
    for legend in figure.findobj(Legend):
        needed = legend.get_window_extent(renderer).width / figure.dpi - _SHARE * width
        figure.set_size_inches(width + max(0, needed), height)


def legend(
    of: "Axes | Figure", handles: Sequence[Any], names: Sequence[str], **options: Any
) -> "Legend":
    """A legend of names as they are: matplotlib leaves out those that are empty or begin with _.

    It has the columns that it needs in the height of the figure, which `png` makes wider for them.
    """
    figure = of.get_figure(root=True)
    assert figure is not None  # as both are of one
    height = figure.get_size_inches()[1]
    columns = -(-len(names) // int((height - 0.3) / _LINE))
    made = of.legend(handles, ["name"] * len(names), frameon=False, ncols=columns, **options)
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set_text(name)
    return made


def tidy(axes: "Axes", *, grid: bool = True) -> None:
    """Quiet spines and ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=8, length=0)
    axes.xaxis.label.set(color=MUTED, size=8.5)
    axes.yaxis.label.set(color=MUTED, size=8.5)
    if grid:
        axes.grid(color="#e4e7eb", lw=0.7)
        axes.set_axisbelow(True)


def colour(i: int) -> str:
    """Of the i-th of a few series."""
    return SERIES[i % len(SERIES)]


def class_colour(c: int, classes: int) -> str | tuple[float, ...]:
    """Of class c; many classes share a scale of hues."""
    if classes <= len(SERIES):
        return SERIES[c]
    from matplotlib import colormaps

    return colormaps["turbo"](0.03 + 0.94 * c / (classes - 1))

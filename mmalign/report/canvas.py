"""How every picture of a report looks. Nothing global of matplotlib is touched."""

import io
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # imported inside: nothing else of a run needs it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED = "#1f2933", "#6b7785"
SERIES = ("#2f6f9f", "#d1783c", "#4c9a6a", "#b04a5a", "#7a68a6", "#8c6d46", "#c76aa0", "#5f7d8c")
_DPI = 144


def blank(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> "Figure":
    """An empty figure, inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout=layout, facecolor="white")


def png(figure: "Figure") -> bytes:
    """The figure as PNG bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


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


def short(name: object, most: int = 22) -> str:
    """A name that fits at an axis, and that matplotlib does not take for mathematics."""
    name = str(name)
    name = name if len(name) <= most else name[: most - 1] + "…"
    return name.replace("$", r"\$")

"""Names in pictures: all of them, as they are, in whatever letters."""

import io

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.text import Text
from PIL import Image

from mmalign import canvas
from mmalign.lettering import Lettering
from mmalign.report import bound, curves, efficiency, figures, look, robustness

ODD = ("_a", "", "加速度", "$x$", "a\nb", "long " * 40, r"\$", "ok")
SHOWN = ("_a", "", "[1]", "$x$", "a b", "long", r"\$", "ok")  # where no font has the third


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn since, each when its texts were laid out."""
    figures_of, png = [], canvas.png

    def kept(figure, *rest):
        figures_of.append(figure)
        return png(figure, *rest)

    for module in (figures, curves, bound, efficiency, robustness):
        monkeypatch.setattr(module, "png", kept)
    return figures_of


@pytest.fixture
def no_fonts(monkeypatch):
    """A machine with the fonts that matplotlib brings, and no others."""
    own = [font for font in font_manager.fontManager.ttflist
           if font.fname.startswith(matplotlib.get_data_path())]  # fmt: skip
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)


@pytest.fixture
def chinese(no_fonts, monkeypatch, tmp_path):
    """The same, and a font with the letters of one name."""
    letters = {ord(c): f"c{i}" for i, c in enumerate("加速度")}
    names = [".notdef", *letters.values()]
    build = FontBuilder(1000, isTTF=True)
    build.setupGlyphOrder(names)
    build.setupCharacterMap(letters)
    build.setupGlyf({name: TTGlyphPen(None).glyph() for name in names})
    build.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    build.setupHorizontalHeader(ascent=800, descent=-200)
    build.setupNameTable({"familyName": "Toy Sans", "styleName": "Regular"})
    build.setupOS2()
    build.setupPost()
    file = tmp_path / "toy.ttf"
    build.save(file)
    entry = font_manager.ttfFontProperty(font_manager.get_font(file))
    monkeypatch.setattr(
        font_manager.fontManager, "ttflist", [*font_manager.fontManager.ttflist, entry]
    )


def texts(figure):
    """All that is written in a figure, dollars as they are shown."""
    return [text.get_text().replace(r"\$", "$") for text in figure.findobj(Text)]


def legend_of(figure):
    legends = [*figure.legends, *(x for axes in figure.axes if (x := axes.get_legend()))]
    return [text.get_text().replace(r"\$", "$") for text in legends[0].get_texts()]


def ranking(names):
    rows = [{"row": n, "mean": {"macro_f1": 0.5}, "interval": {"macro_f1": None}} for n in names]
    return [("1 %", {"rows": rows}), ("100 %", {"rows": rows})]


def missing(names):
    made = [{"row": row, "head": "network", "present": kept, "macro_f1": 0.5}
            for row in names for kept in (["加速度", "_b"], ["_b"])]  # fmt: skip
    summary = [{"row": row, "head": "network", "worst": 0.5, "by_count": {}} for row in names]
    return {"sets": made, "patterns": [], "summary": summary}


def binding(names):
    similarity = {"edges": np.linspace(0, 1, 4), "counts": [0, 1, 2], "mean": 0.5}
    return {name: [{"from": 0, "to": 1, "similarity": similarity}] for name in names}


PICTURES = {
    "map": lambda names: figures.embedding_map(
        np.eye(len(names))[:, :2], np.arange(len(names)), names
    ),
    "factors": lambda names: figures.factor_bars({name: {"_f": 0.5, "g": None} for name in names}),
    "curves": lambda names: efficiency.curves({"$": ranking(names)}, "labels"),
    "bound": lambda names: bound.histograms(binding(names), ("加速度", "_b").__getitem__),
}
MATRICES = {
    "confusion": lambda names: figures.confusion_matrix(np.eye(len(names), dtype=int), names),
    "missing": lambda names: robustness.matrix(missing(names)),
    "losses": lambda names: curves.other_curves([{"step": 1, **dict.fromkeys(names, 1.0)}]),
}


@pytest.mark.parametrize("picture", ["map", "factors", "curves"])
def test_a_legend_has_every_name_as_it_is(no_fonts, drawn, picture):
    PICTURES[picture](ODD)
    for found, want in zip(legend_of(drawn[0]), SHOWN, strict=True):
        assert found == want or (want == "long" and found.startswith("long") and found[-1] == "…")


@pytest.mark.parametrize("picture", MATRICES)
def test_axes_and_titles_have_every_name_as_it_is(no_fonts, drawn, picture):
    MATRICES[picture](ODD)
    found = texts(drawn[0])
    for want in SHOWN:
        assert want in found or (want == "long" and any(t[:4] == want for t in found))


@pytest.mark.parametrize("picture", PICTURES | MATRICES)
def test_many_long_names_are_drawn_without_a_warning(no_fonts, picture):
    names = [f"{i} {'W$' * 30}" for i in range(30)]
    assert (PICTURES | MATRICES)[picture](names).startswith(b"\x89PNG")


def test_names_in_letters_that_no_font_has_are_numbers_with_a_key_below_the_picture(no_fonts):
    names = ["加速度", "走る <b>", "ok", "加速度"]
    png = figures.confusion_matrix(np.eye(4, dtype=int), names)
    assert Image.open(io.BytesIO(png)).info["Description"] == "[1] 加速度, [2] 走る <b>"
    shown = look.picture(png, "Confusion")
    assert shown.endswith('<p class="note">[1] 加速度, [2] 走る &lt;b&gt;</p>')
    plain = figures.confusion_matrix(np.eye(4, dtype=int), list("abcd"))
    assert "<p" not in look.picture(plain, "Confusion")


def test_a_font_that_is_installed_draws_the_letters_that_it_has(chinese, drawn):
    png = figures.embedding_map(np.eye(3)[:, :2], np.arange(3), ["加速度", "走る", "ok"])
    assert legend_of(drawn[0]) == ["加速度", "[1]", "ok"]
    assert Image.open(io.BytesIO(png)).info["Description"] == "[1] 走る"
    families = {tuple(text.get_fontfamily()) for text in drawn[0].findobj(Text)}
    assert families == {("DejaVu Sans", "Toy Sans")}


def test_a_font_that_cannot_be_read_is_passed_over(no_fonts, monkeypatch, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    broken = font_manager.FontEntry(fname=str(tmp_path / "broken.ttf"), name="A Sans")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [broken])
    written = Lettering()
    assert [written(name) for name in ("加速度", "ok", "加速度")] == ["[1]", "ok", "[1]"]
    assert written.text() == "[1] 加速度"


def test_in_the_dark_pictures_stand_in_a_light_frame():
    dark = look.STYLE[look.STYLE.index("prefers-color-scheme: dark") :]
    assert "img { background: #fff; padding:" in dark

"""How names are written in a picture: in a font that has their letters, else as a number and a key.

matplotlib brings one font, without Chinese, Japanese or Korean letters; what is installed beside it
differs from machine to machine. The page has the fonts of its reader, so it has the key.
"""

import functools
from collections.abc import Callable, Iterable

FONT = "DejaVu Sans"  # comes with matplotlib
_EMPTY = ("last resort", "lastresort", ".lastresort")  # have a box for every letter


class Lettering:
    """The names of one picture.

    families: fonts to look for a letter in, in this order.
    key: {what no font has the letters of: the number that stands for it}.
    """

    def __init__(self) -> None:
        """No name is written yet."""
        self.families: list[str] = [FONT]
        self.key: dict[str, int] = {}

    def __call__(self, name: object, most: int = 22) -> str:
        """What to write for a name: a line of `most` characters at most, and no mathematics."""
        name = "".join(c if c.isprintable() else " " for c in str(name))
        if lacking := frozenset(name) - frozenset().union(*map(_letters_of, self.families)):
            if (family := _family_with(lacking)) is None:
                return f"[{self.key.setdefault(name, len(self.key) + 1)}]"
            self.families.append(family)
        name = name if len(name) <= most else name[: most - 1] + "…"
        return name.replace("$", r"\$")

    def all(self, names: Iterable[object], most: int = 22) -> list[str]:
        """Names in a row."""
        return [self(name, most) for name in names]

    def text(self) -> str:
        """The key in words; empty where every name is written as it is."""
        return ", ".join(f"[{number}] {name}" for name, number in self.key.items())


@functools.cache
def _letters_of(family: str) -> frozenset[str]:
    """What a font can draw."""
    from matplotlib import font_manager

    return _letters(font_manager.findfont(family))


def _letters(file: str) -> frozenset[str]:
    from matplotlib import font_manager

    return frozenset(map(chr, font_manager.get_font(file).get_charmap()))


def _family_with(letters: frozenset[str]) -> str | None:
    """The first installed font that has them all, one without serifs where there is a choice."""
    from matplotlib import font_manager

    found = [font for font in font_manager.fontManager.ttflist
             if font.style == "normal" and not font.name.lower().startswith(_EMPTY)]  # fmt: skip
    plain: Callable = lambda font: ("sans" not in font.name.lower(), font.name, font.fname)
    for font in sorted(found, key=plain):
        try:
            if letters <= _letters(font.fname):
                return font.name
        except (OSError, RuntimeError):  # a file that FreeType cannot read
            continue
    return None

"""Pictures of one shape with one texture in one colour, on grey: a thousand combinations."""

import functools
from collections.abc import Iterable

import numpy as np

SHAPES = ("triangle", "square", "plus", "circle", "tee", "rhombus", "pentagon", "star",
          "fivesquare", "trapezoid")  # fmt: skip
TEXTURES = ("solid", "stripes", "grid", "hexgrid", "dots", "noise", "triangles", "zigzags", "rain",
            "pluses")  # fmt: skip
COLOURS = {
    "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0),
    "pink": (1, 0.4, 1), "cyan": (0, 1, 1), "purple": (0.3, 0, 0.5), "ocean": (0.1, 0.4, 0.5),
    "orange": (1, 0.6, 0), "white": (1, 1, 1),
}  # fmt: skip
PUBLISHED = 224  # pixels of a picture, each way
_GREY = 0.5
_SHAPE = 128  # pixels of a shape before it is turned
_SHEET = 2 * PUBLISHED  # of a texture before it is turned
_PERIOD = 10  # pixels of a texture, as its formulas have it
_LEAST_PERIOD = 6  # pixels that a period takes in a small picture, or nobody could tell it


def render(
    shape: Iterable[int], texture: Iterable[int], colour: Iterable[int], *, size: int = PUBLISHED,
    seed: int | tuple[int, ...] = 0,
) -> np.ndarray:  # fmt: skip
    """Pictures, uint8 [n, size, size, 3]; the arguments are places in SHAPES, TEXTURES, COLOURS.

    Where the shape is, how it and its texture are turned and where the texture starts are random,
    for each picture by itself. Below the published size a picture is the mean over areas of one at
    that size; textures are coarser there, so that a period takes six pixels.

    References: CoMM (Dufumier et al. 2025, arXiv:2409.07402), after Hermann and Lampinen 2020,
      arXiv:2006.12433.
    """
    scale = max(1.0, _LEAST_PERIOD / _PERIOD * PUBLISHED / size)
    masks, area = _shapes(), _areas(size)
    palette = np.array([*COLOURS.values()])
    rng, out = np.random.default_rng(seed), []
    for s, t, c in zip(shape, texture, colour):
        drawn = _placed(masks[SHAPES[s]], rng) * _textured(TEXTURES[t], scale, rng)
        if size != PUBLISHED:
            drawn = area @ drawn @ area.T
        out.append(_to_bytes(_GREY + drawn[..., None] * (palette[c] - _GREY)))
    return np.stack(out)


def _to_bytes(picture):
    """Uint8 of 0 to 1. Halves, as grey is, go one way, whatever order a sum was computed in."""
    return np.rint((255 * picture).round(6)).astype(np.uint8)


@functools.cache
def _shapes():
    """{name: float64 [128, 128]}, 1 inside."""
    s, c = _SHAPE, _SHAPE // 2
    i, j = np.mgrid[:s, :s]
    across = abs(j - c)
    bar = (j >= c - 21) & (j < c + 21)
    middle_row, middle_col = (i >= 42) & (i < 85), (j >= 42) & (j < 85)
    inset = lambda o: (o < j) & (j < s - o)
    down = i - 70
    a, b = 0.33 * s - 0.43 * down, 0.62 * s - 1.05 * down
    legs = (down >= 0) & (((a < j) & (j < b)) | ((a < s - j) & (s - j < b)))
    star = np.where(i < 51, across < 1 + i // 4, (i < 76) & inset(2.4 * (i - 51))) | legs
    inside = {
        "triangle": across - i // 2 < 1,
        "square": np.ones((s, s), bool),
        "plus": bar | bar.T,
        "circle": (i + 0.5 - c) ** 2 + (j + 0.5 - c) ** 2 < c**2,
        "tee": bar | (i < 42),
        "rhombus": (j - c + i // 2 > 0) & (j - c + i // 2 < c),
        "pentagon": np.where(i < 51, across < 1 + 1.25 * i, inset((i - 51) // 3.1)),
        "star": star,
        "fivesquare": ~(middle_row ^ middle_col),
        "trapezoid": inset(i // 3.1),
    }
    return {name: mask.astype(float) for name, mask in inside.items()}


def _placed(mask, rng):
    """Float64 [224, 224]: the shape turned by up to 45 degrees, somewhere in the picture."""
    from scipy.ndimage import rotate

    turned = rotate(mask, rng.integers(-45, 45), order=1)
    out = np.zeros((PUBLISHED, PUBLISHED))
    rows, cols = len(turned), len(turned[0])
    top, left = (rng.integers(0, PUBLISHED - n + 1) for n in (rows, cols))
    out[top : top + rows, left : left + cols] = turned
    return out


def _textured(name, scale, rng):
    """Float64 [224, 224] of 0 and 1: the middle of a sheet of the texture that is turned."""
    angle = np.deg2rad(rng.integers(-45, 45))
    place = np.arange(PUBLISHED) - (PUBLISHED - 1) / 2
    i, j = np.meshgrid(place, place, indexing="ij")
    at = lambda x: np.clip(np.rint(x + (_SHEET - 1) / 2), 0, _SHEET - 1)
    row = at(np.cos(angle) * i - np.sin(angle) * j)
    col = at(np.sin(angle) * i + np.cos(angle) * j)
    row, col = (np.floor(x / scale).astype(int) for x in (row, col))
    start = rng.integers(0, _PERIOD, 2)
    return _TEXTURES[name](row + start[0], col + start[1], rng).astype(float)


def _noise(y, x, rng):
    return rng.random((_SHEET + _PERIOD,) * 2)[y, x] < 0.5


def _rain(y, x, rng):
    starts = rng.random((_SHEET + _PERIOD,) * 2) < 0.05
    streaks = np.logical_or.reduce([np.roll(starts, down, axis=0) for down in range(7)])
    return streaks[y, x]


def _zigzags(y, x, rng):
    del rng
    x = np.where(y // _PERIOD % 2, 9 - x % _PERIOD, x % _PERIOD)
    y = y % _PERIOD
    return (y // 2 < x) & (x < 5 + y // 2)


def _pluses(y, x, rng):
    del rng
    odd, y, x = y // _PERIOD % 2, y % _PERIOD, x % _PERIOD
    tall, wide = abs(x - 5) < 1.5, abs(y - 5) < 1.5
    between = (x < 1.5) | (10 - x < 1.5) | (wide & ~tall)
    return np.where(odd, between, tall | wide)


def _hexgrid(y, x, rng):
    del rng
    slope = (1.73 * y).astype(int)
    return ((x + slope) % 10 < 2) | ((x - slope) % 10 < 2) | (y % 10 < 2)


# (row, column) in pixels of the published size, ints -> bool
_TEXTURES = {
    "solid": lambda y, x, rng: np.ones(y.shape, bool),
    "stripes": lambda y, x, rng: y % 10 < 3,
    "grid": lambda y, x, rng: (y % 10 < 3) | (x % 10 < 3),
    "hexgrid": _hexgrid,
    "dots": lambda y, x, rng: (y % 10 - 5) ** 2 + (x % 10 - 5) ** 2 < 16,
    "noise": _noise,
    "triangles": lambda y, x, rng: y % 10 // 2 - abs(x % 10 - 5) > 0,
    "zigzags": _zigzags,
    "rain": _rain,
    "pluses": _pluses,
}


def _areas(size):
    """Float64 [size, 224]: what a pixel of a smaller picture takes of those at full size."""
    edge = np.arange(size + 1) * PUBLISHED / size
    pixel = np.arange(PUBLISHED)
    low, high = edge[:-1, None], edge[1:, None]
    share = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return share * size / PUBLISHED

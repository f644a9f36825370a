"""Maps of an embedding: a place for each window, by class and by person, and how much they show."""

import html
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mmalign.evaluation.threads import one_thread
from mmalign.report import figures
from mmalign.report.look import picture, section, shown_width

_MOST_POINTS = 4000  # beyond that they only cover each other
_NEAREST = 10
_FEW = 20  # windows; UMAP makes neighbours of all of them
_SEED = 0


class Map(NamedTuple):
    """Where windows are drawn.

    points: [n, 2]. axes: what the two are called, "" where they are nothing by themselves.
    how: what places the windows so, in words.
    """

    points: np.ndarray
    axes: tuple[str, str]
    how: str


def maps(
    embedding: ArrayLike | None, label: ArrayLike | None, classes: Sequence[str],
    group: ArrayLike | None,
) -> str | None:  # fmt: skip
    """The section on the joint embedding, a map by class and one by person, where they are known.

    Args: embedding: [n, d]. label, group: int [n], class and person, -1 unknown. classes: names.
    """
    if embedding is None:
        return None
    z = np.asarray(embedding, float)
    rows = np.random.default_rng(_SEED).permutation(len(z))[:_MOST_POINTS]  # none is always on top
    code = lambda given: np.full(len(z), -1) if given is None else np.asarray(given)
    label, group, count = code(label)[rows], code(group)[rows], len(z)
    z = z[rows]
    drawn = mapped(z)
    people, person = np.unique(group[group >= 0], return_inverse=True)
    of_person = np.full(len(group), -1)
    of_person[group >= 0] = person
    names = classes or [str(i) for i in range(label.max(initial=-1) + 1)]
    shown = ""
    if (label >= 0).any() or len(people) < 2:
        shown += _map("class", z, drawn, label, names, "unlabelled")
    if len(people) > 1:
        shown += _map("person", z, drawn, of_person, [f"person {i}" for i in people], "unknown")
    which = "Test windows" if len(z) == count else f"{len(z):,} of {count:,} test windows"
    note = f"{which} {drawn.how}{_kept(z, drawn.points)}."
    return section("Map of the joint embedding", f'<div class="side">{shown}</div>', note)


def mapped(z: np.ndarray) -> Map:
    """[n, d] embeddings on two axes: by UMAP where it is installed, else by principal components.

    The same z gives the same map, on one machine and in one version of UMAP. So few windows that
    each is a neighbour of all have principal components in any case.
    References: McInnes et al. 2018, arXiv:1802.03426.
    """
    umap = _umap() if len(z) > _FEW else None
    return _principal(z) if umap is None else _by_umap(z, umap)


def same(near: np.ndarray, code: np.ndarray) -> float:
    """Share of neighbours with the code of the window whose they are; near: [n, k] row numbers."""
    return float((code[near] == code[:, None]).mean())


def nearest(z: np.ndarray) -> np.ndarray:
    """[n, k] row numbers of the windows next to each, ten where there are as many others."""
    from sklearn.neighbors import NearestNeighbors

    k = min(_NEAREST, len(z) - 1)
    with one_thread():
        return NearestNeighbors(n_neighbors=k).fit(z).kneighbors(return_distance=False)


def _umap() -> Any:
    """UMAP's class, or None where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tells what else is not installed
        try:
            from umap import UMAP  # slow: it compiles itself
        except ImportError:
            return None
    return UMAP


def _by_umap(z, umap):
    from sklearn.metrics import pairwise_distances

    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore")  # of windows that are alike
        distances = pairwise_distances(z)  # which UMAP takes one by one, twice as long as the rest
        drawing = umap(metric="precomputed", random_state=_SEED, n_jobs=1)
        points = drawing.fit_transform(distances)
    how = "as UMAP places them, whose distances between groups mean little"
    return Map(np.asarray(points, float), ("", ""), how)


def _principal(z):
    z = z - z.mean(axis=0)
    values, vectors = np.linalg.eigh(z.T @ z)
    points = z @ vectors[:, ::-1][:, :2]
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    kept = 100 * values[::-1][:2] / max(values.sum(), 1e-12)
    axes = (f"component 1 ({kept[0]:.0f} % of the variance)",
            f"component 2 ({kept[1:].sum():.0f} %)")  # fmt: skip
    how = (f"on the first two principal components (by UMAP where the extra umap is installed), "
           f"which hold {kept.sum():.0f} % of the variance")  # fmt: skip
    return Map(points, axes, how)


def _kept(z, points):
    """How many neighbours the map keeps, in words."""
    if len(z) < 3:
        return ""
    near, drawn = nearest(z), nearest(points)
    k = near.shape[1]
    both = 100 * (near[:, :, None] == drawn[:, None]).any(axis=2).mean()
    chance = 100 * k / (len(z) - 1)
    return (f". Of the {k} windows that are nearest to one in the embedding, {both:.0f} % are "
            f"among its {k} nearest on the map; by chance {chance:.2g} %")  # fmt: skip


def _map(by, z, drawn, code, names, unknown):
    """The map in the colours of one thing, and how much of that it shows."""
    png = figures.embedding_map(drawn.points, code, names, drawn.axes, unknown)
    said = f"By {by}{_told(by, z, drawn.points, code)}."
    shown = picture(png, f"Embedding map by {by}")
    said = f'<p class="note">{html.escape(said)}</p>'
    return f'<div style="flex-basis:{shown_width(png)}px">{shown}{said}</div>'


def _told(by, z, points, code):
    known = code >= 0
    code, count = code[known], int(known.sum())
    sizes = np.bincount(code)
    if count < 3 or (sizes > 0).sum() < 2:
        return ""
    near, drawn = nearest(z[known]), nearest(points[known])
    chance = (sizes * (sizes - 1)).sum() / (count * (count - 1))
    return (f": of the {near.shape[1]} windows that are nearest to one on the map, "
            f"{100 * same(drawn, code):.0f} % are of the same {by}; in the embedding "
            f"{100 * same(near, code):.0f} %, by chance {100 * chance:.0f} %")  # fmt: skip

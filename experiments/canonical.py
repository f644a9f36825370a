"""Canonical correlation analysis of frozen autoencoders: what pairs tell without any training.

The closed form that an alignment has to beat: of each sensor's embedding the directions that go
together with those of the others on the same pairs, ridge and all chosen without labels.
"""

from collections.abc import Mapping

import numpy as np

from mmalign import evaluation
from mmalign.data import catalogue
from mmalign.graph import Store
from mmalign.plan import plan
from mmalign.walk import Walk

LABEL = "CCA of the autoencoders"
RIDGES = tuple(10.0**k for k in range(-4, 2))  # of the mean variance of a direction
FOLDS = 3  # of the pairs' people, to choose a ridge on


def records(config, artifacts, source="pretrain", aligned="align"):
    """Records of the row LABEL, of a run that is finished.

    source: the stage whose embeddings are read. aligned: the stage whose pairs are taken, and the
    width of whose shared half.
    """
    dataset = catalogue.load(config.data)
    planned = plan(config, dataset)
    parts = Walk(planned, Store(artifacts)).parts(source)
    stage = planned.stages[aligned]
    seen = [np.stack([*stage.sampler.rows(step).values()]) for step in range(stage.block["steps"])]
    rows = np.unique(np.concatenate([x[0, (x == x[:1]).all(axis=0) & (x[0] >= 0)] for x in seen]))
    views = {m: np.asarray(parts[m], np.float64) for m in dataset.modalities}
    width = stage.block["method"]["shared"]
    ridge = chosen({m: x[rows] for m, x in views.items()}, dataset.group[rows], width)
    found = fitted({m: x[rows] for m, x in views.items()}, width, ridge)
    z = np.concatenate([projected(x, found[m]) for m, x in views.items()], axis=1)
    cells = [
        evaluation.Cell("joint", "linear", f) for f in planned.config["evaluation"]["fractions"]
    ]
    return evaluation.evaluate({LABEL: {"joint": z}}, dataset, cells=cells, seed=config.seed)


def fitted(views: Mapping[str, np.ndarray], width: int, ridge: float):
    """{view: (mean, scale, [d, width])}: generalised CCA by its largest common directions.

    views: {name: [n, d]}, row by row of the same windows. ridge: added to the variance of each
    direction of a view, in units of their mean.
    References: Kettenring 1971, MAXVAR; of two views it is Hotelling's CCA.
    """
    bases, out = {}, {}
    for name, x in views.items():
        mean, scale = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
        u, s, vt = np.linalg.svd((x - mean) / scale, full_matrices=False)
        bases[name] = u, s, vt, ridge * np.square(s).mean()
        out[name] = mean, scale
    whitened = [u * (s / np.sqrt(s**2 + r)) for u, s, _, r in bases.values()]
    common = np.linalg.svd(np.concatenate(whitened, axis=1), full_matrices=False)[0][:, :width]
    return {
        name: (*out[name], vt.T @ ((s / (s**2 + r))[:, None] * (u.T @ common)))
        for name, (u, s, vt, r) in bases.items()
    }


def projected(x: np.ndarray, by) -> np.ndarray:
    """[n, d] -> [n, width]."""
    mean, scale, weights = by
    return (x - mean) / scale @ weights


def chosen(views: Mapping[str, np.ndarray], group: np.ndarray, width: int) -> float:
    """The ridge whose directions agree best on pairs of people that they were not found on."""
    people = np.unique(group, return_inverse=True)[1]
    if people.max() == 0:  # of one person: parts of the windows
        people = np.arange(len(group)) * FOLDS // len(group)
    fold = people % FOLDS

    def agreement(ridge):
        out = []
        for number in np.unique(fold):
            held_out = fold == number
            found = fitted({m: x[~held_out] for m, x in views.items()}, width, ridge)
            z = [projected(x[held_out], found[m]) for m, x in views.items()]
            out.append([_correlations(a, b) for i, a in enumerate(z) for b in z[:i]])
        return np.mean(out)

    return max(RIDGES, key=agreement)


def _correlations(a, b):
    """Sum of the columns' correlations."""
    a, b = (z - z.mean(axis=0) for z in (a, b))
    lengths = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return ((a * b).sum(axis=0) / np.where(lengths > 0, lengths, 1)).sum()

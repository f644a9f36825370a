"""Every loss as a function of three arrays of rows, to be called in many ways and compared."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from mmalign import losses
from mmalign.losses.rows import gathered, places


class Case(NamedTuple):
    """(a, b, c, each [n, dim], **knobs) -> [n] or, for a statistic of the batch, any shape."""

    loss: Callable
    tiles: bool = False  # takes tile=
    unit: bool = False  # takes normalise=
    statistic: bool = False
    rows: int = 1  # what n has to be a multiple of
    learns: int = 3  # of the arrays, the others get no gradient


def _two(loss, **fixed):
    return lambda a, b, c, **knobs: loss(a, b, **fixed, **knobs)


def _three(loss, **fixed):
    return lambda a, b, c, **knobs: loss([a, b, c], **fixed, **knobs)


def _terms(run):
    """Terms of either sign with weights, so that their sum is not about 0 by chance."""
    of = lambda *arrays, **knobs: run(*arrays, **knobs).values()
    return lambda *z, **knobs: jnp.stack([k * term for k, term in enumerate(of(*z, **knobs), 1)])


def _supcon(a, b, c, *, axis_name=None, **knobs):
    label = places(len(a), axis_name) % 3
    return losses.supcon([a, b], label, axis_name=axis_name, **knobs)


def _positives(a, b, c, *, axis_name=None, **knobs):
    mine, everyone = c[:, 0] > 0, gathered(c[:, 0], axis_name) > 0
    alike = mine[:, None] == everyone[None]
    return losses.supcon([a, b], positives=alike, axis_name=axis_name, **knobs)


def _queue(a, b, c, **knobs):
    queue = np.cos(np.arange(5 * a.shape[1])).reshape(5, -1)
    return losses.queue_nce(a, b, jnp.asarray(queue, a.dtype), temperature=0.2, **knobs)


def _bound(bound):
    def run(a, b, c, *, axis_name=None, **knobs):
        scores = jnp.maximum(a[:, :1], gathered(b[:, 0], axis_name)[None])
        return losses.mutual_information(scores, bound=bound, axis_name=axis_name, **knobs)

    return run


def _patches(loss):
    return lambda a, b, c, **knobs: loss(a[..., None], b[..., None], c > 0, **knobs)


def _lines(a, b, c):
    return jnp.asarray(np.cos(np.arange(4 * a.shape[1])).reshape(4, -1), a.dtype)


def _normalised(a, b, c, *, where=None, axis_name=None):
    a = a if where is None else jnp.where(where[:, None], a, 0)
    return losses.normalise_patches(a)[:, 0]  # all of them add up to 0


def _ranking(a, b, c, **knobs):
    return jnp.repeat(losses.sequence_ranking(a, length=2, **knobs), 2)


_contrast = functools.partial(Case, tiles=True, unit=True)
_whole = functools.partial(Case, statistic=True)
CASES = {
    "info_nce": _contrast(_two(losses.info_nce)),
    "info_nce, one way": _contrast(_two(losses.info_nce, symmetric=False)),
    "nt_xent": _contrast(_two(losses.nt_xent)),
    "clip": _contrast(_two(losses.clip, log_scale=2.7)),
    "sigmoid": _contrast(_two(losses.sigmoid, log_scale=2.3, bias=-5.0)),
    "debiased": _contrast(_two(losses.debiased)),
    "hard_negative": _contrast(_two(losses.hard_negative, beta=0.5)),
    "hard_negative, linear": _contrast(_two(losses.hard_negative, form="linear", beta=2.0)),
    "dcl": _contrast(_two(losses.dcl)),
    "dcl, weighted": _contrast(_two(losses.dcl, sigma=0.5)),
    "queue_nce": _contrast(_queue, learns=1),
    "supcon": _contrast(_supcon),
    "supcon, inside": _contrast(functools.partial(_supcon, inside=True)),
    "supcon, positives": _contrast(_positives, learns=2),
    "weighted_supcon": _contrast(_three(losses.weighted_supcon)),
    "cmc": _contrast(_three(losses.cmc)),
    "gmc": _contrast(lambda a, b, c, **knobs: losses.gmc([a, b], c, **knobs)),
    "comm": _contrast(lambda a, b, c, **knobs: losses.comm([a, b], [b, c], **knobs)),
    "infmasking": _contrast(lambda a, b, c, **knobs: losses.infmasking(a, [b, c], **knobs)),
    "cocoa": _contrast(_three(losses.cocoa)),
    "cocoa, ratio": _contrast(_three(losses.cocoa, form="ratio")),
    "leave_one_out": _contrast(_three(losses.leave_one_out, temperature=0.2)),
    "symile": _contrast(_three(losses.symile)),
    "symile, shifted": _contrast(_three(losses.symile, shifts=np.array([1]))),
    "gram": _contrast(lambda a, b, c, **knobs: losses.gram(a, [b, c], **knobs)),
    "triangle": _contrast(losses.triangle),
    "triangle, squared": _contrast(functools.partial(losses.triangle, squared=True)),
    "hierarchical_contrast": Case(
        lambda a, b, c, **knobs: losses.hierarchical_contrast(a[..., None], b[..., None], **knobs),
        tiles=True,
    ),
    "negative_cosine": Case(_two(losses.negative_cosine), learns=1),
    "distillation": Case(_two(losses.distillation), learns=1),
    "koleo": Case(lambda a, b, c, **knobs: losses.koleo(a, **knobs)),
    "sigreg": _whole(lambda *z, **knobs: losses.sigreg(z[0], _lines(*z), **knobs)),
    "frossl": _whole(_terms(_three(losses.frossl))),
    "vicreg": _whole(_terms(_two(losses.vicreg))),
    "barlow_twins": _whole(_terms(_two(losses.barlow_twins))),
    "mmd": _whole(_two(losses.mmd)),
    "mmd, one bandwidth": _whole(_two(losses.mmd, bandwidths=1.0)),
    "coral": _whole(_two(losses.coral)),
    "sliced_wasserstein": _whole(
        lambda *z, **knobs: losses.sliced_wasserstein(*z[:2], _lines(*z), **knobs)
    ),
    "orthogonality": Case(_two(losses.orthogonality)),
    "masked_mse": Case(_patches(losses.masked_mse)),
    "masked_l1": Case(_patches(losses.masked_l1)),
    "masked_huber": Case(_patches(losses.masked_huber)),
    "normalise_patches": Case(_normalised),
    "density_ratio": Case(lambda a, b, c, **knobs: losses.density_ratio(a[:, 0], b.T, **knobs)),
    "shared_information": Case(
        lambda a, b, c, **knobs: losses.shared_information(a[:, 0], b.T, beta=0.3, **knobs)
    ),
    "canonical_information": _whole(_two(losses.canonical_information)),
    "private_information": Case(
        lambda a, b, c, **knobs: losses.private_information(
            a[:, 0], b[:, 0], gamma=0.1, epsilon=0.5, **knobs
        )
    ),
    **{f"mutual_information, {b}": Case(_bound(b)) for b in ("info_nce", "nwj", "dv", "club")},
    "neighbourhood_coding": Case(
        lambda a, b, c, **knobs: losses.neighbourhood_coding(a[:, 0], b.T, **knobs)
    ),
    "sequence_ranking": Case(_ranking, rows=4),
}

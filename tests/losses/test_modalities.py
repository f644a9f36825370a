"""Symile, GRAM, TRIANGLE and leave-one-out: contrast of several modalities, from the equations."""

import functools
import itertools

import jax
import numpy as np
import pytest

from mmalign import losses

KNOBS = ("tile", "normalise", "renormalise", "squared", "smoothing", "eps")
tiles = pytest.mark.parametrize("tile", [None, 2])


@functools.cache
def compiled(loss):
    return jax.jit(loss, static_argnames=[k for k in KNOBS if k in loss.__kwdefaults__])


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def cross_entropy(logits, smoothing=0.0):
    """Of each row with its own column: [n, n] -> [n]."""
    log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -(1 - smoothing) * np.diag(log_softmax) - smoothing * log_softmax.mean(axis=1)


def both_ways(logits, smoothing=0.0):
    return (cross_entropy(logits, smoothing) + cross_entropy(logits.T, smoothing)) / 2


def symile_reference(views, shift=None, temperature=0.5):
    """Saporta et al., eq. 4 and 5, for three modalities."""
    views, n = [unit(z) for z in views], len(views[0])
    out = np.zeros(n)
    for anchor in range(3):
        a, b, c = views[anchor], *(views[m] for m in range(3) if m != anchor)
        for i in range(n):
            product = lambda j, k: np.exp(np.sum(a[i] * b[j] * c[k]) / temperature)  # noqa: B023
            if shift is None:
                total = sum(product(j, k) for j, k in itertools.product(range(n), repeat=2))
            else:
                shifted = (product(j, (j + shift) % n) for j in range(n) if j != i)
                total = product(i, i) + sum(shifted)
            out[i] -= np.log(product(i, i) / total) / 3
    return out


def gram_reference(views, smoothing=0.0, temperature=0.5):
    """Cicchetti et al. 2025, eq. 4 to 7."""
    anchor, *others = (unit(z) for z in views)
    n = len(anchor)
    volume = np.zeros((n, n))
    for i, j in np.ndindex(n, n):
        rows = np.stack([anchor[i], *(z[j] for z in others)])
        volume[i, j] = np.sqrt(max(np.linalg.det(rows @ rows.T), 0))
    return both_ways(-volume / temperature, smoothing)


def triangle_reference(views, squared=False, temperature=0.5):
    """The area of three corners, by Heron's formula from the lengths of the sides."""
    anchor, b, c = (unit(z) for z in views)
    n = len(anchor)
    area = np.zeros((n, n))
    for i, j in np.ndindex(n, n):
        sides = [anchor[i] - b[j], anchor[i] - c[j], b[j] - c[j]]
        p, q, r = (np.linalg.norm(side) for side in sides)
        s = (p + q + r) / 2
        area[i, j] = np.sqrt(max(s * (s - p) * (s - q) * (s - r), 0))
    return both_ways(-(2 * area**2 if squared else area) / temperature)


def leave_one_out_reference(views, renormalise=False, temperature=0.5):
    """Thapa et al. 2024, section 3.2."""
    views, out = [unit(z) for z in views], 0
    for m, z in enumerate(views):
        rest = np.mean([x for k, x in enumerate(views) if k != m], axis=0)
        rest = unit(rest) if renormalise else rest
        out = out + both_ways(z @ rest.T / temperature) / len(views)
    return out


def symile(views, tile, **knobs):
    return compiled(losses.symile)(views, temperature=0.5, tile=tile, **knobs)


def gram(views, tile, **knobs):
    return compiled(losses.gram)(views[0], views[1:], temperature=0.5, eps=0.0, tile=tile, **knobs)


def triangle(views, tile, **knobs):
    return compiled(losses.triangle)(*views, temperature=0.5, eps=0.0, tile=tile, **knobs)


def leave_one_out(views, tile, **knobs):
    return compiled(losses.leave_one_out)(views, temperature=0.5, tile=tile, **knobs)


CASES = {
    "symile": (symile, {}, symile_reference, {}, [1.46787656, 1.72787974, 1.84974033]),
    "symile_shifted": (
        symile, {"shifts": np.array([1])}, symile_reference, {"shift": 1},
        [0.52340379, 0.69662114, 0.66690571],
    ),
    "gram": (gram, {}, gram_reference, {}, [0.94539477, 1.35742398, 0.94793146]),
    "gram_smoothed": (gram, {"smoothing": 0.1}, gram_reference, {"smoothing": 0.1}, 1.09489258),
    "triangle": (triangle, {}, triangle_reference, {}, [0.9164895, 1.18707326, 0.94325163]),
    "triangle_squared": (
        triangle, {"squared": True}, triangle_reference, {"squared": True},
        [0.87654734, 1.07666909, 0.89749333],
    ),
    "leave_one_out": (
        leave_one_out, {}, leave_one_out_reference, {}, [0.77811921, 0.99799043, 0.96678895],
    ),
    "renormalised": (
        leave_one_out, {"renormalise": True}, leave_one_out_reference, {"renormalise": True},
        0.90583524,
    ),
}  # fmt: skip


@tiles
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_its_equation_and_has_its_published_values(rng, vectors, tile, case):
    loss, knobs, reference, its_knobs, want = case
    views = list(rng.standard_normal((3, 3, 3)))
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            loss(views, tile, **knobs), reference(views, **its_knobs), rtol=1e-9
        )
        got = np.asarray(loss(list(vectors), tile, **knobs))
    np.testing.assert_allclose(got if np.ndim(want) else got.mean(), want, atol=1e-8)


def test_more_and_fewer_modalities(rng):
    """Volumes of two and of four, tuples of two, and the pair that is plain InfoNCE."""
    views = list(rng.standard_normal((4, 3, 5)))
    with jax.enable_x64(True):
        for some in (views, views[:2]):
            np.testing.assert_allclose(gram(some, None), gram_reference(some), rtol=1e-9)
        want = both_ways(unit(views[0]) @ unit(views[1]).T / 0.5)
        np.testing.assert_allclose(leave_one_out(views[:2], None), want, rtol=1e-9)
        np.testing.assert_allclose(symile(views[:2], None), want, rtol=1e-9)


def test_missing_modalities_are_left_out(vectors):
    a, b, c = vectors
    last = np.array([True, True, False])
    with jax.enable_x64(True):
        got = leave_one_out([a, b, c], None, where=[None, None, last])
        np.testing.assert_allclose(got.mean(), 0.67203454, atol=1e-8)
        whole = gram([a, b, np.where(last[:, None], c, np.nan)], None, where=[None, None, last])
        areas = np.zeros((3, 3))
        for i, j in np.ndindex(3, 3):
            rows = unit(np.stack([a[i], b[j], c[j]][: 3 if last[j] else 2]))
            areas[i, j] = np.sqrt(max(np.linalg.det(rows @ rows.T), 0))
    np.testing.assert_allclose(whole, both_ways(-areas / 0.5), rtol=1e-9)


def test_what_does_not_fit_is_named():
    z = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"shifts must be integers \[modalities - 2\] = \[1\]"):
        losses.symile([z, z, z], np.array([1, 2]))
    with pytest.raises(ValueError, match="need 2 views or more, got 1"):
        losses.gram(z, [])
    for loss in (losses.triangle, lambda *views, **k: losses.gram(views[0], views[1:], **k)):
        with pytest.raises(ValueError, match=r"smoothing must lie in \[0, 1\), got 1"):
            loss(z, z, z, smoothing=1)

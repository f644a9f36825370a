import jax
import numpy as np
import pytest

from mmalign import losses

cocoa = jax.jit(losses.cocoa, static_argnames=("temperature", "form", "tile"))
cmc = jax.jit(losses.cmc, static_argnames="own_view")
gmc = jax.jit(losses.gmc)
comm = jax.jit(losses.comm)
info_nce = jax.jit(losses.info_nce)
nt_xent = jax.jit(losses.nt_xent)


def _released_inputs():
    """Three modalities, four examples: the inputs at which COCOA's released code was run."""
    m, b, k = np.indices((3, 4, 5))
    return list(np.sin(0.3 * m + 0.7 * b + 1.1 * k + 0.2 * m * k + 0.15 * b * k))


@pytest.mark.parametrize("tile", [None, 2])
@pytest.mark.parametrize(
    ("temperature", "total", "ratio"),
    [(0.2, 2.815498, 0.1388808), (0.1, 202.2242, 0.0634071), (0.5, 0.3731402, 0.2278413)],
)
def test_cocoa_gives_what_the_released_code_gives(tile, temperature, total, ratio):
    with jax.enable_x64(True):
        views = _released_inputs()
        got = cocoa(views, temperature=temperature, tile=tile)
        got_ratio = cocoa(views, temperature=temperature, form="ratio", tile=tile)
    np.testing.assert_allclose(np.asarray(got).sum(), total, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(got_ratio).mean(), ratio, rtol=1e-6)


def test_cocoa_of_orthogonal_embeddings_costs_the_analytic_value():
    views = list(np.eye(12, dtype=np.float32).reshape(3, 4, 12))
    want = (3 + 6 * np.exp(1 / 0.5)) / 9 / 32 + 3.9e-3 * 3
    np.testing.assert_allclose(cocoa(views, temperature=0.5), want, rtol=1e-6)
    np.testing.assert_allclose(cocoa(views, form="ratio"), np.log1p(3 / 6), rtol=1e-6)


def test_cocoa_counts_what_is_present(rng):
    views = list(rng.standard_normal((3, 6, 4)).astype(np.float32))
    where = np.ones((3, 6), bool)
    where[2] = False
    for form in ("sum", "ratio"):
        want = cocoa(views[:2], form=form)
        np.testing.assert_allclose(cocoa(views, form=form, where=where), want, rtol=1e-5)
    where[1, 0] = False  # the first example has one modality left: no pair
    ratio = np.asarray(cocoa(views, form="ratio", where=where))
    assert ratio[0] == 0
    assert (ratio[1:] > 0).all()


def test_cmc_and_gmc_add_up_their_pairs(rng):
    a, b, c = rng.standard_normal((3, 6, 4)).astype(np.float32)
    pairs = ((a, b), (a, c), (b, c))
    want = sum(info_nce(*pair, temperature=0.07) for pair in pairs)
    np.testing.assert_allclose(cmc([a, b, c]), want, rtol=1e-6)
    want = sum(nt_xent(*pair, temperature=0.07) for pair in pairs)
    np.testing.assert_allclose(cmc([a, b, c], own_view=True), want, rtol=1e-6)
    want = nt_xent(a, c, temperature=0.1) + nt_xent(b, c, temperature=0.1)
    np.testing.assert_allclose(gmc([a, b], c), want, rtol=1e-6)


def test_a_pair_of_modalities_learns_from_examples_that_have_both(rng):
    a, b, c = rng.standard_normal((3, 6, 4)).astype(np.float32)
    where = [np.arange(6) != 0, np.arange(6) != 1, np.ones(6, bool)]
    want = sum(
        info_nce(x, y, temperature=0.07, where=v & w)
        for (x, v), (y, w) in [
            ((a, where[0]), (b, where[1])), ((a, where[0]), (c, where[2])),
            ((b, where[1]), (c, where[2])),
        ]
    )  # fmt: skip
    np.testing.assert_allclose(cmc([a, b, c], where=where), want, rtol=1e-6)


def test_comm_of_constant_and_of_orthogonal_embeddings():
    """Values at batch 64 and temperature 0.1: log 127, and log(1 + 126 exp(-10))."""
    same, apart = [np.ones((64, 64), np.float32)] * 3, [np.eye(64, dtype=np.float32)] * 3
    np.testing.assert_allclose(comm(same, same), 4.84419, atol=1e-5)
    np.testing.assert_allclose(comm(apart, apart), 0.005704, atol=1e-6)


def test_comm_contrasts_across_augmentations_and_weighs_its_terms(rng):
    (a, b, fused), (a2, b2, fused2) = rng.standard_normal((2, 3, 6, 4)).astype(np.float32)
    first, second = [a, b, fused], [a2, b2, fused2]
    last = nt_xent(fused, fused2)
    terms = [
        0.5 * (nt_xent(a, fused2) + nt_xent(a2, fused)),
        0.5 * (nt_xent(b, fused2) + nt_xent(b2, fused)),
        last,
    ]
    np.testing.assert_allclose(comm(first, second), sum(terms) / 3, rtol=1e-5)
    np.testing.assert_allclose(comm(second, first), sum(terms) / 3, rtol=1e-5)
    only = comm(first, second, weight=[0, 0, 3])
    np.testing.assert_allclose(only, last, rtol=1e-6)


def test_bad_arguments_are_named():
    z = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match="need 2 views or more, got 1"):
        losses.cmc([z])
    with pytest.raises(ValueError, match=r"arrays alike, got \(4, 3\), \(4, 2\)"):
        losses.cmc([z, z[:, :2]])
    with pytest.raises(ValueError, match="need a where for each of 2 views, got 3"):
        losses.cmc([z, z], where=[np.ones(4, bool)] * 3)
    with pytest.raises(ValueError, match="of both augmentations, got 2 and 3"):
        losses.comm([z, z], [z, z, z])
    with pytest.raises(ValueError, match="need a weight for each of 2 embeddings, got 3"):
        losses.comm([z, z], [z, z], weight=[1, 1, 1])
    with pytest.raises(ValueError, match='form must be "sum" or "ratio", got \'other\''):
        losses.cocoa([z, z], form="other")
    with pytest.raises(ValueError, match="temperature must be above 1 / 43"):
        losses.cocoa([z, z], temperature=0.02)

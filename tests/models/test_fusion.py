"""The transformer that fuses tokens of modalities, and what makes tokens of embeddings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models import Converter, FusionTransformer, ProjectionHead, init_params
from mmalign.models.converters import feature_map, places_1d, places_2d

KEY = jax.random.key(0)


def size(module, *args):
    shapes = jax.eval_shape(lambda key: module.init(key, *args), KEY)
    return sum(x.size for x in jax.tree.leaves(shapes))


@pytest.fixture(scope="module", params=[1, 2])
def fusion(request):
    """(apply, tokens [2, 5, 8]) of so many layers."""
    module = FusionTransformer(8, depth=request.param, heads=2)
    tokens = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    params = init_params(module, KEY, tokens, np.ones((2, 5), bool))
    return jax.jit(lambda *args: module.apply({"params": params}, *args)), tokens


def test_to_hide_tokens_is_to_leave_them_out_and_masks_share_one_call(fusion):
    apply, tokens = fusion
    keep = np.zeros((3, 2, 5), bool)
    keep[0, :, :2], keep[1, :, 2:], keep[2] = True, True, True
    z = apply(tokens, keep)
    assert z.shape == (3, 2, 8) and z.dtype == jnp.float32
    for some, got in ((slice(0, 2), z[0]), (slice(2, 5), z[1]), (slice(0, 5), z[2])):
        left = tokens[:, some]
        np.testing.assert_allclose(apply(left, np.ones(left.shape[:2], bool)), got, atol=1e-5)
    nonsense = np.where(keep[0][..., None], tokens, 1e3).astype(np.float32)
    np.testing.assert_array_equal(apply(nonsense, keep[0]), apply(tokens, keep[0]))


def test_a_layer_is_that_of_the_formula(rng):
    """Of CLS, which attends to itself and the tokens that are there; heads of three."""
    module, tokens = FusionTransformer(6, heads=2), rng.normal(size=(2, 4, 6)).astype(np.float32)
    keep = np.array([[1, 1, 0, 1], [1, 0, 1, 1]], bool)
    shapes = jax.eval_shape(module.init, KEY, tokens, keep)["params"]
    p = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32), shapes)
    got, layer = module.apply({"params": p}, tokens, keep), p["block_0"]

    def norm(of, x):
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        return x * of["scale"] + of["bias"]

    affine = lambda name, x: x @ layer[name]["kernel"] + layer[name]["bias"]
    for row, there, found in zip(tokens, keep, got):
        x = np.stack([p["cls"], *row[there]])
        y, read = norm(layer["norm_attention"], x), []
        q, k, v = affine("query", y[0]), affine("key", y), affine("value", y)
        for cut in (slice(0, 3), slice(3, 6)):
            weight = np.exp(k[:, cut] @ q[cut] / np.sqrt(3))
            read.append(weight / weight.sum() @ v[:, cut])
        x = x[0] + affine("attention_out", np.concatenate(read))
        y = affine("mlp_in", norm(layer["norm_mlp"], x))
        x = x + affine("mlp_out", y / (1 + np.exp(-1.702 * y)))
        np.testing.assert_allclose(found, norm(p["norm"], x), rtol=1e-3, atol=1e-4)


def test_alike_tokens_may_be_one_that_is_counted(fusion):
    apply, tokens = fusion
    same = np.concatenate([tokens, np.repeat(tokens[:, :1], 3, axis=1)], axis=1)
    many = apply(same, np.ones((2, 8), bool))
    one = apply(tokens, np.array([[4, 1, 1, 1, 1]] * 2))
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_their_order_does_not_matter_and_nothing_is_kept_of_none(fusion):
    apply, tokens = fusion
    keep = np.array([[1, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)
    z, order = apply(tokens, keep), np.array([4, 2, 0, 3, 1])
    np.testing.assert_allclose(apply(tokens[:, order], keep[:, order]), z, atol=1e-5)
    assert np.isfinite(z).all()
    gradient = jax.grad(lambda x: apply(x, keep).sum(where=np.arange(8) < 4))(tokens)
    assert (np.abs(gradient).max(axis=-1) > 0).tolist() == keep.tolist()


@pytest.mark.parametrize(("width", "count"), [(40, 19_840), (128, 198_656), (512, 3_153_920)])
def test_parameters_of_the_paper_s_fusion(width, count):
    tokens, keep = jnp.zeros((1, 3, width)), jnp.ones((1, 3), bool)
    assert size(FusionTransformer(width), tokens, keep) == count == 12 * width**2 + 16 * width


@pytest.mark.parametrize(("width", "count"), [(40, 417_024), (512, 658_688), (768, 789_760)])
def test_parameters_of_the_paper_s_head(width, count):
    rows, where = jnp.zeros((1, 4, width)), jnp.ones((1, 4), bool)
    assert size(ProjectionHead((512, 512, 256)), rows, where) == count


def test_the_head_s_statistics_are_of_rows_that_count_and_of_each_view():
    rng = np.random.default_rng(1)
    head, x = ProjectionHead((6, 5, 4)), rng.normal(size=(2, 7, 3)).astype(np.float32)
    where = np.array([[1, 1, 1, 1, 0, 0, 1], [1] * 7], bool)
    params = init_params(head, KEY, x, where)
    apply = lambda *args: head.apply({"params": params}, *args)
    out = apply(x, where)
    changed = np.where(where[..., None], x, 1e3).astype(np.float32)
    np.testing.assert_allclose(apply(changed, where)[where], out[where], rtol=1e-5)
    np.testing.assert_allclose(apply(x[0], where[0]), out[0], atol=1e-6)
    assert np.abs(apply(x[0], where[1])[where[0]] - out[0][where[0]]).max() > 1e-2


ENCODED = {
    "tokens": np.random.default_rng(2).normal(size=(3, 6, 8)).astype(np.float32),
    "mask": np.arange(6)[None] < np.array([[6], [4], [0]]),
    "pooled": np.random.default_rng(3).normal(size=(3, 5)).astype(np.float32),
}


def converted(*names, width=8, grid=None):
    """(tokens, mask, parameters) of ENCODED."""
    module = Converter(names, width, grid)
    params = init_params(module, KEY, ENCODED)
    return *module.apply({"params": params}, ENCODED), params


def test_tokens_of_the_width_stay_as_they_are():
    tokens, mask, params = converted("tokens")
    assert not params
    np.testing.assert_array_equal(tokens, ENCODED["tokens"])
    np.testing.assert_array_equal(mask, ENCODED["mask"])
    wide, _, params = converted("tokens", width=12)
    assert wide.shape == (3, 6, 12) and set(params) == {"tokens"}


def test_a_feature_becomes_a_token_along_its_own_weight():
    tokens, mask, params = converted("features")
    assert tokens.shape == (3, 5, 8) and mask.all()
    weight, shift = params["feature_weight"], params["feature_bias"]
    for i, j in ((0, 0), (2, 4)):
        want = ENCODED["pooled"][i, j] * weight[j] + shift[j]
        np.testing.assert_allclose(tokens[i, j], want, rtol=1e-6)


def test_an_embedding_is_one_token_and_kinds_of_token_stand_in_a_row():
    tokens, mask, params = converted("patches", "singleton", grid=(2, 3))
    assert tokens.shape == (3, 7, 8) and set(params) == {"patches", "singleton"}
    np.testing.assert_array_equal(mask, np.c_[ENCODED["mask"], np.ones((3, 1), bool)])
    moved, _, _ = converted("patches")  # in a row, with other places
    affine = tokens[:, :6] - places_2d((2, 3), 8)[None]
    np.testing.assert_allclose(moved - places_1d(6, 8)[None], affine, atol=1e-6)


def test_places_tell_rows_and_columns_apart():
    table = places_2d((3, 4), 16)
    assert table.shape == (12, 16) and len(np.unique(table.round(5), axis=0)) == 12
    np.testing.assert_allclose(table[5, :4], np.sin(1 / 10000 ** (np.arange(4) / 4)), rtol=1e-6)
    np.testing.assert_allclose(table[8:12, 8:], np.tile(table[8, 8:], (4, 1)))  # of one row
    np.testing.assert_allclose(np.square(table).sum(axis=1), 8)
    assert len(np.unique(places_1d(100, 8).round(5), axis=0)) == 100


@pytest.mark.parametrize(
    ("count", "grid", "want"),
    [(36, (224, 224), (6, 6)), (12, (30, 40), (3, 4)), (12, (4, 3), (4, 3)), (7, (9, 1), (7, 1))],
)
def test_a_feature_map_is_in_shape_like_its_image(count, grid, want):
    assert feature_map(count, grid) == want

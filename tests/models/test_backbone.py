"""What every backbone must do, whatever it is made of."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models.backbone import backbone

SWIN = {"width": 8, "depths": (2, 2), "heads": 2, "dim": 8, "patch": (1, 2)}
DEEPSENSE = {"width": 8, "depth": 1, "dim": 8}
COMPACT = {"width": 8, "depth": 1, "dim": 8, "dropout": 0.5}
CASES = {
    "swin": ("swin", (5, 14), 2, SWIN),
    "deepsense": ("deepsense", (5, 14), 2, DEEPSENSE),
    "deepsense_series": ("deepsense", (18, 1), 3, {**DEEPSENSE, "stride": (4, 1)}),
    "compact_series": ("compact", (18, 1), 3, {**COMPACT, "patch": 4}),
    "compact_grid": ("compact", (5, 14), 2, {**COMPACT, "patch": 1}),
}


@functools.cache
def built(case, dtype="float32"):
    """(model, variables, window batch [4, ...], encode, decode); compiled once for all tests."""
    name, size, channels, options = CASES[case]
    model = backbone(name, size, channels, **options, dtype=dtype)
    x = jax.random.normal(jax.random.key(0), (4, *size, channels))

    def init(key):
        variables = model.encoder.init(key, x), model.decoder.init(key, jnp.zeros((1, 8)))
        move = lambda p: p + 0.1 * jax.random.normal(key, p.shape)
        return jax.tree.map(move, variables)

    encode = jax.jit(model.encoder.apply, static_argnames="train")
    decode = jax.jit(model.decoder.apply, static_argnames="train")
    return model, jax.jit(init)(jax.random.key(1)), x, encode, decode


every = pytest.mark.parametrize("case", CASES)


@every
def test_shapes_follow_the_contract(case):
    model, (e, d), x, encode, decode = built(case)
    code = encode(e, x, None)
    assert code.shape == (4, model.dim) == (4, 8) and code.dtype == jnp.float32
    y = decode(d, code)
    assert y.shape == model.patching.patchify(x).shape and y.dtype == jnp.float32
    assert np.isfinite(code).all() and np.isfinite(y).all()


@every
def test_what_a_masked_patch_held_is_never_seen(case):
    model, (e, _), x, encode, _ = built(case)
    masked = model.patching.draw_mask(jax.random.key(3), 4, 0.5)
    assert masked.any()
    noise = jnp.where(model.patching.cells(masked)[..., None], 100 * x + 5, 0)
    hidden = encode(e, x, masked)
    np.testing.assert_array_equal(encode(e, x + noise, masked), hidden)
    assert np.abs(hidden - encode(e, x, None)).max() > 1e-3
    seen = jnp.where(model.patching.cells(masked)[..., None], 0, 1.0)
    assert np.abs(encode(e, x + seen, masked) - hidden).max() > 1e-3


@every
def test_the_learned_token_stands_in_for_masked_patches(case):
    model, (e, _), x, encode, _ = built(case)
    masked = model.patching.draw_mask(jax.random.key(3), 4, 0.5)
    other = {"params": {**e["params"], "mask_token": e["params"]["mask_token"] + 1}}
    assert np.abs(encode(other, x, masked) - encode(e, x, masked)).max() > 1e-3
    np.testing.assert_array_equal(encode(other, x, None), encode(e, x, None))


@every
def test_a_row_depends_on_itself_alone(case):
    _, (e, d), x, encode, decode = built(case)
    changed = x.at[1:].set(7.0)
    code, other = encode(e, x, None), encode(e, changed, None)
    np.testing.assert_allclose(other[0], code[0], atol=1e-6)
    assert np.abs(other[1:] - code[1:]).max() > 1e-3
    np.testing.assert_allclose(decode(d, other)[0], decode(d, code)[0], atol=1e-6)


@every
def test_dropout_acts_in_training_only(case):
    _, (e, _), x, encode, _ = built(case)
    key = lambda i: {"dropout": jax.random.key(i)}
    first = encode(e, x, None, train=True, rngs=key(0))
    np.testing.assert_array_equal(encode(e, x, None, train=True, rngs=key(0)), first)
    assert np.abs(encode(e, x, None, train=True, rngs=key(1)) - first).max() > 1e-3
    np.testing.assert_array_equal(encode(e, x, None, rngs=key(0)), encode(e, x, None))


@every
def test_gradients_are_finite_and_reach_every_parameter(case):
    model, (e, d), x, _, _ = built(case)
    masked = model.patching.draw_mask(jax.random.key(3), 4, 0.5)

    @jax.jit
    def gradients(e, d):
        def error(e, d):
            y = model.decoder.apply(d, model.encoder.apply(e, x, masked))
            return jnp.mean((y - model.patching.patchify(x)) ** 2)

        return jax.grad(error, argnums=(0, 1))(e, d)

    for path, g in jax.tree.leaves_with_path(gradients(e, d)):
        assert np.isfinite(g).all() and (g != 0).any(), jax.tree_util.keystr(path)


@pytest.mark.parametrize("case", ["swin", "deepsense", "compact_grid"])
def test_bfloat16_computes_near_float32_with_float32_parameters(case):
    _, (e, d), x, encode, decode = built(case)
    model, *_ = built(case, "bfloat16")
    code = encode(e, x, None)
    low = jax.jit(model.encoder.apply)(e, x)
    assert low.dtype == jnp.float32
    error = np.linalg.norm(low - code) / np.linalg.norm(code)
    assert 0 < error < 0.05
    y = jax.jit(model.decoder.apply)(d, code)
    assert y.dtype == jnp.float32
    assert np.linalg.norm(y - decode(d, code)) / np.linalg.norm(y) < 0.05
    init = jax.eval_shape(model.encoder.init, jax.random.key(0), x)
    assert {p.dtype for p in jax.tree.leaves(init)} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("preset", "size", "channels", "dim"),
    [
        ("mod_acoustic", (10, 1600), 2, 512),
        ("mod_seismic", (10, 20), 2, 512),
        ("har", (9, 50), 6, 512),
        ("pamap2", (9, 40), 6, 128),
    ],
)
def test_published_deepsense_geometries_trace(preset, size, channels, dim):
    model = backbone("deepsense", size, channels, preset=preset)
    x = jax.ShapeDtypeStruct((2, *size, channels), jnp.float32)
    code, _ = jax.eval_shape(model.encoder.init_with_output, jax.random.key(0), x)
    assert code.shape == (2, dim) == (2, model.dim)
    y, _ = jax.eval_shape(model.decoder.init_with_output, jax.random.key(0), code)
    assert y.shape == (2, *model.patching.grid, model.patching.values(channels))


def test_deepsense_predicts_zeros_for_padding():
    model, (_, d), _, _, decode = built("deepsense")
    y = decode(d, jnp.ones((1, 8)))
    np.testing.assert_array_equal(y[:, ~model.patching.valid], 0)


def test_options_win_over_the_preset():
    assert backbone("swin", (9, 50), 6, preset="har", width=16).encoder.width == 16


def test_errors_list_what_there_is():
    with pytest.raises(
        ValueError, match="no backbone is called 'swim'; there is compact, deepsense"
    ):
        backbone("swim", (9, 50), 6)
    with pytest.raises(ValueError, match="no preset of swin is called 'hat'; there is har, mod_"):
        backbone("swin", (9, 50), 6, preset="hat")
    with pytest.raises(ValueError, match=r"no option of swin is called 'withd'; there is .*width"):
        backbone("swin", (9, 50), 6, withd=3)


def test_windows_of_another_size_are_refused():
    for case in ("swin", "deepsense", "compact_series"):
        model, (e, _), x, *_ = built(case)
        with pytest.raises(ValueError, match=r"need \[batch, "):
            model.encoder.apply(e, x[:, 1:])

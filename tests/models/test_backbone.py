"""What every backbone must do, whatever it is made of."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models.backbone import backbone

SWIN = {"width": 8, "depths": (2, 1), "heads": 2, "dim": 8, "patch": (1, 2), "decoder_depth": 1}
DEEPSENSE = {"width": 8, "depth": 1, "dim": 8}
CONV = {"kernels": (6, 4, 3), "strides": (1, 2, 1), "dim": 8}
COMPACT = {"width": 8, "depth": 2, "segments": 2, "dim": 8}
LSTM = {"filters": (4, 6), "dim": 8}
CASES = {
    "swin": ("swin", (5, 14), 2, SWIN),
    "deepsense": ("deepsense", (5, 14), 2, DEEPSENSE),
    "deepsense_series": ("deepsense", (18, 1), 3, {**DEEPSENSE, "stride": (4, 1)}),
    "compact_series": ("compact", (40, 1), 3, {**COMPACT, "patch": 4}),
    "conv_series": ("conv", (40, 1), 3, {**CONV, "patch": 4}),
    "compact_grid": ("compact", (20, 6), 2, {**COMPACT, "patch": 2}),
    "lstm_series": ("deep_conv_lstm", (18, 1), 3, {**LSTM, "patch": 4}),
    "lstm_across": ("deep_conv_lstm", (12, 1), 3, {**LSTM, "patch": 4, "across": True}),
}


def initial(module, *arrays):
    """Variables as `init` draws them, but kernels by NumPy: `init` takes long to compile."""
    rng, init = np.random.default_rng(0), lambda key: module.init(key, *arrays)
    is_kernel = lambda path: path[-1].key in ("kernel", "relative_bias")
    others = lambda key: [
        None if is_kernel(path) else p for path, p in jax.tree.leaves_with_path(init(key))
    ]
    drawn = iter(jax.jit(others)(jax.random.key(0)))

    def fill(path, like):
        other, fan_in = next(drawn), np.prod(like.shape[:-1])
        if not is_kernel(path):
            return other
        return rng.normal(size=like.shape).astype(np.float32) * fan_in**-0.5

    return jax.tree.map_with_path(fill, jax.eval_shape(init, jax.random.key(0)))


@functools.cache
def built(case):
    """(model, variables, windows [4, ...], encode, decode); compiled once for all tests."""
    name, size, channels, options = CASES[case]
    model = backbone(name, size, channels, **options)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, *size, channels)), jnp.float32)
    variables = initial(model.encoder, x), initial(model.decoder, jnp.zeros((1, 8)))
    compiled = jax.jit(model.encoder.apply)
    nothing = jnp.zeros((4, *model.patching.grid), bool)
    encode = lambda variables, x, masked=nothing: compiled(variables, x, masked)
    return model, variables, x, encode, jax.jit(model.decoder.apply)


every = pytest.mark.parametrize("case", CASES)


@every
def test_shapes_follow_the_contract(case):
    model, (e, d), x, encode, decode = built(case)
    code = encode(e, x)
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
    assert np.abs(hidden - encode(e, x)).max() > 1e-3
    seen = jnp.where(model.patching.cells(masked)[..., None], 0, 1.0)
    assert np.abs(encode(e, x + seen, masked) - hidden).max() > 1e-3


@every
def test_the_learned_token_stands_in_for_masked_patches(case):
    model, (e, _), x, encode, _ = built(case)
    masked = model.patching.draw_mask(jax.random.key(3), 4, 0.5)
    other = {"params": {**e["params"], "mask_token": e["params"]["mask_token"] + 1}}
    assert np.abs(encode(other, x, masked) - encode(e, x, masked)).max() > 1e-3
    np.testing.assert_array_equal(encode(other, x), encode(e, x))


@every
def test_a_row_depends_on_itself_alone(case):
    _, (e, d), x, encode, decode = built(case)
    changed = x.at[1:].set(7.0)
    code, other = encode(e, x), encode(e, changed)
    np.testing.assert_allclose(other[0], code[0], atol=1e-6)
    assert np.abs(other[1:] - code[1:]).max() > 1e-3
    np.testing.assert_allclose(decode(d, other)[0], decode(d, code)[0], atol=1e-6)


@pytest.mark.parametrize("case", ["swin", "deepsense", "conv_series", "lstm_series"])
def test_dropout_acts_in_training_only(case):
    model, (e, _), x, encode, _ = built(case)
    train = jax.jit(lambda key: model.encoder.apply(e, x, None, True, rngs={"dropout": key}))
    first = train(jax.random.key(0))
    np.testing.assert_array_equal(train(jax.random.key(0)), first)
    for other in (train(jax.random.key(1)), encode(e, x)):
        assert np.abs(other - first).max() > 1e-3


@pytest.mark.parametrize(
    "case", ["swin", "deepsense", "compact_series", "compact_grid", "lstm_across"]
)
def test_gradients_start_tame_and_reach_every_parameter(case):
    # Where a whole region is hidden, zeros from the mask token on would stay zeros, and each
    # normalisation of a zero vector multiplies the gradient by 1 / sqrt(epsilon).
    model, (e, d), x, _, _ = built(case)
    masked = model.patching.draw_mask(jax.random.key(3), 4, 0.75)

    @jax.jit
    def gradients(e, d):
        def error(e, d):
            y = model.decoder.apply(d, model.encoder.apply(e, x, masked))
            return jnp.mean((y - model.patching.patchify(x)) ** 2)

        return jax.grad(error, argnums=(0, 1))(e, d)

    for path, g in jax.tree.leaves_with_path(gradients(e, d)):
        assert 0 < np.linalg.norm(g) < 20, (jax.tree_util.keystr(path), np.linalg.norm(g))


@pytest.mark.parametrize(
    "case", ["swin", "deepsense", "compact_grid", "conv_series", "lstm_series"]
)
def test_bfloat16_computes_near_float32_with_float32_parameters(case):
    _, (e, d), x, encode, decode = built(case)
    name, size, channels, options = CASES[case]
    model = backbone(name, size, channels, **options, dtype="bfloat16")
    # Without a mask here, and with one that hides nothing in `encode`: that must not matter.
    low = jax.jit(lambda e, d: (c := model.encoder.apply(e, x), model.decoder.apply(d, c)))(e, d)
    code = encode(e, x)
    for got, want in zip(low, (code, decode(d, code))):
        assert got.dtype == jnp.float32
        assert 0 < np.linalg.norm(got - want) / np.linalg.norm(want) < 0.05
    shapes = jax.eval_shape(model.encoder.init, jax.random.key(0), x)
    assert {p.dtype for p in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}


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
    y = decode(d, jnp.ones((4, 8)))
    np.testing.assert_array_equal(y[:, ~model.patching.valid], 0)


def test_convolutions_see_one_channel_or_all():
    """And every step of time to the end: what comes last still changes the embedding."""
    for case, channels in (("lstm_series", 1), ("lstm_across", 3)):
        _, (e, _), x, encode, _ = built(case)
        assert e["params"]["conv_0"]["kernel"].shape == (5, channels, 1, 4)
        assert np.abs(encode(e, x.at[:, -1].add(1.0)) - encode(e, x)).max() > 1e-4


def test_the_published_comparison_has_its_own_deep_conv_lstm():
    encoder = backbone("deep_conv_lstm", (512, 1), 9, preset="crossl").encoder
    x = jax.ShapeDtypeStruct((2, 512, 1, 9), jnp.float32)
    p = jax.eval_shape(encoder.init, jax.random.key(0), x)["params"]
    kernels = [p[f"conv_{i}"]["kernel"].shape for i in range(3)]
    assert kernels == [(5, 9, 1, 64), (5, 9, 64, 128), (5, 9, 128, 256)]
    assert p["lstm_0"]["ii"]["kernel"].shape == (256 * 9, 128)
    assert p["lstm_1"]["hi"]["kernel"].shape == (128, 128)


def test_options_win_over_the_preset():
    assert backbone("swin", (9, 50), 6, preset="har", width=16).encoder.width == 16


@pytest.mark.parametrize("name", ["swin", "deepsense"])
def test_a_number_as_patch_counts_time_steps(name):
    assert backbone(name, (64, 1), 3, patch=8).patching.patch == (8, 1)


def test_errors_list_what_there_is():
    with pytest.raises(ValueError, match="no backbone is called 'swim'; there is compact, conv"):
        backbone("swim", (9, 50), 6)
    with pytest.raises(ValueError, match="no preset of swin is called 'hat'; there is har, mod_"):
        backbone("swin", (9, 50), 6, preset="hat")
    with pytest.raises(ValueError, match=r"no option of swin is called 'withd'; there is .*width"):
        backbone("swin", (9, 50), 6, withd=3)


def test_windows_of_another_size_are_refused():
    for case in ("swin", "deepsense"):
        model, (e, _), x, *_ = built(case)
        with pytest.raises(ValueError, match=r"need \[batch, "):
            model.encoder.apply(e, x[:, 1:])

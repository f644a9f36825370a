"""What every backbone must do, whatever it is made of."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models.backbone import backbone

SWIN = {"width": 8, "depths": (2, 1), "heads": 2, "dim": 8, "patch": (1, 2), "decoder_depth": 1}
DEEPSENSE = {"width": 8, "depth": 1, "dim": 8}
CONV = {"kernels": (6, 4, 3), "strides": (1, 2, 1), "dim": 8, "patch": 4}
COMPACT = {"width": 8, "depth": 2, "segments": 2, "dim": 8, "hidden": 8}
LSTM = {"filters": (4, 6), "dim": 8, "patch": 4}
SMALL = {"width": 8, "dim": 8, "hidden": 8}
ALEX = {"widths": (6, 8), "kernels": (4, 3), "stride": 2, "pooled": (0,), "pool": 2, "regions": 2}
PLAIN = {"placed": False, "bias": False, "norm": False, "alike": True, "activation": "relu"}
CASES = {
    "swin": ("swin", (5, 14), 2, SWIN),
    "deepsense": ("deepsense", (5, 14), 2, DEEPSENSE),
    "deepsense_series": ("deepsense", (18, 1), 3, {**DEEPSENSE, "stride": (4, 1)}),
    "compact_series": ("compact", (11, 1), 3, {**COMPACT, "patch": 4}),
    "conv_series": ("conv", (20, 1), 3, CONV),
    "compact_grid": ("compact", (20, 6), 2, {**COMPACT, "patch": 2}),
    "lstm_series": ("deep_conv_lstm", (18, 1), 3, LSTM),
    "lstm_across": ("deep_conv_lstm", (12, 1), 3, {**LSTM, "across": True}),
    "image": ("small_conv2d", (7, 9), 1, {**SMALL, "depth": 2}),
    "alexnet": ("alexnet", (9, 12), 3, {"dim": 8, "hidden": 8, "maskable": True, **ALEX}),
    "resnet": ("resnet", (9, 12), 2, {**SMALL, "blocks": (1, 1), "maskable": True}),
    "vit": ("transformer", (6, 9), 2, {**SMALL, "heads": 2, "depth": 1, "patch": (3, 4)}),
    "vector": ("mlp", (3, 1), 1, SMALL),
    "vector_plain": (
        "mlp", (3, 1), 1,
        {"widths": (8, 6), "dim": 8, "activation": "relu", "norm": False, "active": True},
    ),
    "gru": ("gru", (5, 1), 4, SMALL),
    "imu": ("imu", (9, 1), 3, {"width": 6, "dim": 8, "patch": 4}),
    "imu_time": ("imu", (9, 1), 3, {"width": 8, "dim": 8, "scan": "time"}),
    "causal": ("causal_conv", (11, 1), 3, {"widths": (6,), "dim": 8, "hidden": 8}),
    "sequence": ("transformer", (5, 1), 4, {**SMALL, "heads": 2, "depth": 1}),
    "sequence_plain": ("transformer", (5, 1), 4, {**SMALL, "heads": 2, **PLAIN}),
    "transformer_series": (
        "transformer", (11, 1), 3, {**SMALL, "heads": 2, "depth": 1, "patch": 2, "block": 2},
    ),
}  # fmt: skip
EACH_KIND = ["swin", "deepsense", "conv_series", "compact_grid", "lstm_series", "image", "alexnet",
             "resnet", "vector", "causal", "sequence"]  # fmt: skip
LEARNS = ["swin", "deepsense", "compact_series", "compact_grid", "lstm_across", "image", "alexnet",
          "resnet", "vit", "vector", "gru", "imu", "imu_time", "causal",
           "sequence", "sequence_plain"]  # fmt: skip
KEY = jax.random.key(0)


def initial(module, *arrays, as_drawn):
    """Variables as `init` draws them, but kernels by NumPy: `init` takes long to compile.

    as_drawn: whether the others are those of `init`, or random as well.
    """
    rng, init = np.random.default_rng(0), lambda key: module.init(key, *arrays)
    is_kernel = lambda path: path[-1].key in ("kernel", "relative_bias")
    others = lambda key: [
        None if is_kernel(path) else p for path, p in jax.tree.leaves_with_path(init(key))
    ]
    drawn = iter(jax.jit(others)(jax.random.key(0))) if as_drawn else None

    def fill(path, like):
        other, fan_in = next(drawn) if as_drawn else None, np.prod(like.shape[:-1])
        random = rng.normal(size=like.shape).astype(np.float32)
        if is_kernel(path):
            return random * fan_in**-0.5
        return other if as_drawn else 0.1 * random + (path[-1].key == "scale")

    return jax.tree.map_with_path(fill, jax.eval_shape(init, jax.random.key(0)))


def hide(patching, share):
    """(bool [4, H, W], the same as cells [4, rows, cols, 1]): whole mask blocks, as NumPy."""
    rng, (h, w) = np.random.default_rng(2), (n // m for n, m in zip(patching.grid, patching.block))
    masked = np.zeros((4, h * w), bool)
    for row in masked:
        row[rng.permutation(h * w)[: max(int(share * h * w), 1)]] = True
    masked = np.kron(masked.reshape(4, h, w), np.ones((1, *patching.block), bool))
    rows, cols = patching.size
    return masked, np.kron(masked, np.ones((1, *patching.patch), bool))[:, :rows, :cols, None]


@functools.cache
def built(case):
    """A model with variables and four windows; programs are compiled once for all tests.

    encode: (x, masked, valid, of) -> Encoded, of the variables `of`. decode: (code) -> patches.
    learn: () -> (gradients of the reconstruction of what was hidden, Encoded), without gaps.
    """
    name, size, channels, options = CASES[case]
    model = backbone(name, size, channels, **options)
    x = np.random.default_rng(1).normal(size=(4, *size, channels)).astype(np.float32)
    e = initial(model.encoder, x, as_drawn=case in LEARNS)
    d = initial(model.decoder, jnp.zeros((1, 8)), as_drawn=case in LEARNS)
    whole = np.zeros((4, *model.patching.grid), bool), np.ones((4, size[0]), bool)
    hidden, _ = hide(model.patching, 0.75)
    encode = jax.jit(lambda e, x, masked, valid: model.encoder.apply(e, x, masked, valid))

    @jax.jit
    def learn(e, d):
        def error(e, d):
            encoded = model.encoder.apply(e, x, hidden)
            y = model.decoder.apply(d, encoded["pooled"])
            return jnp.mean((y - model.patching.patchify(x)) ** 2), encoded

        return jax.grad(error, argnums=(0, 1), has_aux=True)(e, d)

    return SimpleNamespace(
        model=model, x=x, params=(e, d), hidden=hidden, learn=lambda: learn(e, d),
        decode=functools.partial(jax.jit(model.decoder.apply), d),
        encode=lambda x, masked=whole[0], valid=whole[1], of=e: encode(of, x, masked, valid),
    )  # fmt: skip


every = pytest.mark.parametrize("case", CASES)


def differ(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() > 1e-3


@every
def test_shapes_follow_the_contract(case):
    made = built(case)
    encoded = made.encode(made.x)
    code, tokens, mask = encoded["pooled"], encoded["tokens"], encoded["mask"]
    assert code.shape == (4, made.model.dim) == (4, 8) and code.dtype == jnp.float32
    assert tokens.ndim == 3 and tokens.dtype == jnp.float32
    assert mask.shape == tokens.shape[:2] and mask.dtype == bool and mask.any(axis=1).all()
    y = made.decode(code)
    patching = made.model.patching
    assert y.shape == (4, *patching.grid, patching.values(made.x.shape[-1]))
    assert y.dtype == jnp.float32
    assert np.isfinite(tokens).all() and np.isfinite(code).all() and np.isfinite(y).all()


@every
def test_what_a_masked_patch_held_is_never_seen(case):
    made = built(case)
    masked, cells = hide(made.model.patching, 0.5)
    hidden = made.encode(made.x, masked)["pooled"]
    noise = np.where(cells, 100 * made.x + 5, 0)
    np.testing.assert_array_equal(made.encode(made.x + noise, masked)["pooled"], hidden)
    assert differ(made.encode(made.x)["pooled"], hidden)
    assert differ(made.encode(made.x + ~cells, masked)["pooled"], hidden)


@every
def test_the_learned_token_stands_in_for_masked_patches(case):
    made = built(case)
    params = made.params[0]["params"]
    token = params["mask_token"]
    token = token + 1 + (np.arange(token.size) % 2).reshape(token.shape)  # a norm takes shifts out
    other = {"params": {**params, "mask_token": token}}
    seen = lambda **more: made.encode(made.x, **more)["pooled"]
    assert differ(seen(masked=made.hidden, of=other), seen(masked=made.hidden))
    np.testing.assert_array_equal(seen(of=other), seen())


@every
def test_a_row_depends_on_itself_alone(case):
    made = built(case)
    changed = np.concatenate([made.x[:1], -3 * made.x[1:]])
    code, other = (made.encode(x)["pooled"] for x in (made.x, changed))
    np.testing.assert_allclose(other[0], code[0], atol=1e-6)
    assert differ(other[1:], code[1:])
    np.testing.assert_allclose(made.decode(other)[0], made.decode(code)[0], atol=1e-6)


@every
def test_rows_without_a_sample_are_never_read_and_their_tokens_say_so(case):
    made = built(case)
    rows = made.x.shape[1]
    valid = np.ones((4, rows), bool)
    valid[0], valid[1, rows // 2 :], valid[2, 0] = False, False, False
    nan = np.where(valid[:, :, None, None], made.x, np.float32(np.nan))
    zeros = np.nan_to_num(nan)
    encoded = made.encode(nan, valid=valid)
    jax.tree.map(np.testing.assert_array_equal, encoded, made.encode(zeros, valid=valid))
    whole = made.encode(zeros)
    real, mask = np.asarray(whole["mask"]), np.asarray(encoded["mask"])
    assert np.isfinite(encoded["pooled"]).all() and not mask[0].any() and mask[1:].any(axis=1).all()
    np.testing.assert_array_equal(mask[3], real[3])
    np.testing.assert_allclose(encoded["pooled"][3], whole["pooled"][3], rtol=1e-5, atol=1e-6)
    if real.sum(axis=1).max() > 2 and case != "imu":  # whose tokens are of the whole window
        assert mask[1].sum() < real[1].sum()  # and they stay out of the embedding
        assert differ(encoded["pooled"][1], whole["pooled"][1]) or case == "deepsense_series"


@pytest.mark.parametrize("case", ["conv_series", "deepsense", "lstm_series", "causal"])
def test_the_embedding_pools_the_tokens_that_hold_a_sample(case):
    made = built(case)
    valid = np.ones((4, made.x.shape[1]), bool)
    valid[:, -4:] = False
    encoded = made.encode(made.x, valid=valid)
    kept = np.asarray(encoded["tokens"])[:, np.asarray(encoded["mask"][0])]
    assert 0 < kept.shape[1] < encoded["tokens"].shape[1]
    want = kept[:, -1] if case == "lstm_series" else kept.mean(axis=1)
    np.testing.assert_allclose(encoded["pooled"], want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", ["swin", "deepsense", "conv_series", "lstm_series", "sequence",
                                  "sequence_plain"])  # fmt: skip
def test_dropout_acts_in_training_only(case):
    made = built(case)
    train = jax.jit(
        lambda e, key: made.model.encoder.apply(e, made.x, train=True, rngs={"dropout": key})
    )
    first, again, other = (train(made.params[0], jax.random.key(k))["pooled"] for k in (0, 0, 1))
    np.testing.assert_array_equal(again, first)
    assert differ(other, first) and differ(made.encode(made.x)["pooled"], first)


@pytest.mark.parametrize("case", LEARNS)
def test_gradients_start_tame_and_reach_every_parameter(case):
    # Where a whole region is hidden, zeros from the mask token on would stay zeros, and each
    # normalisation of a zero vector multiplies the gradient by 1 / sqrt(epsilon).
    made = built(case)
    gradients, encoded = made.learn()
    for path, g in jax.tree.leaves_with_path(gradients):
        assert 0 < np.linalg.norm(g) < 20, (jax.tree_util.keystr(path), np.linalg.norm(g))
    # and without gaps nothing changes
    for name, want in made.encode(made.x, made.hidden).items():
        np.testing.assert_allclose(encoded[name], want, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("case", EACH_KIND)
def test_bfloat16_computes_near_float32_with_float32_parameters(case):
    made = built(case)
    name, size, channels, options = CASES[case]
    model = backbone(name, size, channels, **options, dtype="bfloat16")
    # Without a mask and gaps here, and with those that hide nothing in `encode`.
    low = jax.jit(
        lambda e, d: (
            c := model.encoder.apply(e, made.x)["pooled"],
            model.decoder.apply(d, c),
        )
    )
    code = made.encode(made.x)["pooled"]
    for got, want in zip(low(*made.params), (code, made.decode(code))):
        assert got.dtype == jnp.float32
        assert 0 < np.linalg.norm(got - want) / np.linalg.norm(want) < 0.05
    shapes = jax.eval_shape(model.encoder.init, jax.random.key(0), made.x)
    assert {p.dtype for p in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}


def test_deepsense_predicts_zeros_for_padding():
    made = built("deepsense")
    y = made.decode(jnp.ones((4, 8)))
    np.testing.assert_array_equal(y[:, ~made.model.patching.valid], 0)


def test_convolutions_see_one_channel_or_all():
    """And every step of time to the end: what comes last still changes the embedding."""
    for case, channels in (("lstm_series", 1), ("lstm_across", 3)):
        made = built(case)
        assert made.params[0]["params"]["conv_0"]["kernel"].shape == (5, channels, 1, 4)
        late = made.x.copy()
        late[:, -1] += 1
        change = made.encode(late)["pooled"] - made.encode(made.x)["pooled"]
        assert np.abs(change).max() > 1e-4


def test_a_transformer_tells_places_apart_and_reads_all_tokens():
    made = built("sequence")
    code = made.encode(made.x)["pooled"]
    assert differ(made.encode(made.x[:, ::-1])["pooled"], code)
    for token in np.eye(5, dtype=np.float32):
        assert differ(made.encode(made.x + token[None, :, None, None])["pooled"], code)


def test_windows_of_another_size_are_refused():
    for case in ("swin", "deepsense", "conv_series", "image", "vector", "sequence", "gru"):
        made = built(case)
        with pytest.raises(ValueError, match=r"need \[batch, "):
            made.model.encoder.apply(made.params[0], made.x[:, 1:])

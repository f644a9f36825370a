"""Families by name: sizes, presets, options, what is published of them."""

import jax
import jax.numpy as jnp
import pytest

from mmalign.models.backbone import backbone, default_dim

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [
        ("small_conv2d", (1, 1), 3),
        ("small_conv2d", (28, 28), 1),
        ("small_conv2d", (33, 64), 3),
        ("mlp", (1, 1), 1),
        ("mlp", (200, 1), 1),
        ("transformer", (1, 1), 7),
        ("transformer", (127, 1), 3),
        ("gru", (1, 1), 2),
        ("causal_conv", (127, 1), 3),
        ("causal_conv", (1, 1), 1),
        ("resnet", (1, 1), 1),
        ("resnet", (64, 64), 3),
        ("compact", (1, 1), 1),
        ("conv", (3, 1), 2),
    ],
)
def test_any_size_fits_with_the_options_left_out(name, size, channels):
    model = backbone(name, size, channels)
    x = jax.ShapeDtypeStruct((2, *size, channels), jnp.float32)
    encoded, _ = jax.eval_shape(model.encoder.init_with_output, KEY, x)
    assert encoded["pooled"].shape == (2, model.dim) == (2, default_dim(name))
    assert encoded["mask"].shape == encoded["tokens"].shape[:2]
    y, _ = jax.eval_shape(model.decoder.init_with_output, KEY, encoded["pooled"])
    assert y.shape == (2, *model.patching.grid, model.patching.values(channels))


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
    encoded, _ = jax.eval_shape(model.encoder.init_with_output, jax.random.key(0), x)
    code = encoded["pooled"]
    assert code.shape == (2, dim) == (2, model.dim)
    assert encoded["tokens"].shape == (2, size[0], dim)
    y, _ = jax.eval_shape(model.decoder.init_with_output, jax.random.key(0), code)
    assert y.shape == (2, *model.patching.grid, model.patching.values(channels))


# convolutions of torchvision's networks; layers of Multibench's
@pytest.mark.parametrize(
    ("name", "preset", "size", "channels", "count", "tokens"),
    [
        ("alexnet", None, (224, 224), 3, 2_469_696, (36, 256)),
        ("alexnet", "small", (64, 64), 3, 98_528, (16, 128)),
        ("resnet", "resnet18", (128, 128), 3, 11_176_512, (16, 512)),
        ("transformer", "affect", (50, 1), 300, 875_240, (50, 40)),
        ("transformer", "affect", (50, 1), 20, 864_040, (50, 40)),
        ("gru", "mimic", (24, 1), 12, 806_912, (24, 512)),
        # 480 fewer than published: PyTorch's gates have a second bias
        ("imu", "mmbind", (120, 1), 3, 219_872 - 480, (16, 120)),
        ("imu", "mmbind", (1000, 1), 3, 853_472 - 480, (16, 120)),
        ("mlp", "mimic", (5, 1), 1, 60, (1, 10)),
        ("mlp", "proprio", (8, 1), 1, 10_720, (1, 128)),
        ("causal_conv", "force", (32, 1), 6, 153_520, (1, 512)),
    ],
)
def test_published_encoders_have_their_sizes(name, preset, size, channels, count, tokens):
    model = backbone(name, size, channels, preset=preset)
    x = jax.ShapeDtypeStruct((2, *size, channels), jnp.float32)
    encoded, variables = jax.eval_shape(model.encoder.init_with_output, KEY, x)
    params = dict(variables["params"])
    out = params.pop("out", {})  # of the embedding
    assert sum(p.size for p in jax.tree.leaves(params)) == count
    assert encoded["tokens"].shape[1:] == tokens
    if name == "mlp":
        last = {"mimic": 110, "proprio": 66_048}[preset]
        assert sum(p.size for p in jax.tree.leaves(out)) == last


def test_layers_that_are_copies_start_alike_and_their_gradients_differ():
    model = backbone("transformer", (6, 1), 4, preset="affect", width=10, hidden_width=8)
    x = jax.random.normal(KEY, (2, 6, 1, 4))
    params = jax.jit(model.encoder.init)(KEY, x)["params"]
    for leaf in jax.tree.leaves(params["blocks"]):
        assert len(leaf) == 5 and (leaf == leaf[:1]).all()
    loss = lambda p: (model.encoder.apply({"params": p}, x)["tokens"] ** 3).sum()
    kernel = jax.jit(jax.grad(loss))(params)["blocks"]["mlp_in"]["kernel"]
    assert abs(kernel[1:] - kernel[:1]).max() > 1e-4


def test_images_that_nothing_would_be_left_of_are_refused():
    with pytest.raises(ValueError, match=r"images of \(32, 32\) are too small for this alexnet"):
        backbone("alexnet", (32, 32), 3)
    with pytest.raises(ValueError, match="pool must be 2 or 3, got 4"):
        backbone("alexnet", (64, 64), 3, preset="small", pool=4)
    with pytest.raises(ValueError, match="need a kernel for each width"):
        backbone("alexnet", (64, 64), 3, preset="small", kernels=(3,))


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
    assert (default_dim("swin", preset="mod_seismic"), default_dim("conv")) == (256, 96)


@pytest.mark.parametrize("name", ["swin", "deepsense"])
def test_a_number_as_patch_counts_time_steps(name):
    assert backbone(name, (64, 1), 3, patch=8).patching.patch == (8, 1)


def test_a_number_as_patch_of_an_image_counts_both_axes():
    patching = backbone("small_conv2d", (9, 7), 3, patch=4, block=(1, 2)).patching
    assert patching.patch == (4, 4) and patching.grid == (3, 2)


def test_errors_list_what_there_is():
    for arguments, options, said in [
        (("swim", (9, 50), 6), {}, r"'swim' \(did you mean 'swin'\?\); there is alexnet, causal"),
        (("swin", (9, 50), 6), {"preset": "hat"}, "no preset of swin is called 'hat' .*har, mod_"),
        (("swin", (9, 50), 6), {"withd": 3}, r"no option of swin is called 'withd' .*width"),
        (("transformer", (9, 1), 6), {"heads": 5}, "heads=5 does not divide the width 64"),
    ]:
        with pytest.raises(ValueError, match=said):
            backbone(*arguments, **options)

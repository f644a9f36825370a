"""CroSSL's encoder: published sizes, what zeros become, means over time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models import Projector, aggregator, backbone

KEY = jax.random.key(0)
SMALL = {"kernels": (6, 4, 3), "dim": 8}
DATA_SETS = {  # channels of each modality, steps, classes; encoders, aggregator, both heads
    "pamap2": ([3] * 6, 512, 12, 346_176, 40_128, 75_404, 5_772),
    "pamap2_hr": ([3] * 6 + [1], 512, 12, 402_720, 46_272, None, None),
    "wesad": ([1] * 3, 1000, 4, 169_632, 21_696, 37_508, 4_740),
    "sleepedf": ([1] * 4, 3000, 5, 226_176, 27_840, 49_925, 4_869),
}


def size(module, *shapes):
    inputs = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    params = jax.eval_shape(module.init, KEY, *inputs)["params"]
    return sum(np.prod(x.shape) for x in jax.tree.leaves(params))


@functools.cache
def encoder_size(steps, channels):
    return size(backbone("conv", (steps, 1), channels, preset="crossl").encoder,
                (1, steps, 1, channels))  # fmt: skip


@pytest.mark.parametrize("name", DATA_SETS)
def test_published_numbers_of_parameters(name):
    channels, steps, classes, encoders, fusion, on_latents, on_global = DATA_SETS[name]
    m = len(channels)
    fuse = aggregator("mlp", [f"m{i}" for i in range(m)])
    assert sum(encoder_size(steps, c) for c in channels) == encoders
    assert size(fuse, (1, m, 96), (1, m)) == fusion == 6144 * m + 3264
    if on_latents:
        head = Projector(128, classes)
        assert size(head, (1, 96 * m)) == on_latents
        assert size(head, (1, 32)) == on_global


def small(**options):
    """(encoder, variables, windows [4, 40, 1, 3]), as NumPy."""
    encoder = backbone("conv", (40, 1), 3, **{**SMALL, **options}).encoder
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 40, 1, 3)).astype(np.float32)

    def fill(path, p):  # as `init` would, which takes long to compile
        if path[-1].key == "kernel":
            return (0.05 * rng.normal(size=p.shape)).astype(np.float32)
        return np.full(p.shape, float(path[-1].key == "scale"), np.float32)

    return encoder, jax.tree.map_with_path(fill, jax.eval_shape(encoder.init, KEY, x)), x


def encode(encoder):
    return jax.jit(lambda variables, x: encoder.apply(variables, x))


@pytest.mark.parametrize(("strides", "steps"), [((1, 1, 1), 40), ((2, 3, 2), 4)])
def test_the_embedding_is_the_mean_of_the_feature_map(strides, steps):
    encoder, variables, x = small(strides=strides)
    encoded, features = jax.jit(
        lambda v, x: (encoder.apply(v, x), encoder.apply(v, x, method="features"))
    )(variables, x)
    assert features.shape == (4, steps, 8)
    np.testing.assert_array_equal(features, encoded["tokens"])
    np.testing.assert_allclose(encoded["pooled"], features.mean(axis=1), rtol=1e-4, atol=1e-6)


def test_zeros_have_the_embedding_zero_at_first_and_not_after_training():
    encoder, variables, x = small()
    pooled = encode(encoder)
    np.testing.assert_array_equal(pooled(variables, 0 * x)["pooled"], 0)
    shifted = jax.tree.map(lambda p: p + np.float32(0.1), variables)
    assert np.abs(pooled(shifted, 0 * x)["pooled"]).min() > 0


def test_the_odd_element_of_padding_is_at_the_end():
    """The last step sees two of the four kernel rows, the first step three."""
    encoder, variables, x = small(kernels=(4, 1, 1))
    kernel = variables["params"]["block_0"]["conv"]["kernel"]
    kernel[:] = 0
    kernel[:, 0, 0] = 1.0
    convolve = jax.jit(
        lambda v, x: encoder.apply(v, x, method="features", capture_intermediates=True)[1]
    )
    inside = convolve(variables, np.ones_like(x))["intermediates"]["block_0"]["conv"]
    sums = np.asarray(inside["__call__"][0])[0, :, 0]
    np.testing.assert_allclose(sums[[0, 1, 20, 37, 38, 39]], [3, 4, 4, 4, 3, 2])


def test_slopes_start_as_a_relu_and_act_below_zero_alone():
    encoder, variables, x = small(kernels=(1, 1, 1))
    features = encode(encoder)
    assert features(variables, x)["tokens"].min() == 0
    slopes = jax.tree.map_with_path(lambda path, p: p + 0.5 * (path[-1].key == "slope"), variables)
    assert features(slopes, x)["tokens"].min() < 0


def test_recomputed_activations_give_the_same_gradient():
    (plain, variables, x), (again, _, _) = small(dropout=0.0), small(dropout=0.0, remat=True)
    cost = lambda v, encoder: (encoder.apply(v, x, train=True)["pooled"] ** 2).sum()
    grads = jax.jit(lambda v: [jax.grad(cost)(v, encoder) for encoder in (plain, again)])(variables)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *grads)


def test_what_cannot_be_built_is_refused():
    for options, said in [
        ({"dim": 10}, "multiple of 4, got 10"),
        ({"strides": (2, 2)}, "three kernels and three strides"),
    ]:
        with pytest.raises(ValueError, match=said):
            backbone("conv", (40, 1), 3, **{**SMALL, **options})
    encoder, variables, x = small(maskable=False)
    with pytest.raises(ValueError, match=r"needs encoder.maskable=True"):
        jax.eval_shape(encoder.apply, variables, x, jnp.ones((4, 5, 1), bool))

"""CroSSL's encoder: published sizes, what zeros become, means over time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models import Projector, aggregator, backbone, masked_mean

KEY = jax.random.key(0)
SMALL = {"kernels": (6, 4, 3), "dim": 8}
DATA_SETS = {  # channels of each modality, steps, classes; encoders, aggregator, both heads
    "pamap2": ([3] * 6, 512, 12, 346_176, 40_128, 75_404, 5_772),
    "pamap2_hr": ([3] * 6 + [1], 512, 12, 402_720, 46_272, None, None),
    "wesad": ([1] * 3, 1000, 4, 169_632, 21_696, 37_508, 4_740),
    "sleepedf": ([1] * 4, 3000, 5, 226_176, 27_840, 49_925, 4_869),
}


def size(module, *inputs):
    shapes = jax.eval_shape(module.init, KEY, *inputs)["params"]
    return sum(np.prod(x.shape) for x in jax.tree.leaves(shapes))


@pytest.mark.parametrize("name", DATA_SETS)
def test_published_numbers_of_parameters(name):
    channels, steps, classes, encoders, fusion, on_latents, on_global = DATA_SETS[name]
    found = 0
    for c in channels:
        model = backbone("conv", (steps, 1), c, preset="crossl")
        found += size(model.encoder, jnp.zeros((1, steps, 1, c)))
    m = len(channels)
    fuse = aggregator("mlp", [f"m{i}" for i in range(m)])
    assert found == encoders
    assert size(fuse, jnp.zeros((1, m, 96)), jnp.ones((1, m), bool)) == fusion == 6144 * m + 3264
    if on_latents:
        head = Projector(128, classes)
        assert size(head, jnp.zeros((1, 96 * m))) == on_latents
        assert size(head, jnp.zeros((1, 32))) == on_global


def small(**options):
    """(encoder, variables, windows [4, 40, 1, 3])."""
    encoder = backbone("conv", (40, 1), 3, **{**SMALL, **options}).encoder
    x = jax.random.normal(KEY, (4, 40, 1, 3))
    rng = np.random.default_rng(0)

    def fill(path, p):  # as `init` would, which takes long to compile
        if path[-1].key == "kernel":
            return jnp.asarray(0.05 * rng.normal(size=p.shape), jnp.float32)
        return jnp.full(p.shape, float(path[-1].key == "scale"))

    return encoder, jax.tree.map_with_path(fill, jax.eval_shape(encoder.init, KEY, x)), x


def test_zeros_have_the_embedding_zero_at_first_and_not_after_training():
    encoder, variables, x = small()
    np.testing.assert_array_equal(encoder.apply(variables, 0 * x), 0)
    shifted = jax.tree.map(lambda p: p + 0.1, variables)
    assert np.abs(encoder.apply(shifted, 0 * x)).min() > 0


def test_the_odd_element_of_padding_is_at_the_end():
    """The last step sees two of the four kernel rows, the first step three."""
    encoder, variables, _ = small(kernels=(4, 1, 1))
    fixed = jax.tree.map(lambda p: p, variables)
    kernel = np.zeros_like(fixed["params"]["block_0"]["conv"]["kernel"])
    kernel[:, 0, 0] = 1.0
    fixed["params"]["block_0"]["conv"]["kernel"] = jnp.asarray(kernel)
    _, state = encoder.apply(
        fixed, jnp.ones((1, 40, 1, 3)), method="features", capture_intermediates=True
    )
    sums = state["intermediates"]["block_0"]["conv"]["__call__"][0][0, :, 0]
    np.testing.assert_allclose(sums[jnp.array([0, 1, 20, 37, 38, 39])], [3, 4, 4, 4, 3, 2])


def test_slopes_start_as_a_relu_and_act_below_zero_alone():
    encoder, variables, x = small(kernels=(1, 1, 1))
    assert encoder.apply(variables, x, method="features").min() == 0
    slopes = jax.tree.map_with_path(lambda path, p: p + 0.5 * (path[-1].key == "slope"), variables)
    assert encoder.apply(slopes, x, method="features").min() < 0


@pytest.mark.parametrize(("strides", "steps"), [((1, 1, 1), 40), ((2, 3, 2), 4)])
def test_the_embedding_is_the_mean_of_the_feature_map(strides, steps):
    encoder, variables, x = small(strides=strides)
    features, mean = jax.jit(
        lambda v, x: (encoder.apply(v, x, method="features"), encoder.apply(v, x))
    )(variables, x)
    assert features.shape == (4, steps, 8)
    np.testing.assert_allclose(mean, features.mean(axis=1), rtol=1e-4, atol=1e-6)


def test_recomputed_activations_give_the_same_gradient():
    (plain, variables, x), (again, _, _) = small(dropout=0.0), small(dropout=0.0, remat=True)
    costs = [lambda v, e=e: (e.apply(v, x, None, True) ** 2).sum() for e in (plain, again)]
    grads = [jax.jit(jax.grad(cost))(variables) for cost in costs]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *grads)


def test_masked_means_are_over_what_is_kept():
    features = jax.random.normal(KEY, (3, 5, 2))
    keep = np.zeros((2, 3, 5), bool)
    keep[0, :, 1:3], keep[1, 0, 4] = True, True
    out = masked_mean(features, jnp.asarray(keep))
    np.testing.assert_allclose(out[0], features[:, 1:3].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(out[1, 0], features[0, 4], rtol=1e-5)
    np.testing.assert_array_equal(out[1, 1:], 0)  # nothing kept
    whole = masked_mean(features, jnp.ones((3, 5), bool))
    np.testing.assert_allclose(whole, masked_mean(features), rtol=1e-5)


def test_what_cannot_be_built_is_refused():
    for options, said in [
        ({"dim": 10}, "multiple of 4, got 10"),
        ({"strides": (2, 2)}, "three kernels and three strides"),
    ]:
        with pytest.raises(ValueError, match=said):
            backbone("conv", (40, 1), 3, **{**SMALL, **options})
    encoder, variables, x = small(maskable=False)
    with pytest.raises(ValueError, match=r"needs encoder.maskable=True"):
        encoder.apply(variables, x, jnp.ones((4, 5, 1), bool))

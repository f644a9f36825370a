"""Aggregators: any subset of modalities in, one embedding out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models import Expander, aggregator

KEY = jax.random.key(0)
NAMES = ("acc", "emg", "ecg")
ATTENTION = {"width": 8, "heads": 2, "depth": 2, "out": 6}
CASES = {"mlp": {"hidden": (8,), "out": 6}, "attention": ATTENTION}


def drawn(module, *inputs):
    """Random variables; `init` takes long to compile. Norms' scales are about 1."""
    rng = np.random.default_rng(0)

    def fill(path, p):
        value = 0.3 * rng.normal(size=p.shape) + (path[-1].key == "scale")
        return jnp.asarray(value, jnp.float32)

    return jax.tree.map_with_path(fill, jax.eval_shape(module.init, KEY, *inputs))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """(apply, latents [5, 3, 7] with nothing kept of row 0)."""
    fuse = aggregator(request.param, NAMES, **CASES[request.param])
    latents = jax.random.normal(KEY, (5, 3, 7))
    kept = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]], bool)
    variables = drawn(fuse, latents, kept)
    return jax.jit(lambda *args: fuse.apply(variables, *args)), latents, kept


def hidden(latents, kept):
    return latents * kept[..., None]


def test_what_is_kept_decides_alone(case):
    apply, latents, kept = case
    z = apply(hidden(latents, kept), kept)
    assert z.shape == (5, 6) and z.dtype == jnp.float32
    for i in range(len(kept)):
        alone = apply(hidden(latents, kept)[i : i + 1], kept[i : i + 1])
        np.testing.assert_allclose(alone[0], z[i], atol=1e-5)
    for m in range(len(NAMES)):
        changed = apply(hidden(latents.at[:, m].add(1.0), kept), kept)
        differs = np.abs(changed - z).max(axis=1) > 1e-4
        np.testing.assert_array_equal(differs, kept[:, m])


def test_with_everything_hidden_all_samples_are_alike(case):
    apply, latents, kept = case
    z = apply(jnp.zeros_like(latents), np.zeros_like(kept))
    np.testing.assert_array_equal(z, jnp.broadcast_to(z[:1], z.shape))


def test_attention_never_reads_what_is_hidden():
    fuse = aggregator("attention", NAMES, **ATTENTION)
    latents, kept = jax.random.normal(KEY, (2, 3, 7)), np.array([[1, 0, 1], [0, 1, 0]], bool)
    variables = drawn(fuse, latents, kept)
    apply = jax.jit(lambda x: fuse.apply(variables, x, kept))
    np.testing.assert_array_equal(
        apply(latents), apply(jnp.where(kept[..., None], latents, jnp.nan))
    )


def test_attention_tells_modalities_apart_by_name():
    """Another order of the same modalities gives the same embedding, from the same parameters."""
    latents, kept = jax.random.normal(KEY, (2, 3, 7)), np.ones((2, 3), bool)
    fuse = aggregator("attention", NAMES, **ATTENTION)
    variables = drawn(fuse, latents, kept)
    turned = aggregator("attention", NAMES[::-1], **ATTENTION)
    back = latents[:, ::-1]
    z, same, other = jax.jit(
        lambda v: (fuse.apply(v, latents, kept), turned.apply(v, back, kept),
                   fuse.apply(v, back, kept))
    )(variables)  # fmt: skip
    np.testing.assert_allclose(same, z, atol=1e-5)
    assert np.abs(other - z).max() > 1e-3


@pytest.mark.parametrize("norm", ["layernorm", "none"])
def test_the_final_norm_fixes_the_spread_over_features(norm):
    fuse = aggregator("mlp", NAMES, out=6, final_norm=norm)
    latents, kept = jax.random.normal(KEY, (4, 3, 7)), np.ones((4, 3), bool)
    params = drawn(fuse, latents, kept)["params"]
    if norm == "layernorm":  # before gain and shift
        params["final_norm"] = {"scale": jnp.ones(6), "bias": jnp.zeros(6)}
    z = fuse.apply({"params": params}, latents, kept)
    assert np.allclose(z.mean(axis=1), 0, atol=1e-5) == (norm == "layernorm")


def test_the_expander_ends_in_a_linear_map_without_bias():
    expand = Expander((12, 9, 5))
    x = jax.random.normal(KEY, (4, 3))
    variables = drawn(expand, x)
    assert expand.apply(variables, x).shape == (4, 5)
    assert set(variables["params"]["out"]) == {"kernel"}


def test_what_cannot_be_built_is_refused():
    for name, options, said in [
        ("gnn", {}, "must be one of mlp, attention, got 'gnn'"),
        ("mlp", {"heads": 2}, "'mlp' has no option 'heads', expected hidden, out, final_norm"),
        ("mlp", {"final_norm": "batch"}, "one of layernorm, none, got 'batch'"),
        ("attention", {"width": 9}, "multiple of aggregator.heads"),
    ]:
        with pytest.raises(ValueError, match=said):
            aggregator(name, NAMES, **options)

"""Aggregators: any subset of modalities in, one embedding out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models import aggregator

NAMES = ("acc", "emg", "ecg")
ATTENTION = {"width": 8, "heads": 2, "depth": 2, "out": 6}
CASES = {"mlp": {"hidden": (8,), "out": 6}, "attention": ATTENTION}
LATENTS = np.random.default_rng(1).normal(size=(5, 3, 7)).astype(np.float32)


def drawn(module, *inputs):
    """Random variables; `init` takes long to compile. Norms' scales are about 1."""
    rng = np.random.default_rng(0)

    def fill(path, p):
        return (0.3 * rng.normal(size=p.shape) + (path[-1].key == "scale")).astype(np.float32)

    return jax.tree.map_with_path(fill, jax.eval_shape(module.init, jax.random.key(0), *inputs))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """(apply, latents [5, 3, 7], what is kept of them: nothing of row 0)."""
    fuse = aggregator(request.param, NAMES, **CASES[request.param])
    kept = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]], bool)
    variables = drawn(fuse, LATENTS, kept)
    return jax.jit(lambda *args: fuse.apply(variables, *args)), LATENTS, kept


def hidden(latents, kept):
    return latents * kept[..., None]


def test_what_is_kept_decides_alone(case):
    apply, latents, kept = case
    z = apply(hidden(latents, kept), kept)
    assert z.shape == (5, 6) and z.dtype == jnp.float32
    back = apply(hidden(latents, kept)[::-1], kept[::-1])
    np.testing.assert_allclose(back[::-1], z, atol=1e-5)  # rows know nothing of each other
    for m in range(len(NAMES)):
        changed = latents.copy()
        changed[:, m] += 1
        differs = np.abs(apply(hidden(changed, kept), kept) - z).max(axis=1) > 1e-4
        np.testing.assert_array_equal(differs, kept[:, m])


def test_with_everything_hidden_all_samples_are_alike(case):
    apply, latents, kept = case
    z = apply(np.zeros_like(latents), np.zeros_like(kept))
    np.testing.assert_array_equal(z, np.broadcast_to(z[:1], z.shape))


def test_attention_never_reads_what_is_hidden_and_tells_modalities_apart_by_name():
    """Another order of the same modalities gives the same embedding, from the same parameters."""
    fuse = aggregator("attention", NAMES, **ATTENTION)
    turned = aggregator("attention", NAMES[::-1], **ATTENTION)
    kept = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 0], [0, 0, 1]], bool)
    nan = np.where(kept[..., None], LATENTS, np.float32(np.nan))
    z, unread, same, other = jax.jit(
        lambda v, x, kept: (
            fuse.apply(v, x, kept), fuse.apply(v, nan, kept),
            turned.apply(v, x[:, ::-1], kept[:, ::-1]), fuse.apply(v, x[:, ::-1], kept[:, ::-1]),
        )
    )(drawn(fuse, LATENTS, kept), LATENTS, kept)  # fmt: skip
    np.testing.assert_array_equal(unread, z)
    np.testing.assert_allclose(same, z, atol=1e-5)
    assert np.abs(other - z)[2].max() > 1e-3


@pytest.mark.parametrize("norm", ["layernorm", "none"])
def test_the_final_norm_fixes_the_spread_over_features(norm):
    fuse = aggregator("mlp", NAMES, out=6, final_norm=norm)
    kept = np.ones((5, 3), bool)
    params = drawn(fuse, LATENTS, kept)["params"]
    if norm == "layernorm":  # before gain and shift
        params["final_norm"] = {"scale": jnp.ones(6), "bias": jnp.zeros(6)}
    z = jax.jit(fuse.apply)({"params": params}, LATENTS, kept)
    assert np.allclose(z.mean(axis=1), 0, atol=1e-5) == (norm == "layernorm")


def test_what_cannot_be_built_is_refused():
    for name, options, said in [
        ("gnn", {}, "must be one of mlp, attention, got 'gnn'"),
        ("mlp", {"heads": 2}, "no option of aggregator mlp is called 'heads'; there is final_norm"),
        ("mlp", {"final_norm": "batch"}, "one of layernorm, none, got 'batch'"),
        ("attention", {"width": 9}, "multiple of aggregator.heads"),
    ]:
        with pytest.raises(ValueError, match=said):
            aggregator(name, NAMES, **options)

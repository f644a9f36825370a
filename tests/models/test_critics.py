"""Stems of every kind of window; what critics start from, and what they share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models.critics import Critic, Stem


def drawn(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def variables_of(module, *arrays, **static):
    """All parameters random: the zeros of `init` would hide what a test looks for."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: module.init(key, *arrays, **static), jax.random.key(0))
    return jax.tree.map(lambda p: rng.normal(size=p.shape).astype(np.float32) / 2, shapes)


@pytest.mark.parametrize(
    ("size", "kind", "kernel"),
    [
        ((5, 12), "series", (3, 3)),
        ((24, 1), "series", (3, 1)),
        ((6, 1), "sequence", (3, 1)),
        ((7, 9), "image", (3, 3)),
        ((3, 1), "vector", None),
        ((1, 1), "vector", None),
    ],
    ids=str,
)
def test_stem_turns_grids_into_vectors(size, kind, kernel):
    x = drawn(4, *size, 2)
    stem = Stem(features=(4, 8), out=6)
    variables = variables_of(stem, x, kind=kind)
    if kernel:
        assert variables["params"]["conv_0"]["kernel"].shape == (*kernel, 2, 4)
    run = jax.jit(lambda v, x: stem.apply(v, x, kind=kind))
    y = run(variables, x)
    assert y.shape == (4, 6) and y.dtype == jnp.float32
    other = run(variables, np.concatenate([x[:1] - 9, x[1:]]))
    np.testing.assert_allclose(other[1:], y[1:], atol=1e-5)
    assert np.abs(other[0] - y[0]).max() > 1e-3


def test_an_image_is_halved_along_both_axes_and_a_spectrogram_along_its_bins():
    shapes = {}
    for kind in ("image", "series"):
        stem = Stem(features=(4, 8), out=6)
        convolved = jax.eval_shape(
            lambda key, stem=stem, kind=kind: stem.init_with_output(
                key, jnp.ones((1, 8, 8, 1)), kind, capture_intermediates=True
            ),
            jax.random.key(0),
        )[1]["intermediates"]["conv_1"]["__call__"]
        shapes[kind] = convolved[0].shape[1:3]
    assert shapes == {"image": (2, 2), "series": (8, 2)}


def test_the_first_layer_is_one_layer_on_the_concatenation():
    a, b = drawn(5, 3), drawn(5, 2)
    critic = Critic(hidden=8, depth=2)
    variables = variables_of(critic, a, b)
    p = dict(variables["params"])
    first, second = p.pop("argument_0"), p.pop("argument_1")
    kernel = np.concatenate([first["kernel"], second["kernel"]])
    p["argument_0"] = {"kernel": kernel, "bias": first["bias"]}
    both = jax.jit(
        lambda v, w: (critic.apply(v, a, b), critic.apply(w, jnp.concatenate([a, b], axis=-1)))
    )
    np.testing.assert_allclose(*both(variables, {"params": p}), atol=1e-5)


def test_ratios_start_at_one_and_arguments_as_if_they_were_concatenated():
    critic = Critic(hidden=512, depth=1)
    logits, variables = jax.jit(critic.init_with_output)(
        jax.random.key(1), drawn(5, 3), drawn(5, 2)
    )
    np.testing.assert_array_equal(logits, 0)
    scale = np.std(variables["params"]["argument_1"]["kernel"])
    np.testing.assert_allclose(scale, 5**-0.5, rtol=0.1)


def test_several_negatives_go_through_in_one_call():
    a, u = drawn(5, 3), drawn(5, 2)
    negatives = np.stack([np.roll(a, 1, 0), np.roll(a, 2, 0)])
    critic = Critic(hidden=8, depth=2)
    variables = variables_of(critic, a, u)
    logits, *each = jax.jit(
        lambda v: (critic.apply(v, negatives, u), *(critic.apply(v, x, u) for x in negatives))
    )(variables)
    assert logits.shape == (2, 5) and logits.dtype == jnp.float32
    np.testing.assert_allclose(logits, np.stack(each), atol=1e-5)


def test_depth_counts_the_hidden_layers():
    p = variables_of(Critic(hidden=8, depth=4), jnp.ones((1, 3)))["params"]
    assert sum(name.startswith(("argument", "hidden", "logit")) for name in p) == 5


def test_bfloat16_gives_float32_logits_and_finite_gradients():
    a = drawn(5, 3)
    critic = Critic(hidden=8, depth=2, dtype=jnp.bfloat16)

    def total(v):
        logits = critic.apply(v, a)
        return logits.sum(), logits

    grads, logits = jax.jit(jax.grad(total, has_aux=True))(variables_of(critic, a))
    assert logits.dtype == jnp.float32
    assert all(np.isfinite(g).all() and (np.asarray(g) != 0).any() for g in jax.tree.leaves(grads))


def test_dropout_acts_in_training_only():
    a = drawn(5, 3)
    critic = Critic(hidden=8, depth=2, dropout=0.5)
    train, calm, again = jax.jit(
        lambda v, key: (
            critic.apply(v, a, train=True, rngs={"dropout": key}), critic.apply(v, a),
            critic.apply(v, a, rngs={"dropout": key}),
        )
    )(variables_of(critic, a), jax.random.key(2))  # fmt: skip
    assert (train != calm).any()
    np.testing.assert_array_equal(again, calm)


def test_errors_say_what_came():
    with pytest.raises(ValueError, match=r"need \[batch, rows, cols, channels\], got \(2, 3\)"):
        Stem().init(jax.random.key(0), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="need one array"):
        Critic().init(jax.random.key(0))

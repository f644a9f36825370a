import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models.critics import Critic, Stem


def variables_of(module, *arrays):
    """All parameters random: the zeros of `init` would hide what a test looks for."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: module.init(key, *arrays), jax.random.key(0))
    return jax.tree.map(lambda p: rng.normal(size=p.shape).astype(np.float32) / 2, shapes)


def apply(module, variables, *arrays):
    return jax.jit(module.apply)(variables, *arrays)


@pytest.mark.parametrize(
    ("size", "kernel"), [((5, 12), (3, 3)), ((24, 1), (3, 1))], ids=["spectrogram", "series"]
)
def test_stem_turns_grids_into_vectors(size, kernel):
    x = jax.random.normal(jax.random.key(0), (4, *size, 2))
    stem = Stem(features=(4, 8), out=6)
    variables = variables_of(stem, x)
    assert variables["params"]["conv_0"]["kernel"].shape == (*kernel, 2, 4)
    y = apply(stem, variables, x)
    assert y.shape == (4, 6) and y.dtype == jnp.float32
    np.testing.assert_allclose(apply(stem, variables, x.at[0].set(9.0))[1:], y[1:], atol=1e-5)


def test_ratios_start_at_one():
    a, b = jax.random.normal(jax.random.key(0), (2, 5, 3))
    critic = Critic(hidden=8, depth=1)
    logits, _ = jax.jit(critic.init_with_output)(jax.random.key(1), a, b)
    np.testing.assert_array_equal(logits, 0)


def test_the_first_layer_is_one_layer_on_the_concatenation():
    a = jax.random.normal(jax.random.key(0), (5, 3))
    b = jax.random.normal(jax.random.key(1), (5, 2))
    two, one = Critic(hidden=8, depth=2), Critic(hidden=8, depth=2)
    variables = variables_of(two, a, b)
    p = dict(variables["params"])
    first, second = p.pop("argument_0"), p.pop("argument_1")
    kernel = jnp.concatenate([first["kernel"], second["kernel"]])
    p["argument_0"] = {"kernel": kernel, "bias": first["bias"]}
    want = apply(one, {"params": p}, jnp.concatenate([a, b], axis=-1))
    np.testing.assert_allclose(apply(two, variables, a, b), want, atol=1e-5)
    scale = np.std(
        Critic(hidden=512, depth=1).init(jax.random.key(2), a, b)["params"]["argument_1"]["kernel"]
    )
    np.testing.assert_allclose(scale, 5**-0.5, rtol=0.1)


def test_several_negatives_go_through_in_one_call():
    a = jax.random.normal(jax.random.key(0), (5, 3))
    u = jax.random.normal(jax.random.key(1), (5, 2))
    negatives = jnp.stack([jnp.roll(a, 1, 0), jnp.roll(a, 2, 0)])
    critic = Critic(hidden=8)
    variables = variables_of(critic, a, u)
    logits = apply(critic, variables, negatives, u)
    assert logits.shape == (2, 5) and logits.dtype == jnp.float32
    for got, negative in zip(logits, negatives):
        np.testing.assert_allclose(got, apply(critic, variables, negative, u), atol=1e-5)


def test_depth_counts_the_hidden_layers():
    p = variables_of(Critic(hidden=8, depth=4), jnp.ones((1, 3)))["params"]
    assert sum(name.startswith(("argument", "hidden", "logit")) for name in p) == 5


def test_bfloat16_gives_float32_logits_and_finite_gradients():
    a = jax.random.normal(jax.random.key(0), (5, 3))
    critic = Critic(hidden=8, dtype=jnp.bfloat16)
    variables = variables_of(critic, a)
    assert apply(critic, variables, a).dtype == jnp.float32
    grads = jax.jit(jax.grad(lambda v: critic.apply(v, a).sum()))(variables)
    assert all(np.isfinite(g).all() and (g != 0).any() for g in jax.tree.leaves(grads))


def test_dropout_acts_in_training_only():
    a = jax.random.normal(jax.random.key(0), (5, 3))
    critic = Critic(hidden=8, dropout=0.5)
    variables = variables_of(critic, a)
    train = jax.jit(lambda key: critic.apply(variables, a, train=True, rngs={"dropout": key}))
    calm = apply(critic, variables, a)
    assert (train(jax.random.key(2)) != calm).any()
    np.testing.assert_array_equal(apply(critic, variables, a), calm)


def test_errors_say_what_came():
    with pytest.raises(ValueError, match=r"need \[batch, rows, cols, channels\], got \(2, 3\)"):
        Stem().init(jax.random.key(0), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="need one array"):
        Critic().init(jax.random.key(0))

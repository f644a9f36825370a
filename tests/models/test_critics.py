import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models.critics import Critic, Stem


def variables_of(module, *arrays):
    """Initialised, then every parameter moved, as zeros would hide what a test looks for."""
    variables = module.init(jax.random.key(0), *arrays)
    leaves, tree = jax.tree.flatten(variables)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [x + 0.3 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys)]
    return jax.tree.unflatten(tree, moved)


@pytest.mark.parametrize(
    ("size", "kernel"), [((5, 12), (3, 3)), ((24, 1), (3, 1))], ids=["spectrogram", "series"]
)
def test_stem_turns_grids_into_vectors(size, kernel):
    x = jax.random.normal(jax.random.key(0), (4, *size, 2))
    stem = Stem(features=(4, 8), out=6)
    variables = variables_of(stem, x)
    assert variables["params"]["conv_0"]["kernel"].shape == (*kernel, 2, 4)
    y = stem.apply(variables, x)
    assert y.shape == (4, 6) and y.dtype == jnp.float32
    np.testing.assert_allclose(stem.apply(variables, x[1:2])[0], y[1], atol=1e-5)


def test_ratios_start_at_one():
    a, b = jax.random.normal(jax.random.key(0), (2, 5, 3))
    critic = Critic(hidden=8)
    np.testing.assert_array_equal(critic.apply(critic.init(jax.random.key(1), a, b), a, b), 0)


def test_the_first_layer_is_one_layer_on_the_concatenation():
    a = jax.random.normal(jax.random.key(0), (5, 3))
    b = jax.random.normal(jax.random.key(1), (5, 2))
    two, one = Critic(hidden=8, depth=2), Critic(hidden=8, depth=2)
    variables = variables_of(two, a, b)
    p = dict(variables["params"])
    first, second = p.pop("argument_0"), p.pop("argument_1")
    kernel = jnp.concatenate([first["kernel"], second["kernel"]])
    p["argument_0"] = {"kernel": kernel, "bias": first["bias"]}
    want = one.apply({"params": p}, jnp.concatenate([a, b], axis=-1))
    np.testing.assert_allclose(two.apply(variables, a, b), want, atol=1e-5)
    scale = np.std(
        Critic(hidden=512).init(jax.random.key(2), a, b)["params"]["argument_1"]["kernel"]
    )
    np.testing.assert_allclose(scale, 5**-0.5, rtol=0.1)


def test_several_negatives_go_through_in_one_call():
    a = jax.random.normal(jax.random.key(0), (5, 3))
    u = jax.random.normal(jax.random.key(1), (5, 2))
    negatives = jnp.stack([jnp.roll(a, 1, 0), jnp.roll(a, 2, 0)])
    critic = Critic(hidden=8)
    variables = variables_of(critic, a, u)
    logits = critic.apply(variables, negatives, u)
    assert logits.shape == (2, 5) and logits.dtype == jnp.float32
    for got, negative in zip(logits, negatives):
        np.testing.assert_allclose(got, critic.apply(variables, negative, u), atol=1e-5)


def test_depth_counts_the_hidden_layers():
    p = Critic(hidden=8, depth=4).init(jax.random.key(0), jnp.ones((1, 3)))["params"]
    assert sum(name.startswith(("argument", "hidden", "logit")) for name in p) == 5


def test_bfloat16_gives_float32_logits_and_finite_gradients():
    a = jax.random.normal(jax.random.key(0), (5, 3))
    critic = Critic(hidden=8, dtype=jnp.bfloat16)
    variables = variables_of(critic, a)
    assert critic.apply(variables, a).dtype == jnp.float32
    grads = jax.grad(lambda v: critic.apply(v, a).sum())(variables)
    assert all(np.isfinite(g).all() and (g != 0).any() for g in jax.tree.leaves(grads))


def test_dropout_acts_in_training_only():
    a = jax.random.normal(jax.random.key(0), (5, 3))
    critic = Critic(hidden=8, dropout=0.5)
    variables = variables_of(critic, a)
    train = critic.apply(variables, a, train=True, rngs={"dropout": jax.random.key(2)})
    assert (train != critic.apply(variables, a)).any()
    np.testing.assert_array_equal(critic.apply(variables, a), critic.apply(variables, a))


def test_errors_say_what_came():
    with pytest.raises(ValueError, match=r"need \[batch, rows, cols, channels\], got \(2, 3\)"):
        Stem().init(jax.random.key(0), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="need one array"):
        Critic().init(jax.random.key(0))

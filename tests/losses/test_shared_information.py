"""The sign of InfoMAE's shared loss, settled by training: two mixtures with a common source."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmalign import losses

PAIRS, BATCH, STEPS, WIDTH = 2000, 128, 500, 48
COMMON, PRIVATE = 2, 4  # sizes of the Gaussian sources; u has COMMON dimensions too
NOISE = 0.3  # of u: makes its information finite


def _pairs(rng):
    """Two mixtures of the common and each one's private source [2, pairs, 6], and the common."""
    common = rng.standard_normal((PAIRS, COMMON))
    size = COMMON + PRIVATE
    x = []
    for _ in range(2):
        sources = np.concatenate([common, rng.standard_normal((PAIRS, PRIVATE))], axis=1)
        x.append(sources @ np.linalg.qr(rng.standard_normal((size, size)))[0])
    return np.stack(x).astype(np.float32), common


def _two_mlps(rng, *sizes):
    """Layers of two networks alike, stacked."""
    return [
        (
            (rng.standard_normal((2, i, o)) * np.sqrt(2 / i)).astype(np.float32),
            np.zeros((2, o), np.float32),
        )
        for i, o in itertools.pairwise(sizes)
    ]


def _mlp(layers, *inputs):
    x = jnp.concatenate(inputs, axis=-1)
    for i, (weight, bias) in enumerate(layers):
        x = (jax.nn.relu(x) if i else x) @ weight + bias[None]
    return x


def _logits(critics, x, other, u):
    """Logits of one modality's critics: its input x, the other's, its code u, all [batch, dim]."""
    inputs = {"own": (x, u), "other": (other, u), "joint": (x, other, u)}
    return {name: _mlp(layers, *inputs[name])[:, 0] for name, layers in critics.items()}


def _critic_loss(critics, x, u):
    def one(critics, x, other, u):
        joint = _logits(critics, x, other, u)
        # Rows are drawn at random, so neighbours are strangers; two shifts break all three pairs.
        product = _logits(critics, jnp.roll(x, 1, axis=0), jnp.roll(other, 2, axis=0), u)
        return sum(losses.density_ratio(joint[name], product[name]).mean() for name in critics)

    return jax.vmap(one)(critics, x, x[::-1], u).sum()


def _codes(encoders, x, key):
    u = jax.vmap(_mlp)(encoders, x)
    return u, u + NOISE * jax.random.normal(key, u.shape)


def _encoder_loss(encoders, critics, x, key, form):
    u, noisy = _codes(encoders, x, key)
    logits = jax.vmap(_logits)(critics, x, x[::-1], noisy)
    shared = functools.partial(losses.shared_information, beta=0.05, form=form)
    information = sum(shared(**{k: v[i] for k, v in logits.items()}).mean() for i in range(2))
    return jnp.square(u[0] - u[1]).mean() + information


def _train(encoders, critics, x, form):
    """Encoders after STEPS updates, each against critics that have made two more."""
    slow = optax.adam(optax.cosine_decay_schedule(1e-3, STEPS))
    fast = optax.adam(4e-3, b1=0.5)

    def step(state, key):
        encoders, critics, slow_state, fast_state = state
        k_rows, *keys = jax.random.split(key, 4)
        rows = jax.random.randint(k_rows, (3, BATCH), 0, PAIRS)
        for i in range(2):
            batch = x[:, rows[i]]
            grads = jax.grad(_critic_loss)(critics, batch, _codes(encoders, batch, keys[i])[1])
            updates, fast_state = fast.update(grads, fast_state)
            critics = optax.apply_updates(critics, updates)
        grads = jax.grad(_encoder_loss)(encoders, critics, x[:, rows[2]], keys[2], form)
        updates, slow_state = slow.update(grads, slow_state)
        return (optax.apply_updates(encoders, updates), critics, slow_state, fast_state), None

    state = encoders, critics, slow.init(encoders), fast.init(critics)
    return jax.lax.scan(step, state, jax.random.split(jax.random.key(1), STEPS))[0][0]


def _r_squared(u, target):
    """Of the best linear map with offset from u to the target."""
    u = np.concatenate([u, np.ones((len(u), 1))], axis=1)
    left = target - u @ np.linalg.lstsq(u, target, rcond=None)[0]
    return 1 - np.sum(left**2) / np.sum((target - target.mean(axis=0)) ** 2)


@pytest.mark.parametrize("form", ["two_ratio", "three_ratio", "three_ratio_printed"])
def test_the_derived_sign_finds_the_common_source_and_the_printed_one_destroys_it(form, rng):
    x, common = _pairs(rng)
    size = COMMON + PRIVATE
    encoders = _two_mlps(rng, size, WIDTH, COMMON)
    critics = {name: _two_mlps(rng, size + COMMON, WIDTH, WIDTH, 1) for name in ("own", "other")}
    if form != "two_ratio":
        critics["joint"] = _two_mlps(rng, 2 * size + COMMON, WIDTH, WIDTH, 1)
    encoders = jax.jit(_train, static_argnames="form")(encoders, critics, x, form=form)
    u = np.asarray(_codes(encoders, x, jax.random.key(2))[1])
    scores = [_r_squared(u[i], common) for i in range(2)]
    if form == "three_ratio_printed":
        assert max(scores) < 0.05
    else:
        assert min(scores) > 0.9

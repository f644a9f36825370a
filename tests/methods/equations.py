"""Losses as the papers' equations have them, in plain jax: dense, and of rows that all count.

What methods are held against. Nothing here is shared with `mmalign.losses`; rows that do not count
are left out before, by NumPy masks. Every loss is a mean over rows.
"""

import jax
import jax.numpy as jnp
import numpy as np


def affine(params, x):
    return x @ params["kernel"] + params.get("bias", jnp.zeros(()))


def perceptron(params, x):
    """Two layers with a ReLU between."""
    return affine(params["out"], jnp.maximum(affine(params["hidden"], x), 0))


def standard(x, axis, eps):
    """Mean 0 and variance 1 along an axis, of the biased variance."""
    x = x - x.mean(axis=axis, keepdims=True)
    return x / jnp.sqrt(jnp.square(x).mean(axis=axis, keepdims=True) + eps)


def head(params, x):
    """Layers with batch statistics and a ReLU after each but the last: [b, d] -> [b, out]."""
    for i in range((len(params) - 1) // 2):
        norm = params[f"norm_{i}"]
        x = standard(affine(params[f"hidden_{i}"], x), 0, 1e-5)
        x = jnp.maximum(x * norm["scale"] + norm["bias"], 0)
    return affine(params["out"], x)


def unit(x):
    return x / jnp.sqrt(jnp.square(x).sum(axis=-1, keepdims=True))


def cosines(a, b):
    return unit(a) @ unit(b).T


def info_nce(a, b, temperature):
    """Of a's rows among those of b."""
    scores = cosines(a, b) / temperature
    return (jax.nn.logsumexp(scores, axis=1) - jnp.diag(scores)).mean()


def both_ways(a, b, temperature):
    return (info_nce(a, b, temperature) + info_nce(b, a, temperature)) / 2


def alike(z, owner, temperature):
    """[n]: of each row the mean over rows of its owner of -log softmax among all other rows."""
    n = len(owner)
    scores = jnp.where(np.eye(n, dtype=bool), -1e30, cosines(z, z) / temperature)
    costs = jax.nn.logsumexp(scores, axis=1, keepdims=True) - scores
    positive = (owner[:, None] == owner[None]) & ~np.eye(n, dtype=bool)
    return jnp.where(positive, costs, 0).sum(axis=1) / np.maximum(positive.sum(axis=1), 1)


def nt_xent(a, b, temperature):
    return alike(jnp.concatenate([a, b]), np.tile(np.arange(len(a)), 2), temperature).mean()


def ranking(h, margin):
    """h: [sequences, length, d]; those of a sequence are closer to each other than to others'."""
    s, length, d = h.shape
    rows = h.reshape(-1, d)
    itself = np.eye(s * length, dtype=bool)
    square = jnp.square(rows[:, None] - rows[None]).sum(axis=-1)
    apart = jnp.where(itself, 0, jnp.sqrt(jnp.where(itself, 1, square)))
    total = apart.reshape(s, length, s, length).sum(axis=(1, 3))
    within = jnp.diag(total) / (length * (length - 1))
    cost = jnp.maximum(within[:, None] - total / length**2 + margin, 0)
    return jnp.where(np.eye(s, dtype=bool), 0, cost).sum() / (s * (s - 1))


def hinge(z, unbiased):
    """How far the standard deviations of columns are from 1."""
    return jnp.maximum(0, 1 - jnp.sqrt(z.var(axis=0, ddof=int(unbiased)) + 1e-4)).mean()


def off_diagonal(z):
    """Squared covariances of different columns."""
    x = z - z.mean(axis=0, keepdims=True)
    covariance = x.T @ x / (len(x) - 1)
    return jnp.where(np.eye(z.shape[1], dtype=bool), 0, covariance**2).sum() / z.shape[1]


def patch_error(guess, truth, asked):
    """Mean over windows of the mean over patches that are asked for of the squared error.

    guess, truth: [b, H, W, values]. asked: [b, H, W].
    """
    error = jnp.where(asked, jnp.square(guess - truth).mean(axis=-1), 0)
    return (error.sum(axis=(1, 2)) / asked.sum(axis=(1, 2))).mean()

"""What tells whether embeddings have collapsed, over the rows of a batch that count."""

import jax
import jax.numpy as jnp

from mmalign.losses.numerics import unit_norm

_TINY = 1e-12


def spread(z: jax.Array, where: jax.Array) -> jax.Array:
    """Standard deviation over rows of each dimension: [batch, dim] -> [dim].

    Over the batch: a LayerNorm keeps the variance over features up, whatever happens.
    """
    return jnp.sqrt(jnp.square(_centred(z, where)).sum(axis=0) / _count(where))


def effective_rank(z: jax.Array, where: jax.Array) -> jax.Array:
    """exp(entropy) of the normalised singular values of the centred rows: 1 to dim; 0 for no rows.

    References: Roy and Vetterli 2007, "The effective rank".
    """
    x = _centred(z, where)
    scatter = jnp.matmul(x.T, x, precision="highest")
    scatter = scatter / jnp.maximum(jnp.trace(scatter), _TINY)
    values = jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(scatter), 0))
    total = values.sum()
    share = values / jnp.maximum(total, _TINY)
    entropy = -(share * jnp.log(jnp.maximum(share, _TINY))).sum()
    return jnp.where(total > 0, jnp.exp(entropy), 0.0)


def sample_share(z_a: jax.Array, z_b: jax.Array, where: jax.Array) -> jax.Array:
    """Share of the variance of two views that their sample explains, the rest being the masks'.

    The covariance of the views over their variance, both summed over dimensions: views that share
    nothing but the sample covary by it alone. About 0 where embeddings tell masks apart and not
    samples. Right for views that are independent given the sample.
    """
    a, b = _centred(z_a, where), _centred(z_b, where)
    return 2 * (a * b).sum() / jnp.maximum((a * a + b * b).sum(), _TINY)


def mean_cosine(z_a: jax.Array, z_b: jax.Array, where: jax.Array) -> jax.Array:
    """Mean cosine similarity of paired rows; 0 for no rows."""
    return share((unit_norm(z_a) * unit_norm(z_b)).sum(axis=-1), where)


def share(x: jax.Array, where: jax.Array) -> jax.Array:
    """Mean of x [batch] over the rows that count; 0 if none does."""
    return jnp.where(where, x, 0.0).sum() / _count(where)


def _count(where):
    return jnp.maximum(where.sum(dtype=jnp.float32), 1)


def _centred(z, where):
    z = jnp.where(where[:, None], z, 0.0)
    return jnp.where(where[:, None], z - z.sum(axis=0, keepdims=True) / _count(where), 0.0)

"""Mixup and CutMix of windows: for methods that learn from labels, which are mixed alike."""

import jax
import jax.numpy as jnp


def mix(key, inputs, *, alpha=1.0, cut_probability=0.75):
    """Mixes every window with its neighbour in the batch, by CutMix or else by mixup.

    Mixup adds the two windows by shares that sum to 1; CutMix takes an interval of time from the
    neighbour, the same part of the window in all modalities, whatever their rates.

    Args:
      key: typed key.
      inputs: {modality: [batch, time, channels]} floats.
      alpha: the own share is Beta(alpha, alpha) distributed; positive.
      cut_probability: of CutMix for a window.
    Returns: (mixed inputs, partner int [batch], share [batch]): a label becomes
      share * own + (1 - share) * partner's.
    References: Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899, whose box in
      an image is an interval here; FOCAL (Liu et al. 2023, arXiv:2310.20071) trains its supervised
      network so, with one draw for a whole batch where these are one for each window.
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be positive, got {alpha}")
    if not 0 <= cut_probability <= 1:
        raise ValueError(f"cut_probability must be in [0, 1], got {cut_probability}")
    batch = len(next(iter(inputs.values())))

    def draw(key):
        share_key, cut_key, place_key = jax.random.split(key, 3)
        share = jax.random.beta(share_key, alpha, alpha)
        start = share * jax.random.uniform(place_key)  # what is cut always lies inside the window
        return share, jax.random.bernoulli(cut_key, cut_probability), start

    share, cut, start = jax.vmap(draw)(jax.random.split(key, batch))
    partner = (jnp.arange(batch) + 1) % batch
    column = lambda x: x[:, None, None]

    def mixed(x):
        other, time = x[partner], (jnp.arange(x.shape[1]) / x.shape[1])[None, :, None]
        inside = (time >= column(start)) & (time < column(start + 1 - share))
        weight = jnp.where(column(cut), jnp.where(inside, 0.0, 1.0), column(share))
        return (weight * x + (1 - weight) * other).astype(x.dtype)

    return {m: mixed(x) for m, x in inputs.items()}, partner, share

"""Mixup and CutMix of windows: for methods that learn from labels, which are mixed alike."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp


def mix(
    key: jax.Array,
    inputs: Mapping[str, jax.Array],
    *,
    alpha: float = 1.0,
    cut_probability: float = 0.75,
) -> tuple[dict[str, jax.Array], jax.Array, jax.Array]:
    """Mixes every window with its neighbour in the batch, by CutMix or else by mixup.

    Mixup adds the two windows by shares that sum to 1; CutMix takes a part from the neighbour: an
    interval of time of a series or a sequence, the same part of the window in all modalities,
    whatever their rates; a box of an image. The features of a vector have no neighbours, so vectors
    are added where other modalities are cut.

    Args:
      key: typed key.
      inputs: {modality: floats [batch, time, channels], [batch, tokens, features],
        [batch, height, width, channels] or [batch, features]}.
      alpha: the own share is Beta(alpha, alpha) distributed; positive.
      cut_probability: of CutMix for a window.
    Returns: (mixed inputs, partner int [batch], share [batch]): a label becomes
      share * own + (1 - share) * partner's.
    References: Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899, whose box in
      an image is an interval in a series; FOCAL (Liu et al. 2023, arXiv:2310.20071) trains its
      supervised network so, with one draw for a whole batch where these are one for each window.
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be positive, got {alpha}")
    if not 0 <= cut_probability <= 1:
        raise ValueError(f"cut_probability must be in [0, 1], got {cut_probability}")
    batch = len(next(iter(inputs.values())))

    def draw(key):
        share_key, cut_key, place_key = jax.random.split(key, 3)
        share = jax.random.beta(share_key, alpha, alpha)
        across = jax.random.uniform(jax.random.fold_in(place_key, 1))
        cut = jax.random.bernoulli(cut_key, cut_probability)
        return share, cut, jnp.stack([jax.random.uniform(place_key), across])

    share, cut, place = jax.vmap(draw)(jax.random.split(key, batch))
    partner = (jnp.arange(batch) + 1) % batch

    def mixed(x):
        weight = _beside(share, x)
        if x.ndim > 2:
            outside = jnp.where(_part(x.shape[1:-1], share, place), 0.0, 1.0)[..., None]
            weight = jnp.where(_beside(cut, x), outside, weight)
        return (weight * x + (1 - weight) * x[partner]).astype(x.dtype)

    return {m: mixed(x) for m, x in inputs.items()}, partner, share


def _part(shape, share, place):
    """Bool [batch, *shape]: what is cut, a part 1 - share of the window, wholly inside it.

    place: [batch, 2] in [0, 1): where it starts along each axis, of how far it could.
    """
    if len(shape) == 1:
        starts = [share * place[:, 0]]
        ends = [starts[0] + 1 - share]
    else:
        side = jnp.sqrt(1 - share)
        starts = [(1 - side) * place[:, axis] for axis in range(2)]
        ends = [start + side for start in starts]
    inside = jnp.ones((len(share), *shape), bool)
    for axis, (size, start, end) in enumerate(zip(shape, starts, ends)):
        at = (jnp.arange(size) / size)[None]
        along = (at >= start[:, None]) & (at < end[:, None])
        inside &= along.reshape(-1, *[size if i == axis else 1 for i in range(len(shape))])
    return inside


def _beside(x, like):
    """[batch] with an axis of 1 for each further one of `like`."""
    return x.reshape(-1, *[1] * (like.ndim - 1))

"""Contrastive predictive coding: from a window's first pieces, guess which the next ones are."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.losses import info_nce
from mmalign.methods.contract import Method, Modality
from mmalign.methods.encoders import (
    Seen,
    augmented,
    encode,
    fuse_side_by_side,
    init_encoders,
    plain,
    widths,
    zero_means,
)
from mmalign.methods.sensors import Sensors, named_key, sensors
from mmalign.models import Context, Linear, apply, init_params


def create(
    modalities: Mapping[str, Modality],
    *,
    encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None,
    pieces: int = 8,
    horizon: int = 4,
    context: int = 64,
    temperature: float = 0.2,
) -> Method:
    """CPC (van den Oord et al. 2018, arXiv:1807.03748), each modality alone.

    A window is cut into pieces of equal length in time; the encoder makes a token z_t of each, a
    GRU a context c_t of those up to t, and a linear map for each step k a prediction W_k c_t of
    z_{t+k}. Each prediction has to find its token among those of the other windows at the same
    time: eq. 4 with the log-bilinear score of eq. 3, averaged over t, k and windows, log(windows)
    at chance. A piece without a valid sample is not asked for.

    Args:
      modalities: {name: Modality}, series, one or more; each learns from its own rows, as in `mae`.
      encoder, augment: as `sensors` reads them, the encoder for one piece.
      pieces: of a window; samples left over at its end are not read.
      horizon: the largest k. context: width of the GRU.
      temperature: of the cosines.
    Differs from the paper: the score is a cosine over a temperature, as losses here bound it; a
    token is the embedding of a piece, so that every encoder will do (as Henaff et al. 2020,
    arXiv:1905.09272, with patches of images), and not a position of a strided convolution.
    `embed`: the mean of the contexts; see `fuse_side_by_side` for a missing modality.
    """
    if not 1 <= horizon < pieces:
        raise ValueError(f"horizon must be 1 or more and below pieces={pieces}, got {horizon}")
    front = sensors({"encoder": encoder, "augment": augment}, _of_pieces(modalities, pieces))
    net = _Network(front, pieces, horizon, Context(context))
    fuse = fuse_side_by_side(modalities)

    def init(key, batch):
        means = zero_means(dict.fromkeys(modalities, context))
        return {"params": {"sensors": net.init(key, batch)}, "means": means}

    def loss(variables, batch, key):
        # on whole windows: one treatment for all pieces
        seen = net.cut(augmented(front, named_key(key, "view"), batch))
        metrics = {
            f"prediction_{m}": net.prediction_cost(
                m, params, seen, batch["present"][m], key, temperature
            )
            for m, params in variables["params"]["sensors"].items()
        }
        return sum(metrics.values()), {"metrics": metrics}

    def embed(variables, batch):
        params, seen = variables["params"]["sensors"], net.cut(batch)
        parts = {m: net.coded(m, params[m], seen)[1].mean(axis=1) for m in modalities}
        return fuse(variables, parts, batch["present"])

    return Method(init, loss, embed, fuse)


class _Network(NamedTuple):
    """Encoders of pieces, contexts, predictors."""

    front: Sensors
    pieces: int
    horizon: int
    context: Context

    def init(self, key, batch):
        params = init_encoders(self.front, key, self.front.grids(cut(batch["inputs"], self.pieces)))
        for m, dim in widths(self.front).items():
            tokens, state = jnp.zeros((1, self.pieces, dim)), jnp.zeros((1, self.context.hidden))
            keys = {part: named_key(key, m, part) for part in ("context", "predictor")}
            params[m]["context"] = init_params(self.context, keys["context"], tokens)
            params[m]["predictor"] = init_params(self.predictor(m), keys["predictor"], state)
        return params

    def predictor(self, m):
        """Of tokens of modality m, for all steps ahead."""
        return Linear(self.horizon * self.front.backbones[m].dim)

    def cut(self, batch):
        """What the encoders read, the pieces of a window in a row."""
        pieces = {key: cut(batch[key], self.pieces) for key in ("inputs", "valid") if key in batch}
        present = {m: jnp.repeat(p, self.pieces) for m, p in batch["present"].items()}
        return plain(self.front, pieces | {"present": present})

    def coded(self, m, params, seen: Seen, key=None):
        """Tokens [b, pieces, dim] and contexts [b, pieces, hidden]."""
        z = encode(self.front, m, params["encoder"], seen, key=named_key(key, m))
        z = z.reshape(-1, self.pieces, z.shape[-1])
        return z, apply(self.context, params["context"], z)

    def prediction_cost(self, m, params, seen, present, key, temperature):
        """Mean over times and steps ahead of what it costs to find the tokens of modality m."""
        steps = [(t, k) for k in range(1, self.horizon + 1) for t in range(self.pieces - k)]
        starts, ahead = (np.asarray(x) for x in zip(*steps))
        z, c = self.coded(m, params, seen, key)
        guess = apply(self.predictor(m), params["predictor"], c)
        guess = guess.reshape(*z.shape[:2], self.horizon, -1)[:, starts, ahead - 1]
        measured = jnp.broadcast_to(present[:, None], z.shape[:2])
        if m in seen.valid:
            measured &= seen.valid[m].any(axis=1).reshape(z.shape[:2])
        cost = lambda guess, z, where: info_nce(
            guess, z, temperature=temperature, symmetric=False, where=where
        )
        tokens, where = z[:, starts + ahead], measured[:, starts + ahead]
        return jax.vmap(cost, in_axes=1)(guess, tokens, where).mean()


def cut(series: Mapping[str, jax.Array], pieces: int) -> dict[str, jax.Array]:
    """{m: [b, time, ...]} -> {m: [b * pieces, time // pieces, ...]}, a window's pieces in a row."""
    out = {}
    for m, x in series.items():
        length = x.shape[1] // pieces
        out[m] = x[:, : length * pieces].reshape(-1, length, *x.shape[2:])
    return out


def _of_pieces(modalities, pieces):
    """The modalities with a piece in place of a window."""
    out = {}
    for m, modality in modalities.items():
        if modality.kind != "series":
            raise ValueError(f"cpc predicts along time: {m!r} is of kind {modality.kind!r}")
        time, channels = modality.shape
        if time < pieces:
            raise ValueError(f"{m!r} has {time} samples in a window: too few for {pieces} pieces")
        out[m] = modality._replace(shape=(time // pieces, channels))
    return out

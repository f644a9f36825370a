"""Contrastive predictive coding: from a window's first pieces, guess which the next ones are."""

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.losses import info_nce
from mmalign.methods.contract import Method, present_inputs
from mmalign.methods.encoders import fuse_side_by_side, init_encoders
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Context, Linear

OPTIONS = ("encoder", "augment", "pieces", "horizon", "context", "temperature")


def create(config, modalities, num_classes=0) -> Method:
    """CPC (van den Oord et al. 2018, arXiv:1807.03748), each modality alone.

    A window is cut into pieces of equal length in time; the encoder makes a token z_t of each, a
    GRU a context c_t of those up to t, and a linear map for each step k a prediction W_k c_t of
    z_{t+k}. Each prediction has to find its token among those of the other windows at the same
    time: eq. 4 with the log-bilinear score of eq. 3, averaged over t, k and windows, log(windows)
    at chance.

    Args:
      config: `encoder`, `augment` as `sensors` reads them, the encoder for one piece; `pieces` of a
        window, samples left over at its end are not read; `horizon`, the largest k; `context`,
        width of the GRU; `temperature`.
      modalities: {name: Modality}, one or more; each learns from its own rows, as in `mae`.
    Differs from the paper: the score is a cosine over a temperature, as losses here bound it; a
    token is the embedding of a piece, so that every encoder will do (as Henaff et al. 2020,
    arXiv:1905.09272, with patches of images), and not a position of a strided convolution.
    `embed`: the mean of the contexts, zeros for an absent modality, also in "joint".
    """
    del num_classes
    pieces, horizon = config["pieces"], config["horizon"]
    if not 1 <= horizon < pieces:
        raise ValueError(f"horizon must be 1 or more and below pieces={pieces}, got {horizon}")
    for m, modality in modalities.items():
        if modality.shape[0] < pieces:
            raise ValueError(
                f"{m!r} has {modality.shape[0]} samples in a window: too few for {pieces} pieces"
            )
    cut_modalities = {
        m: modality._replace(shape=(modality.shape[0] // pieces, modality.shape[1]))
        for m, modality in modalities.items()
    }
    front, context = sensors(config, cut_modalities), Context(config["context"])
    fuse = fuse_side_by_side(front)
    predictor = {m: Linear(horizon * front.backbones[m].dim) for m in modalities}
    steps = [(t, k) for k in range(1, horizon + 1) for t in range(pieces - k)]
    starts, ahead = (np.asarray(x) for x in zip(*steps))

    def init(key, batch):
        params = init_encoders(front, key, front.grids(_cut(batch["inputs"], pieces)))
        for m, p in params.items():
            tokens = jnp.zeros((1, pieces, front.backbones[m].dim))
            state = jnp.zeros((1, context.hidden))
            p["context"] = context.init(named_key(key, m, "context"), tokens)["params"]
            p["predictor"] = predictor[m].init(named_key(key, m, "predictor"), state)["params"]
        return {"params": {"sensors": params}}

    def coded(m, params, grid, key=None):
        """Tokens [b, pieces, dim] and contexts [b, pieces, hidden]."""
        z = front.encode(m, params["encoder"], grid, key=named_key(key, m))
        z = z.reshape(-1, pieces, z.shape[-1])
        return z, context.apply({"params": params["context"]}, z)

    def loss(variables, batch, key):
        inputs = present_inputs(batch)
        if front.policy is not None:  # on whole windows: one treatment for all pieces
            inputs = front.policy(named_key(key, "view"), inputs)
        grids = front.grids(_cut(inputs, pieces))
        metrics = {}
        for m, params in variables["params"]["sensors"].items():
            z, c = coded(m, params, grids[m], key)
            guess = predictor[m].apply({"params": params["predictor"]}, c)
            guess = guess.reshape(*z.shape[:2], horizon, -1)[:, starts, ahead - 1]
            metrics[f"prediction_{m}"] = jax.vmap(
                lambda guess, z, where: info_nce(
                    guess, z, temperature=config["temperature"], symmetric=False, where=where
                ),
                in_axes=(1, 1, None),
            )(guess, z[:, starts + ahead], batch["present"][m]).mean()
        return sum(metrics.values()), {"metrics": metrics}

    def embed(variables, batch):
        grids = front.grids(_cut(present_inputs(batch), pieces))
        params, present = variables["params"]["sensors"], batch["present"]
        parts = {m: coded(m, params[m], grids[m])[1].mean(axis=1) for m in modalities}
        return fuse(variables, parts, present)

    return Method(init, loss, embed, fuse=fuse)


def _cut(inputs, pieces):
    """{m: [b, time, c]} -> {m: [b * pieces, time // pieces, c]}, a window's pieces in a row."""
    cut = {}
    for m, x in inputs.items():
        length = x.shape[1] // pieces
        cut[m] = x[:, : length * pieces].reshape(-1, length, x.shape[2])
    return cut

"""SimSiam on fused sensors: one view predicts the other, without negatives."""

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.losses.numerics import centred, mean_over_counted, unit_norm
from mmalign.methods.contract import Method
from mmalign.methods.encoders import (
    embed_encoders,
    fuse_side_by_side,
    fused_views,
    init_encoders,
    need_augmentation,
    width,
)
from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Projector

OPTIONS = ("encoder", "augment", "projector", "bottleneck")


def create(config, modalities, num_classes=0) -> Method:
    """SimSiam (Chen & He 2021, arXiv:2011.10566), all modalities as one input.

    The loss is the mean over both directions of 1 - cos(q(z), stop_gradient(z')), z = projected
    embeddings of one view, z' of the other, q the predictor: between 0 and 2, 1 at chance. It
    stands for BYOL too, which is this with a moving average of the encoders as the other side: a
    state that a loss of parameters and batch cannot hold.

    Args:
      config: `encoder`, `augment` as `sensors` reads them, and an augmentation is needed;
        `projector`, {hidden, out}; `bottleneck`, hidden width of the predictor, a quarter of `out`
        in the paper.
      modalities: {name: Modality}, one or more.
    Differs from the paper: two layers in the projector, not three; batch normalisation on its
    output alone, by the batch's own rows that have a modality and without parameters, so that
    there are no running statistics; the whole network has one schedule of the learning rate.
    Metrics: `spread`, the mean standard deviation of the normalised embeddings' entries times
    sqrt(width): near 0 the encoders have collapsed.
    `embed` reads the encoders; see `embed_encoders` for a missing sensor.
    """
    del num_classes
    front, head = sensors(config, modalities), Projector(**config["projector"])
    predictor = Projector(hidden=config["bottleneck"], out=head.out)
    need_augmentation(front, "simsiam")

    def init(key, batch):
        params = init_encoders(front, key, front.grids(batch["inputs"]))
        draw = lambda name, module, dim: module.init(named_key(key, name), jnp.zeros((1, dim)))
        return {
            "params": {
                "sensors": params,
                "projector": draw("projector", head, width(front))["params"],
                "predictor": draw("predictor", predictor, head.out)["params"],
            }
        }

    def loss(variables, batch, key):
        params = variables["params"]
        fused, there = fused_views(front, params["sensors"], batch, key)
        z = head.apply({"params": params["projector"]}, fused)
        z = jax.vmap(standardised, in_axes=(0, None))(z, there)
        q = predictor.apply({"params": params["predictor"]}, z)
        cosine = jnp.sum(unit_norm(q) * unit_norm(lax.stop_gradient(z[::-1])), axis=-1)
        cost = mean_over_counted(1 - cosine.mean(axis=0), there).mean()
        return cost, {"metrics": {"distance": cost, "spread": _spread(fused[0], there)}}

    return Method(init, loss, embed_encoders(front), fuse=fuse_side_by_side(front))


def standardised(z, where, eps=1e-5):
    """Columns of mean 0 and variance 1 over the rows that count, the other rows zeros.

    z: [b, d]. where: bool [b].
    """
    z, count = _centred(z, where)
    return z * lax.rsqrt(jnp.square(z).sum(axis=0, keepdims=True) / count + eps)


def _centred(z, where):
    count = jnp.maximum(where.sum(), 1)
    return centred(jnp.where(where[:, None], z, 0.0), where, count, lambda x: x), count


def _spread(e, where):
    e, count = _centred(unit_norm(lax.stop_gradient(e)), where)
    return jnp.sqrt(jnp.square(e).sum(axis=0) / count).mean() * e.shape[1] ** 0.5

"""CroSSL: every modality encoded once, two masked views of the latents made to agree."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from mmalign.augment import draw_latent_masks, draw_time_mask, hide, latent_mask
from mmalign.losses import vicreg
from mmalign.methods import diagnostics
from mmalign.methods.contract import JOINT, Method, Watch, present_inputs, where_present
from mmalign.methods.crossl_presets import PRESETS, resolve
from mmalign.methods.sensors import named_key, sensors
from mmalign.methods.view_losses import ON_LATENTS, view_loss
from mmalign.models import Expander, aggregator, masked_mean

OPTIONS = ("encoder", "augment", "preset", *PRESETS["fixed"])
COLLAPSED = 0.01  # standard deviation; an untrained aggregator's is about 0.1
WATCH = Watch(
    "z_std_complete",
    COLLAPSED,
    "embeddings of complete input hardly differ between samples: collapse, or the plateau on which "
    "they tell mask patterns apart and nothing else (see sample_share), which some trainings leave "
    "again. A higher mask.keep_prob, mask.anneal, complete_variance, a longer warm-up or a smaller "
    "weight of the covariance may help",
)


def create(config, modalities, num_classes=0) -> Method:
    """CroSSL (Deldari et al. 2024, arXiv:2307.16847), for any number of modalities from two on.

    The latent q_m of each modality is computed once. Two masks hide parts of all latents; one
    aggregator maps each of the two views to z; a loss between z_a and z_b trains all of it, without
    negatives, momentum or stop-gradient. An absent modality looks like a hidden one.

    Args:
      config: `encoder`, `augment` (the paper has none) as `sensors` reads them; `preset`
        "released", "paper" or "fixed"; and what to change of it, None for nothing:
        mask: options of `latent_mask`. Temporal masks need an encoder with a feature map ("conv").
        loss: `name` and options of `view_loss`.
        complete_variance: weight of VICReg's variance term on z of complete input, besides; it
          keeps the variance term from being met by masks alone.
        aggregator: `name` and options of `aggregator`.
        expander: widths of `Expander` between z and the loss, () for none.
        head_input: what "joint" is: "global", z of all that is present, or "latents", the q_m side
          by side, which the released code gives to its classifier where the paper's text has z.
        encoder_init: "shared" draws kernels of encoders alike, as the released code's fixed seed
          does; or "independent".
        encoder_dropout: whether the encoders' dropout is on; off in the released code.
        kernel_l2: weight of the sum of squares of the encoders' convolution kernels, no half.
      modalities: {name: Modality}; their encoders need embeddings of one width.
    `embed`: modality -> q_m; "joint"; and "latents" or "global", whichever "joint" is not.
    Metrics: terms of the loss, unweighted; standard deviations over samples and diagnostics on z;
    `empty_views` and `identical_views`, shares of the samples.
    Differs from the released code: an encoder is not penalised by a batch that lacks its modality;
    batches are drawn anew each epoch.
    """
    del num_classes
    if len(modalities) < 2:
        raise ValueError(f"alignment needs two modalities or more, got {', '.join(modalities)}")
    options = resolve(config)
    front, names = sensors(config, modalities), tuple(modalities)
    mask = latent_mask(names, **options["mask"])
    width = _common_width(front)
    if mask.time_keep_prob is not None:
        for m in names:
            if not hasattr(front.backbones[m].encoder, "features"):
                raise ValueError(f"masks of time need an encoder with a feature map, for {m!r} too")
    between = view_loss(**options["loss"])
    on_latents = options["loss"]["name"] in ON_LATENTS
    if on_latents and options["head_input"] != "latents":
        raise ValueError(
            f"loss {options['loss']['name']!r} does not train the aggregator: it needs "
            "head_input='latents'"
        )
    fuse = aggregator(modalities=names, **options["aggregator"])
    expand = Expander(tuple(options["expander"])) if options["expander"] else None

    def init(key, batch):
        grids = front.grids(batch["inputs"])
        seed = lambda m: named_key(key, "encoder" if options["encoder_init"] == "shared" else m)
        encoders = {m: front.backbones[m].encoder.init(seed(m), x)["params"]
                    for m, x in grids.items()}  # fmt: skip
        latents, kept = jnp.zeros((1, len(names), width)), jnp.ones((1, len(names)), bool)
        params = {
            "sensors": {m: {"encoder": encoders[m]} for m in names},
            "aggregator": fuse.init(named_key(key, "aggregator"), latents, kept)["params"],
        }
        if mask.fill == "token":
            token = 0.02 * jax.random.normal(named_key(key, "token"), (len(names), width))
            params["mask_token"] = token
        if expand is not None:
            z = jnp.zeros((1, fuse.out))
            params["expander"] = expand.init(named_key(key, "expander"), z)["params"]
        return {"params": params}

    def aggregated(params, latents, keep, progress=1.0):
        """z [..., out] of latents [..., modalities, width], of which some are kept."""
        latents = hide(latents, keep, mask, token=params.get("mask_token"), progress=progress)
        flat = latents.reshape(-1, *latents.shape[-2:])
        kept = keep.any(axis=-1).reshape(-1, len(names))
        z = fuse.apply({"params": params["aggregator"]}, flat, kept)
        return z.reshape(*latents.shape[:-2], -1)

    def complete(params, latents, there):
        """z of all that is present; rescaling is for masked views alone."""
        keep = jnp.broadcast_to(there[..., None], latents.shape)
        token = params.get("mask_token")
        latents = hide(latents, keep, mask._replace(rescale="none"), token=token)
        return fuse.apply({"params": params["aggregator"]}, latents, there)

    def stacked(parts):
        return jnp.stack([parts[m] for m in names], axis=-2)

    def encoded(params, grids, present, key=None):
        """Latents of complete input {m: [b, width]}, zeros where absent."""
        return {
            m: where_present(front.encode(m, params[m]["encoder"], x, key=_dropout(key, m)),
                             present[m])
            for m, x in grids.items()
        }  # fmt: skip

    def masked_in_time(params, grids, present, key, progress):
        """Latents of complete input, and of two views [2, b, width]; what is left of the views."""
        whole, views, left = {}, {}, {}
        for m, x in grids.items():
            maps = front.features(m, params[m]["encoder"], x, key=_dropout(key, m))
            draw = named_key(key, "time") if mask.synchronous else named_key(key, "time", m)
            keep = draw_time_mask(
                draw, mask, *maps.shape[:2], modalities[m].shape[0] / modalities[m].rate_hz,
                progress=progress,
            )  # fmt: skip
            means = masked_mean(maps, jnp.concatenate([jnp.ones_like(keep[:1]), keep]))
            means = jnp.where(present[m][None, :, None], means, 0.0)
            whole[m], views[m], left[m] = means[0], means[1:], keep
        return whole, views, left

    def _dropout(key, m):
        return named_key(key, "dropout", m) if options["encoder_dropout"] else None

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        progress = batch.get("progress", 1.0)
        grids = front.view(named_key(key, "view"), present_inputs(batch))
        there = stacked({m: present[m][:, None] for m in names})[..., 0]
        counts = there.any(axis=1)
        draw = functools.partial(draw_latent_masks, progress=progress)
        keep = draw(named_key(key, "masks"), mask, there, width)
        if mask.time_keep_prob is None:
            parts = encoded(params["sensors"], grids, present, key)
            latents = stacked(parts)
            views, same = latents[None], True
        else:
            parts, views, left = masked_in_time(params["sensors"], grids, present, key, progress)
            latents, views = stacked(parts), stacked(views)
            same = functools.reduce(jnp.logical_and, [
                ((x[0] == x[1]).all(axis=-1) | ~present[m]) for m, x in left.items()
            ])  # fmt: skip
            keep &= stacked({m: x.any(axis=-1)[..., None] for m, x in left.items()})
        empty = ~keep.any(axis=(2, 3))
        identical = (keep[0] == keep[1]).all(axis=(1, 2)) & same
        where = counts & ~empty.any(axis=0) if mask.min_keep else counts
        if mask.pairing == "identical_excluded":
            where &= ~identical
        views = jnp.broadcast_to(views, keep.shape)
        z_a, z_b = aggregated(params, views, keep, progress)
        if options["complete_variance"]:
            z = complete(params, latents, there)
        else:
            z = complete(*lax.stop_gradient((params, latents)), there)
        if on_latents:
            value, terms = between([parts[m] for m in names], [present[m] for m in names])
        else:
            value, terms = between(*(expanded(params, x) for x in (z_a, z_b)), where)
        if options["complete_variance"]:
            gap = vicreg(z, z, where=counts)["variance"]
            value, terms = value + options["complete_variance"] * gap, terms | {"complete_gap": gap}
        penalty = sum(
            jnp.where(present[m].any(), _kernel_squares(params["sensors"][m]["encoder"]), 0.0)
            for m in names
        )
        terms["kernel_l2"] = penalty
        measured = _measured(*lax.stop_gradient((z, z_a, z_b, parts)), counts, where & ~identical,
                             present)  # fmt: skip
        shares = {
            "empty_views": diagnostics.share(empty.any(axis=0), counts),
            "identical_views": diagnostics.share(identical, counts),
        }
        return value + options["kernel_l2"] * penalty, {"metrics": terms | measured | shares}

    def expanded(params, z):
        return z if expand is None else expand.apply({"params": params["expander"]}, z)

    def embed(variables, batch):
        params, present = variables["params"], batch["present"]
        parts = encoded(params["sensors"], front.grids(present_inputs(batch)), present)
        there = stacked({m: present[m][:, None] for m in names})[..., 0]
        z = complete(params, stacked(parts), there)
        latents = jnp.concatenate([parts[m] for m in names], axis=-1)
        if options["head_input"] == "global":
            return parts | {"latents": latents, JOINT: z}
        return parts | {"global": z, JOINT: latents}

    return Method(init, loss, embed, (() if on_latents else (WATCH,)))


def _common_width(front):
    widths = {m: backbone.dim for m, backbone in front.backbones.items()}
    if len(set(widths.values())) > 1:
        raise ValueError(f"latents need one width, encoder.dim is {widths}")
    return next(iter(widths.values()))


def _kernel_squares(params):
    """Sum of squares of convolution kernels, those with an axis besides input and output."""
    return sum(
        jnp.square(x).sum() for path, x in jax.tree.leaves_with_path(params)
        if path[-1].key == "kernel" and x.ndim > 2
    )  # fmt: skip


def _measured(z, z_a, z_b, parts, counts, differing, present):
    """Diagnostics over the samples that count; of views, over those whose masks differ."""
    whole = diagnostics.spread(z, counts)
    views = [diagnostics.spread(x, counts).mean() for x in (z_a, z_b)]
    return {
        "z_std_complete": whole.mean(),
        "z_std_complete_min": whole.min(),
        "z_std_views": sum(views) / 2,
        "effective_rank": diagnostics.effective_rank(z, counts),
        "sample_share": diagnostics.sample_share(z_a, z_b, differing),
        "view_cosine": diagnostics.mean_cosine(z_a, z_b, differing),
        **{
            f"latent_std_{m}": diagnostics.spread(q, present[m]).mean()
            for m, q in parts.items()
        },
    }  # fmt: skip

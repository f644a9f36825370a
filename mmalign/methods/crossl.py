"""CroSSL: every modality encoded once, two masked views of the latents made to agree."""

from collections.abc import Mapping, Sequence
from typing import Any

from jax import lax

from mmalign.losses import vicreg
from mmalign.methods import diagnostics
from mmalign.methods.contract import JOINT, Method, Modality, Watch, where_present
from mmalign.methods.crossl_network import network
from mmalign.methods.crossl_presets import resolve
from mmalign.methods.crossl_views import draw_views, within_patterns
from mmalign.methods.encoders import need_two, plain, side_by_side, view
from mmalign.methods.sensors import named_key, sensors
from mmalign.methods.view_losses import ON_LATENTS, view_loss

COLLAPSED = 0.01  # standard deviation; an untrained aggregator's is about 0.1
WATCH = Watch(
    "z_std_complete",
    COLLAPSED,
    "embeddings of complete input hardly differ between samples: collapse, or the plateau on which "
    "they tell mask patterns apart and nothing else (see sample_share), which some trainings leave "
    "again. A higher mask.keep_prob, mask.anneal, complete_variance, pattern_centring, a longer "
    "warm-up or a smaller weight of the covariance may help",
)


def create(
    modalities: Mapping[str, Modality], *, encoder: Mapping[str, Any],
    augment: Mapping[str, Any] | None = None, preset: str = "fixed",
    mask: Mapping[str, Any] | None = None, loss: Mapping[str, Any] | None = None,
    complete_variance: float | None = None, pattern_centring: bool | None = None,
    aggregator: Mapping[str, Any] | None = None, expander: Sequence[int] | None = None,
    head_input: str | None = None, encoder_init: str | None = None,
    encoder_dropout: bool | None = None, kernel_l2: float | None = None,
) -> Method:  # fmt: skip
    """CroSSL (Deldari et al. 2024, arXiv:2307.16847), for any number of modalities from two on.

    The latent q_m of each modality is computed once. Two masks hide parts of all latents; one
    aggregator maps each of the two views to z; a loss between z_a and z_b trains all of it, without
    negatives, momentum or stop-gradient. An absent modality looks like a hidden one.

    Args:
      modalities: {name: Modality}; two or more; the aggregator sees zeros behind a latent
        that is narrower than others.
      encoder, augment: as `sensors` reads them; the paper has no augmentation.
      preset: "released", "paper" or "fixed". What follows changes something of it, None nothing.
      mask: options of `latent_mask`. Temporal masks need an encoder with a feature map ("conv").
      loss: `name` and options of `view_loss`.
      complete_variance: weight of VICReg's variance term on z of complete input, besides; it keeps
        the variance term from being met by masks alone.
      pattern_centring: whether the variance and covariance of a view are taken within the samples
        of one mask pattern, which keeps them, too, from being met by masks alone. For VICReg and
        masks of whole latents.
      aggregator: `name` and options of `aggregator`.
      expander: widths of `Expander` between z and the loss, () for none.
      head_input: what "joint" is: "global", z of all that is present, or "latents", the q_m side by
        side, which the released code gives to its classifier where the paper's text has z.
      encoder_init: "shared" draws kernels of encoders alike, as the released code's fixed seed
        does; or "independent".
      encoder_dropout: whether the encoders' dropout is on; off in the released code.
      kernel_l2: weight of the sum of squares of the encoders' convolution kernels, no half.
    `embed`: modality -> q_m; "joint"; and "latents" or "global", whichever "joint" is not.
    Metrics: terms of the loss, unweighted; standard deviations over samples and diagnostics on z;
    `empty_views` and `identical_views`, shares of the samples.
    Differs from the released code: an encoder is not penalised by a batch that lacks its modality;
    batches are drawn anew each epoch.
    """
    need_two(modalities, "alignment")
    options = resolve(preset, {
        "mask": mask, "loss": loss, "complete_variance": complete_variance,
        "pattern_centring": pattern_centring, "aggregator": aggregator, "expander": expander,
        "head_input": head_input, "encoder_init": encoder_init, "encoder_dropout": encoder_dropout,
        "kernel_l2": kernel_l2,
    })  # fmt: skip
    front = sensors({"encoder": encoder, "augment": augment}, modalities)
    net = network(front, modalities, options)
    with_latents = options["head_input"] == "latents"
    return Method(
        init=lambda key, batch: {"params": net.init(key, batch)},
        loss=_objective(net, options),
        embed=lambda variables, batch: _embedded(net, with_latents, variables, batch),
        fuse=lambda variables, parts, present: _fused(net, with_latents, variables, parts, present),
        needs=frozenset({"pairs"}),
        watches=() if options["loss"]["name"] in ON_LATENTS else (WATCH,),
    )


def _objective(net, options):
    """The method's `loss`."""
    compare, weight = _comparison(net, options), options["complete_variance"]
    own = options["loss"] if options["loss"]["name"] == "vicreg" else {}
    variance = {k: own[k] for k in ("gamma", "eps", "unbiased") if k in own}

    def loss(variables, batch, key):
        params, present = variables["params"], batch["present"]
        seen = view(net.front, named_key(key, "view"), batch)
        views = draw_views(net, params, seen, batch, key)
        z_a, z_b = net.aggregate(params, views.latents, views.keep, batch.get("progress", 1.0))
        taught = params, views.parts
        z = net.complete(*(taught if weight else lax.stop_gradient(taught)), views.present)
        value, terms = compare(params, views, present, z_a, z_b)
        if weight:
            gap = vicreg(z, z, where=views.counts, **variance)["variance"]
            value, terms = value + weight * gap, terms | {"complete_gap": gap}
        penalty = net.kernel_squares(params, present)
        measured = _measured(*lax.stop_gradient((z, z_a, z_b, views)), net.mask, present)
        metrics = terms | {"kernel_l2": penalty} | measured
        return value + options["kernel_l2"] * penalty, {"metrics": metrics}

    return loss


def _embedded(net, with_latents, variables, batch):
    """The method's `embed`."""
    present = batch["present"]
    parts = net.encode(variables["params"], plain(net.front, batch), present)
    return _fused(net, with_latents, variables, parts, present)


def _fused(net, with_latents, variables, parts, present):
    """The method's `fuse`; with_latents: whether "joint" is the latents side by side."""
    parts = {m: where_present(parts[m], present[m]) for m in net.names}
    z = net.complete(variables["params"], parts, net.stack(present))
    latents = side_by_side(parts)
    if with_latents:
        return parts | {"global": z, JOINT: latents}
    return parts | {"latents": latents, JOINT: z}


def _comparison(net, options):
    """`(params, views, present, z_a, z_b) -> (scalar, terms)`, of latents or of the two views."""
    between = view_loss(**options["loss"])

    def of_latents(params, views, present, z_a, z_b):
        del params, z_a, z_b
        return between([views.parts[m] for m in net.names], [present[m] for m in net.names])

    def of_views(params, views, present, z_a, z_b):
        del present
        where = views.teach(net.mask)
        pair = [net.expanded(params, z) for z in (z_a, z_b)]
        if not options["pattern_centring"]:
            return between(*pair, where)
        kept = views.keep[..., 0]
        return between(*pair, where, [within_patterns(z, k, where) for z, k in zip(pair, kept)])

    if options["loss"]["name"] not in ON_LATENTS:
        return of_views
    if options["head_input"] != "latents":
        raise ValueError(
            f"loss {options['loss']['name']!r} does not train the aggregator: it needs "
            "head_input='latents'"
        )
    return of_latents


def _measured(z, z_a, z_b, views, mask, present):
    """Diagnostics over the samples that count; of views, over those whose masks differ."""
    counts, differing = views.counts, views.teach(mask) & ~views.identical
    complete = diagnostics.spread(z, counts)
    of_views = [diagnostics.spread(x, counts).mean() for x in (z_a, z_b)]
    return {
        "z_std_complete": complete.mean(),
        "z_std_complete_min": complete.min(),
        "z_std_views": sum(of_views) / 2,
        "effective_rank": diagnostics.effective_rank(z, counts),
        "sample_share": diagnostics.sample_share(z_a, z_b, differing),
        "view_cosine": diagnostics.mean_cosine(z_a, z_b, differing),
        "empty_views": diagnostics.share(views.empty, counts),
        "identical_views": diagnostics.share(views.identical, counts),
        **{
            f"latent_std_{m}": diagnostics.spread(q, present[m]).mean()
            for m, q in views.parts.items()
        },
    }  # fmt: skip

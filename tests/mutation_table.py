"""Changes to the mathematics of methods that their tests have to notice; see `mutations.py`."""

from typing import NamedTuple

EACH = "test_every_term_and_its_gradient_is_that_of_the_equation"


class Mutation(NamedTuple):
    """One change, alone.

    method: a name for `--only`. what: it does. file: in the repository. old: text that is there
    once. new: what stands there instead. tests: arguments of pytest, files or tests in `tests`.
    """

    method: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _of(method, tests, *changes):
    """Mutations of a method: (what, file, old, new), and other tests if these are not meant."""
    return [Mutation(method, *change[:4], change[4:] or tests) for change in changes]


def _held(file, *cases):
    """The cases of a file of equations."""
    return tuple(f"methods/{file}.py::{EACH}[{case}]" for case in cases)


TERMS, CRITICS = "mmalign/methods/infomae_terms.py", "mmalign/methods/infomae_critics.py"
APART = "methods/test_infomae.py::"
APART += "test_without_a_critic_v_is_told_apart_from_u_by_their_correlations"
STAGE, NETWORK = "mmalign/methods/infomae.py", "mmalign/methods/infomae_network.py"
ALONE = "mmalign/methods/instance_terms.py"
INFOMAE = _of(
    "infomae", ("methods/test_infomae_equations.py",),
    ("stop-gradient on h_b", ALONE, "_contrast(h[0], h[1], ",
     "_contrast(h[0], jax.lax.stop_gradient(h[1]), "),
    ("contrast of view a with itself", ALONE, "_contrast(h[0], h[1], ", "_contrast(h[0], h[0], "),
    ("temperature ignored", ALONE, "nt_xent(a, b, temperature=weights.temperature, where=w)",
     "nt_xent(a, b, where=w)"),
    ("negatives from one's own sequence", ALONE,
     "lambda x: x.reshape(-1, weights.length, *x.shape[1:]).swapaxes(0, 1)", "lambda x: x[None]"),
    ("places in a sequence weighed alike", ALONE,
     "rows.sum(axis=1) / jnp.maximum(present.sum(), 1)", "jnp.ones(len(rows)) / len(rows)"),
    ("ranking of normalised h", ALONE, "sum(rank(x, where=present[m]).mean() for x in h[:2])",
     "sum(rank(x / jnp.linalg.norm(x, axis=1, keepdims=True), where=present[m]).mean()"
     " for x in h[:2])"),
    ("ranking of one view", ALONE, "for x in h[:2])", "for x in h[:1])"),
    ("margin ignored", ALONE, "length=weights.length, margin=weights.margin)",
     "length=weights.length)"),
    ("reconstruction from the unmasked code", ALONE, "params[m], h[2], ", "params[m], h[0], "),
    ("nothing hidden from the encoder", ALONE, "[nothing, nothing, masked[m]]",
     "[nothing, nothing, nothing]"),
    ("critics fed the other view", STAGE, 'params["critics"], of.first.grids, u, v',
     'params["critics"], {m: x[1] for m, x in of.views.grids.items()}, u, v'),
    ("critics' u from the masked view", STAGE, "code[i][0] for m, code", "code[i][2] for m, code"),
    ("ramp ignored", STAGE, 'jnp.clip(batch.get("progress", 1.0) / RAMP, 0.0, 1.0)', "1.0"),
    ("weight of the contrast ignored", ALONE, "weights.lam * _contrast(", "_contrast("),
    ("stop-gradient on u_b", TERMS, "(u[a] - u[b]) ** 2", "(u[a] - lax.stop_gradient(u[b])) ** 2"),
    ("distance of noisy codes", TERMS, "_distance(u, pairs)  # needs no critic, so no noise",
     "_distance({m: noisy(named_key(key, m), x, prices.noise) for m, x in u.items()}, pairs)"),
    ("information ignored", TERMS, "return prices.shared * shared + private",
     "return shared + private"),
    ("canonical information of u moves u", TERMS, "lax.stop_gradient(flat(u)), flat(v)",
     "flat(u), flat(v)", APART),
    ("canonical information of all rows", TERMS, "where=jnp.tile(present[m], len(u)),",
     "where=None,", APART),
    ("canonical information of one modality", TERMS,
     "functools.reduce(jnp.add, nats.values())", "next(iter(nats.values()))", APART),
    ("no noise before the critics", TERMS,
     "{m: noisy(named_key(key, name, m), z, prices.noise) for m, z in x.items()}", "dict(x)"),
    ("encoders learn the critics' loss", TERMS, "features, *lax.stop_gradient((u, v)), present",
     "features, u, v, present"),
    ("critics learn the encoders' loss", TERMS, "lax.stop_gradient((params, features))",
     "params, features"),
    ("gamma for epsilon", TERMS, "epsilon=prices.epsilon", "epsilon=prices.gamma"),
    ("u is not normalised", "mmalign/methods/shared_private.py", "return unit_variance(u), ",
     "return u, "),
    ("the printed sign", "mmalign/losses/shared_information.py",
     "loss = joint - (1 - price) * own - other", "loss = joint + (1 - price) * own + other"),
    ("negatives move within their sequence", CRITICS, "negatives) * self.length", "negatives)",
     "methods/test_critics.py"),
    ("all modalities move alike", CRITICS,
     "jnp.arange(negatives * modalities)) % (sequences - 1)",
     "jnp.tile(jnp.arange(negatives), modalities)) % (sequences - 1)", "methods/test_critics.py"),
    ("positives among the negatives", CRITICS, "x[0], x[1:], where=w[0], product_where=w[1:]",
     "x[0], x, where=w[0], product_where=w", "methods/test_critics.py"),
    ("v stays beside its u", CRITICS, "u, v, away(v), across, ",
     "u, v, {m: jnp.stack([x] * len(offsets[m])) for m, x in v.items()}, across, ",
     "methods/test_critics.py"),
    ("critics without dropout", CRITICS, "if self.critic.dropout else None", "if False else None",
     "methods/test_infomae.py"),
    ("zeros stand in for what is shared", NETWORK, "jnp.where(here, x, stand_in)",
     "x", "methods/test_infomae.py::"
     "test_a_missing_sensor_is_replaced_by_the_mean_of_what_the_others_share"),
    ("what is absent is read of the encoder, too", NETWORK, "jnp.where(here, x, mean)", "x",
     "methods/test_infomae.py::test_what_encoders_say_is_read_beside_the_codes_and_has_its_mean_"
     "where_a_sensor_is_absent"),
)  # fmt: skip

CROSSL, OF_CROSSL = "mmalign/methods/crossl.py", "mmalign/methods/crossl_network.py"
VIEWS, BY_NAME = "mmalign/methods/crossl_views.py", "mmalign/methods/view_losses.py"
IN_TIME = "methods/test_crossl_equations.py::"
IN_TIME += "test_views_masked_in_time_are_means_of_what_their_blocks_keep"
ABSENT = "methods/test_crossl.py::test_what_is_absent_is_never_read_in_other_forms_either[token]"
MUTATED_CROSSL = _of(
    "crossl", ("methods/test_crossl_equations.py",),
    ("sign of complete_variance", CROSSL, "value + weight * gap", "value - weight * gap"),
    ("stop-gradient on z_b", CROSSL, "for z in (z_a, z_b)]",
     "for z in (z_a, lax.stop_gradient(z_b))]"),
    ("stop-gradient on z of complete input", CROSSL,
     "taught if weight else lax.stop_gradient(taught)", "lax.stop_gradient(taught)"),
    ("complete variance of a view", CROSSL, "vicreg(z, z, where=views.counts,",
     "vicreg(z_a, z_a, where=views.counts,"),
    ("complete variance by another divisor", CROSSL, ', **variance)["variance"]', ')["variance"]'),
    ("kernels are not penalised", CROSSL, 'value + options["kernel_l2"] * penalty', "value"),
    ("identical views teach", VIEWS, "where & ~self.identical if", "where if"),
    ("patterns of the other view", CROSSL, "zip(pair, kept)", "zip(pair, kept[::-1])"),
    ("degrees of freedom ignored", VIEWS, "(rows - 1) / jnp.maximum(rows - patterns, 1)",
     "jnp.ones(())"),
    ("masks are not annealed", VIEWS, "present, net.width, progress=progress)",
     "present, net.width)"),
    ("what is hidden is seen", OF_CROSSL, "hide(latents, keep, self.mask, token=token, "
     "progress=progress)", "latents"),
    ("complete input is rescaled", OF_CROSSL, 'self.mask._replace(rescale="none")', "self.mask"),
    ("zeros, not the token, where a sensor is absent", OF_CROSSL,
     'hide(latents, keep, unscaled, token=params.get("mask_token"))',
     "hide(latents, keep, unscaled)"),
    ("all kernels are penalised", OF_CROSSL, "x.ndim > 2", "x.ndim > 1"),
    ("dropout is on", OF_CROSSL, 'named_key(key, "dropout", m) if self.encoder_dropout else None',
     'named_key(key, "dropout", m)'),
    ("an absent sensor's encoder is penalised", OF_CROSSL, "jnp.where(present[m].any(), "
     '_kernel_squares(params["sensors"][m]["encoder"]), 0.0)',
     '_kernel_squares(params["sensors"][m]["encoder"])', ABSENT),
    ("both views by one draw", "mmalign/augment/latent.py", "for k in jax.random.split(key)]",
     "for k in (key, key)]", "augment/test_latent.py"),
    ("latents of complete input masked in time", VIEWS, "= means[0], means[1:]",
     "= means[1], means[1:]", IN_TIME),
    ("gaps are averaged in", VIEWS, 'keep &= encoded["mask"][None]', "pass", IN_TIME),
    ("the last step for the mean", VIEWS, "masked_mean(maps, keep), 0.0",
     "maps[None, :, -1] + 0 * masked_mean(maps, keep), 0.0", IN_TIME),
    ("modalities lose other times", VIEWS, "if net.mask.synchronous else", "if False else",
     IN_TIME),
) + _of(
    "view_losses", ("methods/test_view_losses.py",),
    ("weights ignored", BY_NAME, "(weight * terms[term] for", "(terms[term] for"),
    ("spread ignored", BY_NAME, "if spread is not None:", "if False:"),
    ("invariance of the spread", BY_NAME,
     'dict(loss(*spread, where=where), invariance=terms["invariance"])',
     "loss(*spread, where=where)"),
    ("defaults win", BY_NAME, "{**DEFAULTS[name], **knobs}", "{**knobs, **DEFAULTS[name]}"),
    ("both directions of nce", BY_NAME, '"nce": {"symmetric": False', '"nce": {"symmetric": True'),
    ("another form of hard negatives", BY_NAME, '"form": "linear"', '"form": "exponent"'),
    ("rows that do not count", BY_NAME, "value = loss(z_a, z_b, where=where).mean()",
     "value = loss(z_a, z_b).mean()"),
)  # fmt: skip

MAE, DECODING = "mmalign/methods/mae.py", "mmalign/methods/decoding.py"
CPC, ENCODERS = "mmalign/methods/cpc.py", "mmalign/methods/encoders.py"
SIMCLR, SIMSIAM = "mmalign/methods/simclr.py", "mmalign/methods/simsiam.py"
MULTIVIEW, SENSORS = "mmalign/methods/multiview.py", "mmalign/methods/sensors.py"
BASELINES = _of(
    "mae", _held("test_baseline_equations", "mae"),
    ("nothing hidden", MAE, "seen, masked=masked[m], key", "seen, key"),
    ("visible patches asked for, too", MAE, "masked=masked[m], valid=seen.valid.get(m)",
     "valid=seen.valid.get(m)"),
    ("visible patches asked for alone", DECODING,
     "masked | ~masked.any(axis=(1, 2), keepdims=True)", "~masked"),
    ("absent windows count", DECODING, "asked, where=present)", "asked)"),
    ("the window asked for, not its view", MAE, 'code, seen.grids[m], batch["present"][m]',
     'code, front.grids(batch["inputs"])[m], batch["present"][m]'),
    ("one draw of masks for all modalities", DECODING, "draw_mask(named_key(key, m), len(x)",
     "draw_mask(key, len(x)"),
    ("u is not decoded", MAE, "jnp.concatenate(split.apply(params, e), axis=-1)",
     "jnp.concatenate([i * x for i, x in enumerate(split.apply(params, e))], axis=-1)"),
    ("padding asked for", DECODING, "jnp.broadcast_to(patching.valid[None], guess.shape[:-1])",
     "jnp.ones(guess.shape[:-1], bool)",
     "methods/test_mae.py::test_only_hidden_patches_of_real_cells_are_scored"),
) + _of(
    "joint_autoencoder", _held("test_baseline_equations", "joint_autoencoder"),
    ("no ReLU before the decoders", "mmalign/methods/joint_autoencoder.py",
     'nn.relu(apply(mix, params["fusion"], codes))', 'apply(mix, params["fusion"], codes)'),
) + _of(
    "cpc", _held("test_baseline_equations", "cpc"),
    ("a piece predicts itself", CPC, "z[:, starts + ahead], measured", "z[:, starts], measured"),
    ("one predictor for all steps", CPC, "[:, starts, ahead - 1]", "[:, starts, 0 * ahead]"),
    ("contexts that have seen the piece", CPC, "[:, starts, ahead - 1]",
     "[:, starts + ahead, ahead - 1]"),
    ("temperature ignored", CPC, "guess, z, temperature=temperature, ", "guess, z, "),
    ("both directions", CPC, "symmetric=False", "symmetric=True"),
    ("stop-gradient on tokens", CPC, "(guess, tokens, where)",
     "(guess, jax.lax.stop_gradient(tokens), where)"),
    ("absent windows are negatives", CPC, "jnp.broadcast_to(present[:, None], z.shape[:2])",
     "jnp.ones(z.shape[:2], bool)"),
    ("one step less ahead", CPC, "range(1, self.horizon + 1)", "range(1, self.horizon)"),
    ("the last context for the mean", CPC, "[1].mean(axis=1) for m", "[1][:, -1] for m",
     "methods/test_baseline_equations.py::test_an_embedding_of_cpc_is_the_mean_of_contexts"),
) + _of(
    "simclr", _held("test_baseline_equations", "simclr"),
    ("both views by one draw", SENSORS,
     "jax.vmap(self.view, in_axes=(0, None))(jax.random.split(key), inputs)",
     "jax.vmap(self.view, in_axes=(0, None))(jax.numpy.stack([key, key]), inputs)"),
    ("no projector", SIMCLR, 'first, second = apply(head, params["projector"], fused)',
     "first, second = fused"),
    ("no negatives of the own view", SIMCLR, "import nt_xent", "import info_nce as nt_xent"),
    ("temperature ignored", SIMCLR, "temperature=temperature, where=counts", "where=counts"),
    ("windows without any sensor count", SIMCLR, "temperature=temperature, where=counts",
     "temperature=temperature"),
    ("what is absent is seen", ENCODERS, "seen, key=named_key(key, m)), present[m]\n",
     "seen, key=named_key(key, m)), present[m] | True\n"),
) + _of(
    "simsiam", _held("test_baseline_equations", "simsiam"),
    ("no stop-gradient", "mmalign/losses/negative_cosine.py",
     "unit_norm(lax.stop_gradient(target))", "unit_norm(target)"),
    ("the target is the own view", SIMSIAM, "(q, z[::-1])", "(q, z)"),
    ("no predictor", SIMSIAM, 'q = apply(predictor, params["predictor"], z)', "q = z"),
    ("no standardisation", SIMSIAM, "z = standardised(z, counts[None])", "z = z"),
    ("statistics of both views", SIMSIAM, "standardised(z, counts[None])",
     "standardised(z.reshape(-1, z.shape[-1]), jnp.tile(counts, 2)).reshape(z.shape)"),
    ("the sign", SIMSIAM, "1 + apart.mean()", "1 - apart.mean()"),
) + _of(
    "multiview", _held("test_baseline_equations", "cmc", "gmc", "cocoa"),
    ("absent modalities are compared", MULTIVIEW, "*arguments, where=where, **loss",
     "*arguments, **loss"),
    ("options of the loss ignored", MULTIVIEW, "*arguments, where=where, **loss",
     "*arguments, where=where"),
    ("one projector for all", MULTIVIEW, 'self._project(params["sensors"][m], z) for',
     'self._project(params["sensors"]["acc"], z) for'),
    ("CMC against the own view, too", "mmalign/losses/cmc.py", "own_view=own_view, where",
     "own_view=True, where"),
    ("GMC's joint embedding of other windows", MULTIVIEW,
     '{"projector": params["joint"]}, side_by_side(e)',
     '{"projector": params["joint"]}, side_by_side(e)[::-1]',
     *_held("test_baseline_equations", "gmc")),
    ("the sign of COCOA's negatives", "mmalign/losses/cocoa.py", "scale * apart + weight * near",
     "scale * apart - weight * near", *_held("test_baseline_equations", "cocoa")),
)  # fmt: skip

COMM, THEIR_LOSS = "mmalign/methods/comm.py", "mmalign/losses/comm.py"
FUSING, FUSION = "mmalign/methods/comm_network.py", "mmalign/models/fusion.py"
MASKING, BOUND = "mmalign/methods/infmasking.py", "mmalign/losses/infmasking.py"
OF_COMM, OF_PAPER = (_held("test_comm_equations", case) for case in ("comm", "comm-paper"))
MUTATED_COMM = _of(
    "comm", OF_COMM,
    ("the own copy's fused embedding", THEIR_LOSS, "compare(z, fused_second, where=w)",
     "compare(z, fused, where=w)"),
    ("one direction", THEIR_LOSS, "factor * 0.5 * (there + back)", "factor * there"),
    ("weights ignored", THEIR_LOSS, "factor * 0.5 * (there", "0.5 * (there"),
    ("a sum for the mean", THEIR_LOSS, "return loss / len(first)", "return loss"),
    ("stop-gradient on the second copy", COMM, "comm(first, second, where",
     "comm(first, lax.stop_gradient(second), where"),
    ("temperature ignored", COMM, '{"temperature": temperature, ', '{"temperature": 0.1, '),
    ("absent modalities are learned from", COMM, "jnp.stack([present[m] for m in net.names])",
     "jnp.stack([present[m] | True for m in net.names])"),
    ("both copies by one draw", COMM, "found.compared[:, copy]", "found.compared[:, 0]"),
    ("a mean for the sum", COMM, "return factor * cost", "return cost", *OF_PAPER),
    ("modalities alone are augmented", COMM, 'clean = chosen["alone"] == "clean"', "clean = False",
     *OF_PAPER),
    ("one contrast for both forms", COMM, '"contrast": chosen["contrast"]',
     '"contrast": "nt_xent"', *OF_PAPER),
    ("other modalities are read", FUSING, "tokens.mask[None] & whose[:, None]",
     "tokens.mask[None] & (whose[:, None] | True)",
     "methods/test_comm.py::test_any_subset_is_fused_from_its_own_tokens"),
    ("unscaled attention", FUSION, "q, k) * q.shape[-1] ** -0.5", "q, k)",
     "models/test_fusion.py::test_a_layer_is_that_of_the_formula"),
    ("hidden tokens are one", FUSING, "hidden.sum(axis=-1, keepdims=True)",
     "hidden.any(axis=-1, keepdims=True)",
     "methods/test_infmasking.py::test_a_learned_token_stands_for_each_that_is_hidden"),
) + _of(
    "infmasking", _held("test_comm_equations", "infmasking"),
    ("what is kept is hidden", MASKING, "kept & tokens.mask[None], ~kept & tokens.mask[None]",
     "~kept & tokens.mask[None], kept & tokens.mask[None]"),
    ("strength ignored", MASKING, "grown = strength * ", "grown = "),
    ("progress ignored", MASKING, 'strength * batch.get("progress", 1.0)', "strength"),
    ("masked views of the same copy", MASKING, 'copy if against == "same" else 1 - copy', "copy",
     *_held("test_comm_equations", "infmasking-other")),
    ("one weight for both copies", MASKING, "weight[1] * each[1]", "weight[0] * each[1]"),
    ("CoMM's terms count once", MASKING, "(count - 2) * cost", "cost"),
    ("temperature ignored", MASKING, "temperature=temperature, where=found", "where=found"),
    ("masked views are no negatives", BOUND, "jnp.concatenate(x), asked, *drawn)",
     "jnp.concatenate(x), asked)"),
    ("the mean of the variance is left out", BOUND, "c * lift + cross_entropy", "cross_entropy"),
)  # fmt: skip

MMBIND, FACTORCL = "mmalign/methods/mmbind.py", "mmalign/methods/factorcl.py"
CROSS, AT_ONCE = "mmalign/methods/cross.py", "mmalign/methods/joint_contrast.py"
OF_PRESENT, OF_TWO = (_held("test_cross_equations", f"mmbind-{x}") for x in ("present", "two"))
OF_SELF = _held("test_cross_equations", "cross_self")
ACROSS = _of(
    "mmbind", _held("test_cross_equations", "mmbind"),
    ("weights ignored", MMBIND, 'compared, batch.get("weight"), temp', "compared, None, temp"),
    ("temperature ignored", MMBIND, "temperature=temperature, where=where", "where=where"),
    ("zeros for the constant", MMBIND, "x.shape[1:]), fill, x", "x.shape[1:]), 0.0, x"),
    ("a constant of transformed windows", MMBIND, "front.grids(constant)",
     "{m: fill for m in constant}", "methods/test_mmbind.py"),
    ("absent slots are not compared", MMBIND, 'jnp.ones_like(present[m]) if views == "slots" else ',
     ""),
    ("the prompt says nothing", MMBIND, "[x, told]", "[x, 0 * told]", *OF_PRESENT),
    ("absent modalities are compared", MMBIND, "temperature=temperature, where=where",
     "temperature=temperature", *OF_PRESENT),
    ("the last of the others", MMBIND, "present[m] & ~there", "present[m]", *OF_TWO),
    ("windows without the anchor", MMBIND, "there & present[anchor]", "there", *OF_TWO),
) + _of(
    "factorcl", _held("test_cross_equations", "factorcl"),
    ("what should be kept is lowered", FACTORCL, '- metrics["kept"]', '+ metrics["kept"]'),
    ("critics help to lower", FACTORCL, "lax.stop_gradient(critic)", "critic"),
    ("encoders help the critics", FACTORCL, "lax.stop_gradient((x, y))", "x, y"),
    ("one bound for all", FACTORCL, '"club"', '"info_nce"'),
    ("negatives are other y", FACTORCL, 'scores.T if bound == "info_nce" else scores', "scores"),
    ("no copy beside", FACTORCL, "[own, copy]", "[own, own]"),
    ("a modality for its copy", FACTORCL, "own = copy\n", "own = own\n"),
    ("windows with one of both", FACTORCL, "present[term.first] & present[term.second]",
     "present[term.first]"),
) + _of(
    "cross", _held("test_cross_equations", "cross"),
    ("a sum for the mean over pairs", CROSS, "(of(*pair).mean() for pair in pairs) / len(pairs)",
     "(of(*pair).mean() for pair in pairs)"),
    ("the scale is not learned", CROSS, "clip(z[a], z[b], log_scale, ", "clip(z[a], z[b], START, "),
    ("windows with one of both", CROSS, "log_scale, where=present[a] & present[b]",
     "log_scale, where=present[a]"),
    ("no augmentation", CROSS, 'view(front, named_key(key, "view"), batch)', "plain(front, batch)"),
    ("weight of the own contrast ignored", CROSS, "across + scale * within", "across + within",
     *OF_SELF),
    ("temperature ignored", CROSS, "functools.partial(nt_xent, temperature=temperature)", "nt_xent",
     *OF_SELF),
    ("a view with itself", CROSS, "first, second = compared(m, x, where)",
     "first, second = compared(m, jnp.stack([x[0], x[0]]), where)", *OF_SELF),
    ("one tuple for all steps", AT_ONCE, "jax.random.randint(key, ",
     "jax.random.randint(jax.random.key(0), ", *_held("test_cross_equations", "symile")),
    ("the anchor ignored", AT_ONCE, "anchor or names[0]", "names[0]",
     *_held("test_cross_equations", "gram")),
)  # fmt: skip

SWIN, ATTENTION = "models/test_window_attention.py", "mmalign/models/window_attention.py"
MODELS = _of(
    "models", (SWIN,),
    ("no region mask in shifted attention", ATTENTION,
     "region_bias(grid, window, shift) if rolled else None", "None"),
    ("unscaled attention", ATTENTION, "q * (c // heads) ** -0.5, k", "q, k"),
    ("not rolled back", ATTENTION, "y = jnp.roll(y, shift, (1, 2))", "y = y"),
)  # fmt: skip

MUTATIONS = INFOMAE + MUTATED_CROSSL + BASELINES + MUTATED_COMM + ACROSS + MODELS

"""CroSSL, term by term: values and gradients are those of its equations, written out."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.augment import draw_latent_masks, draw_time_mask, latent_mask
from mmalign.methods.crossl_views import draw_views
from mmalign.methods.encoders import Seen
from mmalign.methods.sensors import named_key

KEY = jax.random.key(1)
M = ("acc", "emg")
WEIGHTS = {"invariance": 3.0, "variance": 5.0, "covariance": 7.0}
OPTIONS = {  # preset and what is changed of it
    "fixed": {"mask": {"keep_prob": 0.6}, "kernel_l2": 0.03},
    "complete": {"complete_variance": 11.0, "mask": {"keep_prob": 0.6}},
    "biased": {
        "loss": WEIGHTS | {"unbiased": False},
        "mask": {"min_keep": 0, "rescale": "inverse_keep", "keep_prob": 0.6},
        "complete_variance": 11.0,
    },
    "centred": {"pattern_centring": True, "mask": {"keep_prob": 0.6}},
    "annealed": {"mask": {"keep_prob": 0.5, "anneal": 0.8, "pairing": "identical_excluded"}},
    "token": {"mask": {"fill": "token", "keep_prob": 0.6}, "complete_variance": 11.0},
}
PROGRESS = 0.6


class Equations:
    """Of windows some of which lack a sensor."""

    def __init__(self, plain, given, options):
        self.plain, self.given, self.options = plain, given, options
        self.loss = {"unbiased": True} | options["loss"]
        self.present = np.stack([given.here[m] for m in M], axis=1)
        self.spec = {"min_keep": 1} | options["mask"]
        self.mask = latent_mask(M, **self.spec)
        keep = draw_latent_masks(
            named_key(KEY, "masks"), self.mask, jnp.asarray(self.present), 1, progress=PROGRESS
        )
        self.keep = np.asarray(keep)[..., 0]  # [2, b, modalities]

    def __call__(self, params, knobs):
        """(loss, terms)."""
        del knobs
        plain, options, given = self.plain, self.options, self.given
        seen, encoders = given.view(), {m: params["sensors"][m]["encoder"] for m in M}
        q = jnp.stack([given.front.encode(m, encoders[m], seen[m]) for m in M], axis=1)
        whole = self.aggregate(params, q, self.present)
        rescale = self.spec.get("rescale") == "inverse_keep"
        scaled = q / self.spec["keep_prob"] if rescale else q
        views = [self.aggregate(params, scaled, keep) for keep in self.keep]
        counts = given.any
        if self.mask.min_keep:
            counts = counts & self.keep.any(axis=2).all(axis=0)
        if "pairing" in self.spec:
            counts = counts & (self.keep[0] != self.keep[1]).any(axis=1)
        a, b = spread = [z[counts] for z in views]
        if options.get("pattern_centring"):
            spread = [self.centred(z, keep[counts]) for z, keep in zip((a, b), self.keep)]
        unbiased = self.loss["unbiased"]
        terms = {
            "invariance": jnp.square(a - b).mean(),
            "variance": sum(plain.hinge(z, unbiased) for z in spread) / 2,
            "covariance": sum(plain.off_diagonal(z) for z in spread),
            "kernel_l2": sum(
                jnp.square(x).sum()
                for path, x in jax.tree.leaves_with_path(encoders)
                if path[-1].key == "kernel" and path[-2].key.startswith("conv")
            ),
        }
        loss = sum(self.loss[name] * terms[name] for name in WEIGHTS)
        loss += options.get("kernel_l2", 1e-4) * terms["kernel_l2"]
        if "complete_variance" in options:
            terms["complete_gap"] = plain.hinge(whole[given.any], unbiased)
            loss += options["complete_variance"] * terms["complete_gap"]
        return loss, terms

    def aggregate(self, params, q, keep):
        """The perceptron of latents side by side, zeros or the token where one is hidden."""
        hidden = params.get("mask_token", jnp.zeros(q.shape[1:]))
        x = jnp.where(keep[..., None], q, hidden).reshape(len(q), -1)
        p, affine = params["aggregator"], self.plain.affine
        for i in range(2):
            x = jnp.maximum(affine(p[f"hidden_{i}"], x), 0)
        norm = p["final_norm"]
        return self.plain.standard(affine(p["out"], x), 1, 1e-3) * norm["scale"] + norm["bias"]

    def centred(self, z, keep):
        """Less the mean of the pattern of masks, with the degrees of freedom that this costs."""
        _, pattern = np.unique(keep, axis=0, return_inverse=True)
        of = pattern.ravel() == np.arange(pattern.max() + 1)[:, None]
        means = of @ z / of.sum(axis=1, keepdims=True)
        rows, patterns = of.shape[1], of.shape[0]
        return (z - means[pattern.ravel()]) * np.sqrt((rows - 1) / (rows - patterns))


@pytest.mark.parametrize("case", OPTIONS)
def test_every_term_and_its_gradient_is_that_of_the_equations(small, plain, beside, case):
    options = OPTIONS[case] | {"loss": WEIGHTS | OPTIONS[case].get("loss", {})}
    given = beside.Given(small, "crossl")
    usual = small.options("crossl")["encoder"] | {"dropout": 0.5}  # off unless it is asked for

    def create():
        return small.create("crossl", augment=beside.VIEW, **options, encoder=usual)

    program = beside.program(given, create, Equations(plain, given, options))
    found, wanted = program(progress=PROGRESS)
    beside.agree(found, wanted)
    assert all(x > 1e-3 for x in wanted[0][1].values())  # no term hides


def test_views_masked_in_time_are_means_of_what_their_blocks_keep():
    """Of the feature maps; the latents of complete input are means of all of it."""
    rng, rows = np.random.default_rng(0), 6
    spec = {"strategy": "temporal", "keep_prob": 0.5, "block_s": 0.5}
    tokens = {m: rng.normal(size=(rows, steps, 3)) for m, steps in (("acc", 8), ("emg", 4))}
    valid = np.arange(8)[None] < np.array([8, 8, 5, 8, 8, 3])[:, None]
    maps = {m: {"tokens": jnp.asarray(x), "mask": jnp.asarray(valid)} for m, x in tokens.items()}
    net = SimpleNamespace(
        names=M, mask=latent_mask(M, **spec), seconds=dict.fromkeys(M, 2.0), width=3,
        tokens=lambda *_: maps, stack=lambda parts: jnp.stack([parts[m] for m in M], axis=1),
    )  # fmt: skip
    present = {"acc": np.array([1, 1, 1, 1, 0, 1], bool), "emg": np.array([1, 0, 1, 1, 1, 1], bool)}
    seen = Seen(tokens, {"acc": valid})
    views = draw_views(net, None, seen, {"present": jax.tree.map(jnp.asarray, present)}, KEY)
    for i, (m, x) in enumerate(tokens.items()):
        kept = np.asarray(draw_time_mask(named_key(KEY, "time"), net.mask, rows, x.shape[1], 2.0))
        measured = valid if m == "acc" else np.ones(x.shape[:2], bool)
        for row in np.flatnonzero(present[m]):
            whole = x[row][measured[row]].mean(axis=0)
            np.testing.assert_allclose(views.parts[m][row], whole, rtol=1e-5)
            for view in range(2):
                left = kept[view, row] & measured[row]
                want = x[row][left].mean(axis=0) if left.any() else np.zeros(3)
                np.testing.assert_allclose(views.latents[view, row, i], want, rtol=1e-5)
                assert (views.keep[view, row, i] == left.any()).all()
        np.testing.assert_array_equal(views.latents[:, ~present[m], i], 0)

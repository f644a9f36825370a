"""InfoMAE, term by term: values, gradients and knobs are those of its equations, written out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.losses import density_ratio
from mmalign.methods import infomae
from mmalign.methods.infomae_critics import Critics
from mmalign.methods.sensors import named_key
from mmalign.models import Critic, Stem, apply

KEY = jax.random.key(1)
M, LENGTH = ("acc", "emg"), 2
KNOBS = {"alpha": 0.7, "beta": 0.3, "gamma": 0.2, "epsilon": 0.4, "delta": 0.9, "lam": 0.6,
         "eta": 0.5, "information": 0.8, "temperature": 0.3, "margin": 8.0, "noise": 0.5,
         "progress": 0.04}  # fmt: skip
CHANGED = {"temperature": 0.7, "margin": 6.0, "noise": 0.1, "progress": 0.08}
OF_ONE_TERM = {"delta": "reconstruction", "lam": "contrast", "temperature": "contrast",
               "eta": "ranking", "margin": "ranking"}  # fmt: skip
OF_TWO = {"noise": {"information", "critics"}}  # the others are of the information alone


class Equations:
    """The paper's form of eq. 11, of windows some of which lack a sensor."""

    def __init__(self, small, plain, given):
        options = small.options("infomae")
        self.plain, self.given, self.ratio = plain, given, options["mask_ratio"]
        self.both = given.here["acc"] & given.here["emg"]
        stem, critic = Stem(**options["stem"]), Critic(**options["critic"])
        self.critics = Critics(
            given.front.kinds, options["shared"], options["private"], True, True,
            options["negatives"], LENGTH, stem, critic,
        )  # fmt: skip

    def __call__(self, params, w):
        """(loss, terms)."""
        given, (first, second) = self.given, self.given.two_views()
        terms = dict.fromkeys(("reconstruction", "contrast", "ranking"), 0.0)
        u, v = {}, {}
        for m in M:
            hidden = given.hidden(m, self.ratio)
            nothing = jnp.zeros_like(hidden)
            (u[m], v[m]), *other = (
                self.code(params["sensors"][m], m, x, mask)
                for x, mask in ((first[m], nothing), (second[m], nothing), (first[m], hidden))
            )
            h, h_b, h_hidden = (jnp.concatenate(x, axis=1) for x in ((u[m], v[m]), *other))
            here = given.here[m]
            decoded = given.decoded(params["sensors"], m, h_hidden, first, hidden)
            terms["reconstruction"] += w["delta"] * self.plain.patch_error(*decoded)
            terms["contrast"] += w["lam"] * self.contrast(h, h_b, here, w["temperature"])
            ranked = sum(self.ranking(x, here, w["margin"]) for x in (h, h_b))
            terms["ranking"] += w["eta"] * ranked
        terms |= self.information(params["critics"], first, u, v, w)
        return sum(terms.values()), terms

    def code(self, p, m, x, hidden):
        e = self.given.front.encode(m, p["encoder"], x, masked=hidden)
        return [self.plain.standard(self.plain.perceptron(p[part], e), 1, 1e-6)
                for part in ("shared", "private")]  # fmt: skip

    def contrast(self, h_a, h_b, here, temperature):
        """Eq. 9 with its minus, of windows at one position of different sequences."""
        places = [np.flatnonzero(here & (np.arange(len(here)) % LENGTH == i)) for i in range(2)]
        cost = [len(p) * self.plain.nt_xent(h_a[p], h_b[p], temperature) for p in places]
        return sum(cost) / here.sum()

    def ranking(self, h, here, margin):
        """Eq. 10, of sequences that are whole."""
        whole = here.reshape(-1, LENGTH).all(axis=1)
        return self.plain.ranking(h.reshape(len(whole), LENGTH, -1)[whole], margin)

    def information(self, of_critics, windows, u, v, w):
        """Eq. 4 to 7: the distance of clean u, and ratios of noisy u and v."""
        still = jax.lax.stop_gradient
        both = self.both
        distance = jnp.square(u["acc"] - u["emg"])[both].mean()
        loud = lambda name, z: {
            m: z[m] + w["noise"] * jax.random.normal(named_key(KEY, name, m), z[m].shape) for m in M
        }
        u, v = loud("u", u), loud("v", v)
        features = self.critics.features(of_critics, windows)

        def ratio(name, i, *arguments):
            p = jax.tree.map(lambda x: x[i], still(of_critics[name]))
            return apply(self.critics.critic, p, *arguments)

        x = still(features)
        cost = 0.0
        for i, (m, o) in enumerate((M, M[::-1])):
            joint = ratio("joint", i, x["acc"], x["emg"], u[m])
            own, other = ratio("pair", i, x[m], u[m]), ratio("pair", 2 + i, x[o], u[m])
            shared = joint - (1 - w["beta"]) * own - other
            cost += w["information"] * shared[both].mean()
            private, split = ratio("private", i, x[m], v[m]), ratio("split", i, v[m], u[m])
            cost += (w["gamma"] * private + w["epsilon"] * split)[self.given.here[m]].mean()
        ramp = jnp.minimum(w["progress"] / infomae.RAMP, 1)
        player = self.critics.loss(
            of_critics,
            features,
            still(u),
            still(v),
            jax.tree.map(jnp.asarray, self.given.here),
            named_key(KEY, "negatives"),
        )
        distance *= w["information"] * w["alpha"]
        return {"information": distance + ramp * cost, "critics": player}


@pytest.fixture(scope="module")
def asked(small, plain, beside):
    """`asked(**knobs)` -> ((value, terms), gradient) of the method, and of the equations."""
    given = beside.Given(small, "infomae")
    create = functools.partial(
        small.create, "infomae", augment=beside.VIEW, form="three_ratio", independence="critic"
    )
    program = beside.program(given, create, Equations(small, plain, given))
    return lambda **knobs: program(**KNOBS | knobs)


@pytest.fixture(scope="module")
def usual(asked):
    return asked()


def test_every_term_and_its_gradient_is_that_of_the_equations(beside, usual):
    beside.agree(*usual)
    terms = usual[1][0][1]
    assert all(abs(terms[name]) > 0.05 for name in terms)  # none is so small that it hides


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_moves_its_own_term_as_the_equations_say(beside, asked, usual, knob):
    found, wanted = asked(**{knob: CHANGED.get(knob, KNOBS[knob] / 2)})
    beside.agree(found, wanted)
    before, after = (
        {name: terms[name] for name in wanted[0][1]} for (_, terms), _ in (usual[0], found)
    )
    moved = {name for name, x in before.items() if abs(x - after[name]) > 1e-4 * abs(x)}
    assert moved == OF_TWO.get(knob, {OF_ONE_TERM.get(knob, "information")})


def test_density_ratios_are_what_the_critics_are_asked_for():
    """Balanced cross-entropy: the mean over joint rows beside the mean over all negatives."""
    rng = np.random.default_rng(0)
    joint, product = rng.normal(size=4), rng.normal(size=(3, 4))
    soft = lambda x: np.log1p(np.exp(x)).mean()
    np.testing.assert_allclose(
        density_ratio(joint, product).mean(), soft(-joint) + soft(product), rtol=1e-5
    )

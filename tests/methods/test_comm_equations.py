"""CoMM and InfMasking, held against their equations: values and gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.methods.comm_network import network
from mmalign.methods.encoders import Seen
from mmalign.methods.infmasking import drawn_masks
from mmalign.methods.sensors import named_key

KEY = jax.random.key(1)
WEIGHT = (0.5, 1.5, 2.0)  # of two modalities and what is fused of them
STRENGTH = 40.0  # masks of tokens hardly move what is fused of random parameters


def fusing(given, **options):
    """CoMM's networks."""
    return network(
        given.front, given.small.modalities(2), width=8, depth=1, heads=2, converter=None,
        head=(12, 10), **options,
    )  # fmt: skip


def comm_term(given, plain, params, first, second, contrast, weight):
    """first, second: [modalities + 1, b, width], of two copies."""
    rows = [*given.here.values(), given.any]
    z = [[plain.head(params["head"], x[r]) for x, r in zip(copy, rows)]
         for copy in (first, second)]  # fmt: skip
    fused = lambda copy, r: copy[-1][r[given.any]]
    terms = []
    for i, r in enumerate(rows):
        there, back = (contrast(z[c][i], fused(z[1 - c], r)) for c in range(2))
        terms.append((there + back) / 2 if i < len(rows) - 1 else there)
    return sum(w * x for w, x in zip(weight, terms)) / len(terms)


def comm_code(given, plain, params, w):
    """The fused embedding of the other copy is each one's partner; a mean over terms."""
    net = fusing(given, replaced=False, token=False)
    copies = [net.fused(params, net.tokens(params, Seen(seen, {}), given.here))
              for seen in given.two_views()]  # fmt: skip
    contrast = lambda a, b: plain.nt_xent(a, b, w["temperature"])
    cost = comm_term(given, plain, params, *copies, contrast, WEIGHT)
    return cost, {"contrast": cost}


def comm_paper(given, plain, params, w):
    """Eq. 7: of each modality alone the windows as they are, in both copies; a sum of terms."""
    net = fusing(given, replaced=True, token=True)
    read = lambda seen: net.fused(params, net.tokens(params, Seen(seen, {}), given.here))
    alone = read(given.whole())[:-1]
    copies = [jnp.concatenate([alone, read(seen)[-1:]]) for seen in given.two_views()]
    contrast = lambda a, b: plain.info_nce(a, b, w["temperature"])
    cost = comm_term(given, plain, params, *copies, contrast, (1, 1, 1))
    return 3 * cost, {"contrast": cost}


def infmasking(given, plain, params, w, other=False):
    """CoMM's terms, and -m/t + log(exp(m/t + v/2t^2) + negatives) of two masked views a copy."""
    t, draws, rows = w["temperature"], 2, len(given.any)
    net = fusing(given, replaced=False, token=True)
    tokens = [net.tokens(params, Seen(seen, {}), given.here) for seen in given.two_views()]
    whole = [net.fused(params, x) for x in tokens]
    contrast = lambda a, b: plain.nt_xent(a, b, t)
    shared = comm_term(given, plain, params, *whole, contrast, WEIGHT)
    owner = tokens[0].owner
    kept = drawn_masks(named_key(KEY, "masks"), owner, draws, 2 * rows, 0.5)
    masked = []
    for copy, of in enumerate(tokens):
        mine = kept[:, copy * rows : (copy + 1) * rows]
        z = net.read(params, of, mine & of.mask, ~mine & of.mask)
        masked.append([plain.head(params["head"], x[given.any]) for x in z])
    costs = []
    for copy in range(2):
        z = plain.head(params["head"], whole[copy][-1][given.any])
        views = masked[1 - copy if other else copy]
        like = jnp.stack([jnp.sum(plain.unit(z) * plain.unit(x), axis=1) for x in views])
        mean, lift = like.mean(axis=0) / t, STRENGTH * w["progress"] * like.var(axis=0)
        apart = ~np.eye(len(z), dtype=bool)
        negative = sum(jnp.where(apart, jnp.exp(plain.cosines(z, x) / t), 0).sum(axis=1)
                       for x in (z, *views))  # fmt: skip
        cost = jnp.log(jnp.exp(mean + lift / (2 * t**2)) + negative) - mean
        costs.append(cost.mean())
    total = 0.25 * costs[0] + 0.75 * costs[1] + 3 * shared
    return total / 5, {"contrast": shared, "masked": sum(costs) / 2}


OF_BOTH = {"weight": (0.25, 0.75, *WEIGHT), "strength": STRENGTH}
CASES = {  # equation, options, knobs of the runs
    "comm": (comm_code, {"weight": WEIGHT}, ({"temperature": 0.3}, {"temperature": 0.7})),
    "comm-paper": (comm_paper, {"form": "paper"}, ({"temperature": 0.3},)),
    "infmasking": (
        infmasking, OF_BOTH,
        [{"temperature": 0.1, "progress": 0.5} | x for x in ({}, {"temperature": 0.4},
                                                             {"progress": 0.05})],
    ),
    "infmasking-other": (
        functools.partial(infmasking, other=True), OF_BOTH | {"against": "other"},
        ({"temperature": 0.4, "progress": 0.5},),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_term_and_its_gradient_is_that_of_the_equation(small, plain, beside, case):
    of, options, runs = CASES[case]
    name = case.split("-")[0]
    given = beside.Given(small, name)
    create = functools.partial(small.create, name, augment=beside.VIEW, **options)
    beside.check(given, create, lambda *args: of(given, plain, *args), runs)

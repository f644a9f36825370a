"""Methods that compare sensors in pairs or all at once, held against their equations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses
from mmalign.methods.sensors import named_key

KEY = jax.random.key(1)


def mmbind(given, plain, params, w, views="slots", prompt=False):
    """All slots of a window are each other's positives; a constant stands where one is absent."""
    p, names = params["sensors"], given.names
    seen, z, owner = given.view(), [], []
    told = jnp.asarray(np.stack([given.here[m] for m in names], axis=1), jnp.float32)
    for m in names:
        x = jnp.where(given.here[m].reshape(-1, 1, 1, 1), seen[m], w.get("fill", 0))
        e = given.front.encode(m, p[m]["encoder"], x)
        rows = np.flatnonzero(given.here[m] | (views == "slots"))
        e = (jnp.concatenate([e, told], axis=1) if prompt else e)[rows]
        z.append(plain.head(p[m]["head"], e))
        owner.append(rows)
    if views == "two":
        others = {row: (m, i) for m in (2, 1) for i, row in enumerate(owner[m])}
        asked = [(i, *others[row]) for i, row in enumerate(owner[0]) if row in others]
        rows = np.array([owner[0][i] for i, *_ in asked])
        z = [jnp.stack([z[0][i] for i, *_ in asked]), jnp.stack([z[m][i] for _, m, i in asked])]
        owner = [rows, rows]
    owner = np.concatenate(owner)
    cost = plain.alike(jnp.concatenate(z), owner, w["temperature"])
    cost = (cost * given.batch["weight"][owner]).mean()
    return cost, {"contrast": cost}


def factorcl(given, plain, params, w):
    """What is raised is bounded by InfoNCE below, what is lowered by CLUB above."""
    del w
    still = jax.lax.stop_gradient
    e, copy = (given.encode(params["sensors"], x)
               for x in (given.whole(), given.view()))  # fmt: skip

    def scores(name, x, y):
        p = params["critics"][name]
        of = lambda x, y, p: plain.affine(p["score"], jnp.maximum(plain.affine(
            p["hidden_1"],
            jnp.maximum(plain.affine(p["x"], x)[:, None] + plain.affine(p["y"], y)[None], 0),
        ), 0))[..., 0]  # fmt: skip
        return of(x, y, p), of(x, y, still(p)), of(still(x), still(y), p)

    def nce(t):
        """Of y_i, the x_i among all x."""
        return (jnp.diag(t) - jax.nn.logsumexp(t, axis=0)).mean() + jnp.log(len(t))

    side = lambda name, role, *x: plain.perceptron(
        params["projectors"][name][role], jnp.concatenate(x, axis=1)
    )
    kept = lowered = critics = 0.0
    for m in given.names:
        x, y = side(f"own_{m}", "first", e[m]), side(f"own_{m}", "second", copy[m])
        kept += nce(scores(f"own_{m}", x[given.here[m]], y[given.here[m]])[0])
    for a, b, rows in given.pairs():
        for kind in ("plain", "given"):
            read = lambda m, kind=kind: (e[m], copy[m]) if kind == "given" else (e[m],)
            up, down = (f"{kind}_{word}_{a}_{b}" for word in ("raised", "lowered"))
            x, y = side(up, "first", *read(a)), side(up, "second", *read(b))
            kept += nce(scores(up, x[rows], y[rows])[0])
            x, y = side(down, "first", *read(a)), side(down, "second", *read(b))
            _, club, own = scores(down, x[rows], y[rows])
            lowered += (jnp.diag(club) - club.mean(axis=1)).mean()
            critics -= nce(own)
    terms = {"kept": kept, "lowered": lowered, "critics": critics}
    return lowered - kept + critics, terms


def projections(given, plain, params):
    e = given.encode(params["sensors"], given.view())
    return {m: plain.affine(params["sensors"][m]["projector"]["out"], e[m])
            for m in given.names}  # fmt: skip


def cross(given, plain, params, w):
    """CLIP of every pair, with a scale that is learned."""
    del w
    z, temperature = projections(given, plain, params), jnp.exp(-params["log_scale"])
    costs = [plain.both_ways(z[a][r], z[b][r], temperature) for a, b, r in given.pairs()]
    cost = sum(costs) / len(costs)
    return cost, {"contrast": cost, "log_scale": params["log_scale"]}


def cross_self(given, plain, params, w):
    """NT-Xent across modalities of windows as they are, and of two views of each."""
    p, t = params["sensors"], w["temperature"]
    e, views = given.encode(p, given.whole()), [given.encode(p, x) for x in given.two_views()]
    heads = {m: plain.head(p[m]["head"], e[m][r]) for m, r in given.here.items()}
    among = lambda m, r: heads[m][r[given.here[m]]]
    costs = [plain.nt_xent(among(a, r), among(b, r), t) for a, b, r in given.pairs()]
    across = sum(costs) / len(costs)
    of_views = {m: [plain.head(p[m]["head"], view[m][r]) for view in views]
                for m, r in given.here.items()}  # fmt: skip
    within = sum(plain.nt_xent(*z, t) for z in of_views.values()) / len(of_views)
    return across + w["scale"] * within, {"across": across, "within": within}


def symile(given, plain, params, w):
    """The loss of the library, of windows that have all, with shifts of its own key."""
    del w
    z = projections(given, plain, params)
    complete = np.logical_and.reduce([*given.here.values()]).sum()
    shifts = jax.random.randint(named_key(KEY, "contrast"), (1,), 1, complete)
    cost = losses.symile(
        [*z.values()], shifts, temperature=jnp.exp(-params["log_scale"]),
        where=[jnp.asarray(x) for x in given.here.values()],
    ).mean()  # fmt: skip
    return cost, {"contrast": cost}


def gram(given, plain, params, w):
    """The loss of the library, of an anchor and all others."""
    z, here = projections(given, plain, params), jax.tree.map(jnp.asarray, given.here)
    cost = losses.gram(
        z["emg"], [z["acc"], z["ecg"]], temperature=jnp.exp(-params["log_scale"]),
        smoothing=0.2, where=[here["emg"], here["acc"], here["ecg"]],
    ).mean()  # fmt: skip
    return cost, {"contrast": cost}


CASES = {  # equation, modalities, options, knobs of the runs
    "mmbind": (
        mmbind, 3, {}, ({"temperature": 0.3, "fill": 0.7}, {"temperature": 0.7, "fill": 0.7},
                        {"temperature": 0.3, "fill": -0.9}),
    ),
    "mmbind-present": (
        functools.partial(mmbind, views="present", prompt=True), 3,
        {"views": "present", "prompt": True}, ({"temperature": 0.3},),
    ),
    "mmbind-two": (
        functools.partial(mmbind, views="two"), 3, {"views": "two", "anchor": "acc"},
        ({"temperature": 0.3},),
    ),
    "factorcl": (factorcl, 2, {}, ({},)),
    "cross": (cross, 3, {}, ({},)),
    "cross_self": (
        cross_self, 3, {},
        [{"temperature": 0.3, "scale": 0.5} | x for x in ({}, {"temperature": 0.7},
                                                          {"scale": 2.0})],
    ),
    "symile": (symile, 3, {}, ({},)),
    "gram": (gram, 3, {"anchor": "emg", "smoothing": 0.2}, ({},)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_term_and_its_gradient_is_that_of_the_equation(small, plain, beside, case):
    of, count, options, runs = CASES[case]
    name = case.split("-")[0]
    given = beside.Given(small, name, count)
    create = functools.partial(small.create, name, count, augment=beside.VIEW, **options)
    beside.check(given, create, lambda *args: of(given, plain, *args), runs)

"""Baselines of single sensors and of views, held against their equations: values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.methods.sensors import named_key, sensors
from mmalign.models import Context, apply

KEY = jax.random.key(1)
M, PIECES, HORIZON = ("acc", "emg"), 4, 2


def mae(given, plain, params, _):
    seen, terms, params = given.view(), {}, params["sensors"]
    for m in M:
        hidden = given.hidden(m, 0.5)
        e = given.front.encode(m, params[m]["encoder"], seen[m], masked=hidden)
        parts = [plain.perceptron(params[m][part], e) for part in ("shared", "private")]
        code = jnp.concatenate([plain.standard(x, 1, 1e-6) for x in parts], axis=1)
        decoded = given.decoded(params, m, code, seen, hidden)
        terms[f"reconstruction_{m}"] = plain.patch_error(*decoded)
    return terms


def autoencoder(given, plain, params, _):
    seen, params = given.view(), params["sensors"]
    e = given.encode(params, seen)
    of = lambda m: plain.patch_error(*given.decoded(params, m, e[m], seen))
    return {f"reconstruction_{m}": of(m) for m in M}


def joint_autoencoder(given, plain, params, _):
    seen, of_sensors = given.view(), params["sensors"]
    codes = jnp.concatenate([*given.encode(of_sensors, seen).values()], axis=1)
    code = jnp.maximum(plain.perceptron(params["fusion"], codes), 0)
    of = lambda m: plain.patch_error(*given.decoded(of_sensors, m, code, seen))
    return {f"reconstruction_{m}": of(m) for m in M}


def cpc(given, plain, params, w):
    """Each prediction among the tokens of windows at the same time."""
    whole, terms = given.front.policy(named_key(KEY, "view"), given.inputs), {}
    for m, x in whole.items():
        p, here = params["sensors"][m], given.here[m]
        pieces = jnp.stack(jnp.split(x, PIECES, axis=1), axis=1)
        rows = pieces.reshape(-1, *pieces.shape[2:])[:, :, None]
        z = given.front.encode(m, p["encoder"], rows).reshape(len(x), PIECES, -1)
        c = apply(Context(8), p["context"], z)
        guess = plain.affine(p["predictor"]["out"], c).reshape(len(x), PIECES, HORIZON, -1)
        costs = [
            plain.info_nce(guess[here, t, k - 1], z[here, t + k], w["temperature"])
            for k in range(1, HORIZON + 1)
            for t in range(PIECES - k)
        ]
        terms[f"prediction_{m}"] = sum(costs) / len(costs)
    return terms


def fused(given, params):
    views = (given.encode(params["sensors"], seen) for seen in given.two_views())
    return [jnp.concatenate([*view.values()], axis=1)[given.any] for view in views]


def simclr(given, plain, params, w):
    z = [plain.perceptron(params["projector"], e) for e in fused(given, params)]
    return {"contrast": plain.nt_xent(*z, w["temperature"])}


def simsiam(given, plain, params, _):
    z = [plain.perceptron(params["projector"], e) for e in fused(given, params)]
    z = [plain.standard(x, 0, 1e-5) for x in z]
    q = [plain.perceptron(params["predictor"], x) for x in z]
    cosine = lambda a, b: (plain.unit(a) * plain.unit(jax.lax.stop_gradient(b))).sum(axis=1).mean()
    return {"distance": 1 - (cosine(q[0], z[1]) + cosine(q[1], z[0])) / 2}


def projected(given, plain, params):
    e = given.encode(params["sensors"], given.view())
    return e, {m: plain.perceptron(params["sensors"][m]["projector"], e[m]) for m in M}


def cmc(given, plain, params, w):
    _, z = projected(given, plain, params)
    of = lambda a, b, rows: plain.both_ways(z[a][rows], z[b][rows], w["temperature"])
    return {"contrast": sum(of(*pair) for pair in given.pairs())}


def gmc(given, plain, params, w):
    e, z = projected(given, plain, params)
    joint = plain.perceptron(params["joint"], jnp.concatenate([e["acc"], e["emg"]], axis=1))
    of = lambda m, here: plain.nt_xent(z[m][here], joint[here], w["temperature"])
    return {"contrast": sum(of(m, given.here[m]) for m in M)}


def cocoa(given, plain, params, w):
    """Every pair of a window's modalities, one and itself too, and other windows of each."""
    _, z = projected(given, plain, params)
    t, rows = w["temperature"], given.any.sum()
    apart = jnp.exp((1 - (plain.unit(z["acc"]) * plain.unit(z["emg"])).sum(1)) / t)
    ((_, _, both),) = given.pairs()
    positive = jnp.where(both, (2 + 2 * apart) / 4, 1)[given.any].sum() / rows
    negative = 0.0
    for m in M:
        x = z[m][given.here[m]]
        others = ~np.eye(len(x), dtype=bool)
        near = jnp.where(others, jnp.exp(plain.cosines(x, x) / t), 0)
        negative += near.sum() / (len(x) - 1) / rows
    return {"contrast": positive / 32 + 3.9e-3 * negative}


EQUATIONS = {
    f.__name__: f
    for f in (mae, autoencoder, joint_autoencoder, cpc, simclr, simsiam, cmc, gmc, cocoa)
}
IN_LOSS = ("cmc", "gmc", "cocoa")  # the temperature is an option of their loss
WARM = ("cpc", "simclr", *IN_LOSS)


@pytest.mark.parametrize("name", EQUATIONS)
def test_every_term_and_its_gradient_is_that_of_the_equation(small, plain, beside, name):
    modalities = small.modalities(2)
    if name == "cpc":
        shape = lambda x: (x.shape[0] // PIECES, x.shape[1])
        modalities = {m: x._replace(shape=shape(x)) for m, x in modalities.items()}
    given = beside.Given(small, name, modalities=modalities)

    def create(**knobs):
        knobs = {"loss": knobs} if knobs and name in IN_LOSS else knobs
        return small.create(name, augment=beside.VIEW, **knobs)

    def equation(params, knobs):
        terms = EQUATIONS[name](given, plain, params, knobs)
        return sum(terms.values()), terms

    warm = [{"temperature": t} for t in (0.3, 0.7)] if name in WARM else [{}]
    beside.check(given, create, equation, warm)


def test_an_embedding_of_cpc_is_the_mean_of_contexts(small):
    made = small.compiled("cpc")
    x, p = made.batch["inputs"]["acc"], made.params["sensors"]["acc"]
    front = sensors(
        small.options("cpc"), {"acc": small.modalities(1)["acc"]._replace(shape=(8, 3))}
    )

    @small.jit
    def mean(p, x):
        z = front.encode("acc", p["encoder"], x.reshape(-1, 8, 1, 3)).reshape(len(x), PIECES, -1)
        return apply(Context(8), p["context"], z).mean(axis=1)

    here = made.batch["present"]["acc"]
    found = made.embed(made.params, made.batch)["acc"]
    np.testing.assert_allclose(found[here], mean(p, x)[here], rtol=1e-4, atol=1e-5)

"""A method's loss beside an equation: of the same windows, draws and parameters."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.methods.sensors import named_key, sensors

KEY = jax.random.key(1)  # of the loss
VIEW = {  # as far from the window as its own values, and from another view
    "pool": ("jitter",), "probability": 1.0, "per": "batch", "options": {"jitter": {"std": 1.0}},
}  # fmt: skip
ROUNDING = 1e-3  # of float32, between two ways to the same number


class Given:
    """Windows some of which lack a sensor or all of them, and what encoders see of them.

    small: the fixture. name: of the method whose options the encoders have. modalities: as the
    encoders have them, where that is not as the windows are.
    """

    def __init__(self, small, name, count=2, *, modalities=None, **options):
        self.small, self.names = small, list(small.modalities(count))
        options = small.options(name, augment=VIEW, **options)
        self.front = sensors(options, modalities or small.modalities(count))
        some = np.arange(small.batch_size) % 7 > 0
        batch = small.batch(count)
        self.here = {m: p & some for m, p in batch["present"].items()}
        self.batch = batch | {"present": self.here}
        self.any = np.any([*self.here.values()], axis=0)
        self.inputs = {
            m: np.where(self.here[m][:, None, None], x, 0) for m, x in batch["inputs"].items()
        }

    def pairs(self):
        """Two modalities and the windows that have both."""
        for a, b in itertools.combinations(self.names, 2):
            yield a, b, self.here[a] & self.here[b]

    def whole(self):
        """The windows as they are."""
        return self.front.grids(self.inputs)

    def view(self):
        """The one augmented view."""
        return self.front.view(named_key(KEY, "view"), self.inputs)

    def two_views(self):
        """Two of them."""
        keys = jax.random.split(named_key(KEY, "views"))
        return [self.front.view(key, self.inputs) for key in keys]

    def hidden(self, m, ratio):
        """Patches that a masked autoencoder hides."""
        patching = self.front.backbones[m].patching
        return patching.draw_mask(named_key(KEY, "masks", m), len(self.any), ratio)

    def encode(self, params, seen):
        """Embeddings, zeros of what is absent."""
        of = lambda m: self.front.encode(m, params[m]["encoder"], seen[m])
        return {m: jnp.where(self.here[m][:, None], of(m), 0) for m in self.names}

    def decoded(self, params, m, code, seen, asked=None):
        """Of the windows that are there: what is decoded, what it should be, what is asked for."""
        patching, here = self.front.backbones[m].patching, self.here[m]
        guess = self.front.decode(m, params[m]["decoder"], code)[here]
        asked = np.ones(guess.shape[:3], bool) if asked is None else asked[here]
        return guess, patching.patchify(seen[m])[here], asked


def program(given, create, equation):
    """`(**knobs)` -> ((value, terms), gradient) of the loss and of the equation.

    create: (**knobs) -> method. equation: (params, knobs) -> (scalar, {term: scalar}). The knobs
    are numbers; "progress" is that of the batch. Parameters are random, zeros would hide much.
    """

    def loss(params, knobs):
        knobs = dict(knobs)
        batch = given.batch | {"progress": knobs.pop("progress", 1.0)}
        total, aux = create(**knobs).loss({"params": params}, batch, KEY)
        return total, aux["metrics"]

    def sides(f):
        return given.small.jit(jax.value_and_grad(f, has_aux=True))

    found, wanted = sides(loss), sides(equation)  # apart, so that each is compiled when it changes

    def asked(**knobs):
        knobs = {name: np.float32(x) for name, x in knobs.items()}
        with jax.numpy_rank_promotion("allow"):
            want = wanted(params, knobs)
        return jax.device_get((found(params, knobs), want))

    params = given.small.all_random(jax.eval_shape(create().init, KEY, given.batch)["params"])
    if "log_scale" in params:
        params["log_scale"] = np.float32(1.5)  # between its bounds
    return asked


def agree(found, wanted):
    """Asserts that values are, each term of the equation, and the gradient by each parameter."""
    (value, terms), slopes = found
    (want, parts), want_slopes = wanted
    for name, part in parts.items():
        np.testing.assert_allclose(terms[name], part, rtol=ROUNDING, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(value, want, rtol=ROUNDING)
    largest = max(np.abs(x).max() for x in jax.tree.leaves(want_slopes))
    assert largest > 0
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=10 * ROUNDING, atol=ROUNDING * largest),
        slopes, want_slopes,
    )  # fmt: skip


def check(given, create, equation, runs=({},)):
    """Asserts that they agree at the knobs of each run, and that no two runs cost the same."""
    asked, values = program(given, create, equation), []
    for knobs in runs:
        found, wanted = asked(**knobs)
        agree(found, wanted)
        values.append(float(found[0][0]))
    assert all(abs(a - b) > 1e-3 * abs(a) for a, b in itertools.combinations(values, 2))

"""CroSSL on signals made for it: one amplitude that all sensors share, one that each keeps.

Sensor m is shared * sin(2 pi f_m t + phase) + own_m * sin(2 pi g_m t + phase') + noise, of one
channel and 48 samples.
"""

import functools
import warnings
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from mmalign import methods, training
from mmalign.methods import JOINT

pytestmark = pytest.mark.slow
SENSORS, SAMPLES, TRAIN, TEST, BATCH = 3, 48, 2048, 1024, 128
NAMES = tuple(f"sensor_{m}" for m in range(SENSORS))
# CroSSL's encoder, a third as wide and with strides
ENCODER = {"name": "conv", "dim": 32, "kernels": (12, 8, 4), "strides": (2, 2, 1),
           "maskable": False}  # fmt: skip


def windows(rng, n):
    """({sensor: [n, SAMPLES, 1]}, amplitudes [n, 1 + SENSORS], the shared one first)."""
    amplitudes, t = rng.uniform(0.2, 2, (n, 1 + SENSORS)), np.arange(SAMPLES)

    def wave(frequency, amplitude):
        phase = 2 * np.pi * rng.random((n, 1))
        return amplitude[:, None] * np.sin(2 * np.pi * frequency * t + phase)

    out = {}
    for m, name in enumerate(NAMES):
        x = wave(0.05 + 0.03 * m, amplitudes[:, 0]) + wave(0.22 + 0.05 * m, amplitudes[:, 1 + m])
        x += 0.1 * rng.normal(size=x.shape)
        out[name] = x[..., None].astype(np.float32)
    return out, amplitudes


def fitted(z, y):
    """Least squares with an intercept: z -> prediction of y.

    Directions in which z hardly varies are left out: the final LayerNorm makes features linearly
    dependent up to rounding, and huge weights there would ruin every change of input.
    """
    wide = lambda z: np.concatenate([z, np.ones((len(z), 1))], axis=1)
    weights = np.linalg.lstsq(wide(z), y, rcond=1e-3)[0]
    return lambda z: wide(z) @ weights


def r2(guess, y):
    return 1 - ((guess - y) ** 2).mean(axis=0) / y.var(axis=0)


def trained(epochs, **changes):
    """`std` over samples of z, `r2` of each amplitude, and the same with one sensor missing."""
    rng = np.random.default_rng(0)
    (x, y), (x_test, y_test) = windows(rng, TRAIN), windows(rng, TEST)
    config = {"name": "crossl", "encoder": ENCODER, "head_input": "global", **changes}
    modality = methods.Modality("series", (SAMPLES, 1), 1.0)
    method = methods.create(config, dict.fromkeys(NAMES, modality))

    def prepare(data, rows):
        everyone = dict.fromkeys(NAMES, np.ones(BATCH, bool))
        return {"inputs": {m: v[rows["row"]] for m, v in data.items()}, "present": everyone}

    def rows_at(step):
        epoch, at = divmod(step, TRAIN // BATCH)
        order = np.random.default_rng([1, epoch]).permutation(TRAIN).astype(np.int32)
        return {"row": order[at * BATCH : (at + 1) * BATCH]}

    steps, mesh = epochs * TRAIN // BATCH, training.data_mesh(jax.devices()[:1])
    tx = training.make_optimizer({"lr": 2e-3, "warmup_steps": 16}, steps)
    batch = jax.eval_shape(prepare, x, rows_at(0))
    init = functools.partial(
        training.init_state, method.init, tx, training.stream_key(0, "init"), batch, mesh=mesh
    )
    step = training.make_train_step(method.loss, tx, prepare, num_steps=steps)
    params = training.train(
        init, step, training.with_key(x, 0, "crossl"), training.drawn(rows_at, mesh), steps,
        mesh=mesh, record=training.Record("crossl", steps, log_every=16, watches=method.watches),
    ).params  # fmt: skip

    @jax.jit
    def embed(x, present):
        return method.embed({"params": params}, {"inputs": x, "present": present})[JOINT]

    def z(x, missing=None):
        n = len(x[NAMES[0]])
        return np.asarray(embed(x, {m: np.full(n, m != missing) for m in NAMES}))

    complete = z(x)
    ask = fitted(complete, y)
    return SimpleNamespace(
        std=complete.std(axis=0).mean(),
        r2=r2(ask(z(x_test)), y_test),
        without=np.mean([r2(ask(z(x_test, m)), y_test)[0] for m in NAMES]),
    )


@pytest.fixture(scope="module")
def masked():
    with warnings.catch_warnings():  # the plateau of mask patterns may come and go
        warnings.simplefilter("ignore")
        return trained(30, mask={"keep_prob": 0.5})


@pytest.fixture(scope="module")
def unmasked():
    return trained(12, mask={"strategy": "none"})


def test_masked_views_keep_what_is_shared_and_drop_what_is_private(masked):
    assert masked.std > 0.5
    assert masked.r2[0] > 0.95
    assert (masked.r2[1:] < 0.1).all()


def test_without_masks_what_is_private_stays(unmasked):
    assert (unmasked.r2[1:] > 0.5).all()


def test_masked_views_prepare_for_missing_sensors(masked, unmasked):
    assert masked.without > max(unmasked.without, 0) + 0.1


def test_without_the_variance_term_embeddings_collapse_and_the_user_is_told():
    with pytest.warns(UserWarning, match=r"'crossl': z_std_complete is .* below 0.01: .*collapse"):
        out = trained(3, mask={"keep_prob": 0.7}, loss={"variance": 0.0})
    assert out.std < 0.01

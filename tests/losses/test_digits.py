"""Small losses keep their digits: float32 against float64, where log-sum-exp minus positive fails.

Temperature 0.03 and well-aligned pairs, as late in a training.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses

ROWS, COLD = 64, 0.03
AS_USERS = {  # run it; elsewhere tests compile as quickly as they can
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
}
if jax.__version_info__ < (0, 11):  # later ones have no other emitters
    AS_USERS["xla_cpu_use_fusion_emitters"] = True


def _pairs_as_labels(z_a, z_b, **knobs):
    return losses.supcon([z_a, z_b], jnp.arange(len(z_a)), **knobs)


def _clip(z_a, z_b, temperature, **knobs):
    return losses.clip(z_a, z_b, -jnp.log(temperature), **knobs)


LOSSES = {
    "info_nce": losses.info_nce,
    "one_way": functools.partial(losses.info_nce, symmetric=False),
    "nt_xent": losses.nt_xent,
    "clip": _clip,
    "debiased": functools.partial(losses.debiased, prior=0.0),
    "hard_negative": functools.partial(losses.hard_negative, prior=0.0, own_view=False),
    "cmc": lambda z_a, z_b, **knobs: losses.cmc([z_a, z_b], **knobs),
    "gmc": lambda z_a, z_b, **knobs: losses.gmc([z_a], z_b, **knobs),
    "comm": lambda z_a, z_b, **knobs: losses.comm([z_a, z_a], [z_b, z_b], **knobs),
    "supcon": _pairs_as_labels,
    "weighted_supcon": lambda z_a, z_b, **knobs: losses.weighted_supcon([z_a, z_b], **knobs),
    "cocoa": lambda z_a, z_b, **knobs: losses.cocoa([z_a, z_b], form="ratio", **knobs),
}


def _pairs():
    rng = np.random.default_rng(3)
    z_a = rng.standard_normal((ROWS, 128)).astype(np.float32)
    noise = np.linspace(0.7, 2.5, ROWS)[:, None].astype(np.float32)
    return z_a, z_a + noise * rng.standard_normal((ROWS, 128)).astype(np.float32)


@functools.cache
def _in_float64(loss):
    with jax.enable_x64(True):
        run = jax.jit(_value_and_row_grads, static_argnums=0)
        return jax.device_get(run(loss, *(z.astype(np.float64) for z in _pairs())))


def _value_and_row_grads(loss, z_a, z_b, tile=None):
    def one(row, i):  # gradient of a row's own loss, not swamped by those of large ones
        return loss(z_a.at[i].set(row), z_b, temperature=COLD, tile=tile)[i]

    return jax.lax.map(lambda i: jax.value_and_grad(one)(z_a[i], i), jnp.arange(ROWS))


@pytest.mark.parametrize("tile", [None, 24], ids=["plain", "tiled"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_loss_and_gradient_keep_five_digits_down_to_1e7th(loss, tile):
    run = functools.partial(_value_and_row_grads, loss, tile=tile)
    got, grads = jax.device_get(jax.jit(run, compiler_options=AS_USERS)(*_pairs()))
    want, want_grads = _in_float64(loss)
    assert want.min() < 1e-6
    assert want.max() > 0.01
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * 1e-7)
    error = np.linalg.norm(grads - want_grads, axis=1)
    assert (error <= 1e-5 * np.maximum(np.linalg.norm(want_grads, axis=1), 1e-7)).all()

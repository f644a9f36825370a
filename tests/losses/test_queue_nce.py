import jax
import numpy as np
import pytest

from mmalign import losses

queue_nce = jax.jit(losses.queue_nce, static_argnames=("tile", "normalise"))


@pytest.mark.parametrize("tile", [None, 2])
def test_equals_the_loop_written_from_the_equation(rng, vectors, tile):
    """He et al., eq. 1, over the slots that are filled."""
    query, key, queue = (rng.standard_normal((n, 3)) for n in (4, 4, 6))
    filled = np.arange(6) % 3 != 1
    spoilt = np.where(filled[:, None], queue, np.nan)
    with jax.enable_x64(True):
        for normalise in (True, False):
            size = lambda z, on=normalise: np.linalg.norm(z, axis=1, keepdims=True) if on else 1
            q, k, old = (z / size(z) for z in (query, key, queue[filled]))
            own = np.exp(np.sum(q * k, axis=1) / 0.3)
            want = -np.log(own / (own + np.exp(q @ old.T / 0.3).sum(axis=1)))
            knobs = {"temperature": 0.3, "normalise": normalise, "tile": tile}
            got = queue_nce(query, key, spoilt, queue_where=filled, **knobs)
            np.testing.assert_allclose(got, want, rtol=1e-10)
        got = queue_nce(*vectors, temperature=0.5, tile=tile)
    np.testing.assert_allclose(got, [1.30768008, 1.37191588, 1.02890175], atol=1e-8)


def test_only_the_query_gets_a_gradient_and_chance_is_log_of_the_candidates(rng):
    z = np.ones((3, 4), np.float32)
    np.testing.assert_allclose(queue_nce(z, z, np.ones((9, 4), np.float32)), np.log(10), rtol=1e-6)
    arrays = [rng.standard_normal((n, 4)).astype(np.float32) for n in (3, 3, 5)]
    of = lambda *arrays: losses.queue_nce(*arrays).sum()
    grads = jax.jit(jax.grad(of, argnums=(0, 1, 2)))(*arrays)
    assert np.abs(grads[0]).max() > 0
    np.testing.assert_array_equal(grads[1], 0)
    np.testing.assert_array_equal(grads[2], 0)


def test_a_queue_that_does_not_fit_is_named():
    z = np.ones((3, 4), np.float32)
    with pytest.raises(ValueError, match=r"queue must be \[slots, dim\] with dim = 4"):
        losses.queue_nce(z, z, np.ones((5, 3), np.float32))
    with pytest.raises(ValueError, match=r"queue_where must be of shape \[3\], got \[2\]"):
        losses.queue_nce(z, z, z, queue_where=np.ones(2, bool))

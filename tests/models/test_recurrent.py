import jax
import jax.numpy as jnp
import numpy as np

from mmalign.models import Context


def test_a_context_has_seen_the_tokens_up_to_its_own_and_no_others():
    rng, context = np.random.default_rng(0), Context(6)
    x = rng.normal(size=(3, 5, 4)).astype(np.float32)
    shapes = jax.eval_shape(context.init, jax.random.key(0), x)
    variables = jax.tree.map(lambda p: rng.normal(size=p.shape).astype(np.float32), shapes)
    changed = x.copy()
    changed[:, 2] += 1
    run = jax.jit(lambda x: context.apply(variables, x))
    before, after = (run(z) for z in (x, changed))
    assert before.shape == (3, 5, 6) and before.dtype == jnp.float32
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert (np.abs(before - after)[:, 2:].max(axis=-1) > 1e-3).all()

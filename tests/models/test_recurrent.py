import jax
import jax.numpy as jnp
import numpy as np

from mmalign.models import Context


def test_a_context_has_seen_the_tokens_up_to_its_own_and_no_others():
    context, x = Context(6), jax.random.normal(jax.random.key(0), (3, 5, 4))
    variables = context.init(jax.random.key(1), x)
    before, after = (context.apply(variables, z) for z in (x, x.at[:, 2].add(1.0)))
    assert before.shape == (3, 5, 6) and before.dtype == jnp.float32
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert (np.abs(before - after)[:, 2:].max(axis=-1) > 1e-3).all()

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.models.heads import Linear, Projector


def test_projector_is_two_layers_with_a_relu():
    z = jax.random.normal(jax.random.key(0), (3, 4, 5))
    head = Projector(7, 2)
    variables = head.init(jax.random.key(1), z)
    p = jax.tree.map(np.asarray, variables["params"])
    hidden = np.maximum(z @ p["hidden"]["kernel"] + p["hidden"]["bias"][None, None], 0)
    want = hidden @ p["out"]["kernel"] + p["out"]["bias"]
    np.testing.assert_allclose(head.apply(variables, z), want, atol=1e-5)


def test_results_are_float32_whatever_the_computation():
    z = jnp.ones((2, 4), jnp.bfloat16)
    for head in (Projector(4, 3, dtype=jnp.bfloat16), Linear(3)):
        variables = head.init(jax.random.key(0), z)
        assert head.apply(variables, z).dtype == jnp.float32
        assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype("float32")}

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.models.heads import Classifier, Expander, Linear, Projector


def test_projector_is_two_layers_with_a_relu():
    rng = np.random.default_rng(0)
    z, head = rng.normal(size=(3, 4, 5)).astype(np.float32), Projector(7, 2)
    shapes = jax.eval_shape(head.init, jax.random.key(0), z)["params"]
    p = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32), shapes)
    hidden = np.maximum(z @ p["hidden"]["kernel"] + p["hidden"]["bias"], 0)
    want = hidden @ p["out"]["kernel"] + p["out"]["bias"]
    np.testing.assert_allclose(jax.jit(head.apply)({"params": p}, z), want, rtol=1e-4, atol=1e-4)


def test_results_are_float32_whatever_the_computation():
    z = jax.ShapeDtypeStruct((2, 4), jnp.bfloat16)
    for head in (Projector(4, 3, dtype=jnp.bfloat16), Linear(3)):
        y, variables = jax.eval_shape(head.init_with_output, jax.random.key(0), z)
        assert y.dtype == jnp.float32
        assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_classifiers_of_any_depth_have_the_published_counts():
    """MMBind's fusion classifiers; of UTD less scale and shift of its batch normalisation."""
    for hidden, width, classes, published in (
        ((1920,), 3840, 7, 7_388_167), ((1280, 128), 5760, 27, 7_544_347 - 2 * (1280 + 128)),
        ((), 4, 3, 15),
    ):  # fmt: skip
        x = jax.ShapeDtypeStruct((2, width), "float32")
        made = jax.eval_shape(Classifier(hidden, classes).init, jax.random.key(0), x)
        assert sum(p.size for p in jax.tree.leaves(made)) == published


def test_the_expander_ends_in_a_linear_map_without_bias():
    expand = Expander((12, 9, 5))
    x = jax.ShapeDtypeStruct((4, 3), "float32")
    z, variables = jax.eval_shape(expand.init_with_output, jax.random.key(0), x)
    assert z.shape == (4, 5)
    assert set(variables["params"]["out"]) == {"kernel"}

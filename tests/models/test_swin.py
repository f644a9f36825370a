import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from mmalign.models.backbone import backbone

PUBLISHED = [  # preset, size, channels, parameters of the encoder
    ("mod_acoustic", (10, 1600), 2, 6_223_456),
    ("mod_seismic", (10, 20), 2, 5_020_384),
    ("har", (9, 50), 6, 1_021_048),
    ("pamap2", (9, 40), 6, 818_776),
]
TINY = {"width": 8, "depths": (2, 2), "heads": 2, "dim": 8, "patch": (1, 2)}


def shapes(module, *arrays):
    return jax.eval_shape(module.init, jax.random.key(0), *arrays)["params"]


def count(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


@functools.cache
def encoder_count(preset, size, channels, **options):
    """Without the mask token, which the published counts leave out."""
    model = backbone("swin", size, channels, preset=preset, **options)
    params = shapes(model.encoder, jax.ShapeDtypeStruct((1, *size, channels), "float32"))
    return count(params) - count(params["mask_token"])


@pytest.mark.parametrize(("preset", "size", "channels", "parameters"), PUBLISHED)
def test_encoders_count_what_is_published(preset, size, channels, parameters):
    assert encoder_count(preset, size, channels, position_parameter=True) == parameters
    model = backbone("swin", size, channels, preset=preset)
    unused = np.prod(model.patching.grid) * model.encoder.width
    assert encoder_count(preset, size, channels) == parameters - unused


def test_the_position_parameter_is_never_read():
    size = (6, 12)
    model = backbone("swin", size, 2, position_parameter=True, **TINY)
    params = shapes(model.encoder, jnp.zeros((1, *size, 2)))
    assert params["position"].shape == (6, 6, 8)
    assert "position" not in shapes(
        backbone("swin", size, 2, **TINY).encoder, jnp.zeros((1, *size, 2))
    )


def test_drop_path_grows_in_equal_steps():
    model = backbone("swin", (6, 12), 2, **{**TINY, "depths": (1, 2)}, drop_path=0.1)
    seen = []

    def note(next_fun, args, kwargs, context):
        if type(context.module).__name__ == "SwinBlock" and context.method_name == "__call__":
            seen.append(context.module.drop_path)
        return next_fun(*args, **kwargs)

    with nn.intercept_methods(note):
        shapes(model.encoder, jnp.zeros((1, 6, 12, 2)))
    np.testing.assert_allclose(seen, [0, 0.05, 0.1])

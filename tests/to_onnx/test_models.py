"""Every family of encoders is an ONNX model of the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import to_onnx
from mmalign.models import apply, backbone
from mmalign.models.backbone import _FAMILIES

pytest.importorskip("onnx", reason="of the extra `onnx`, which is not installed")
runtime = pytest.importorskip("onnxruntime", reason="of the extra `test`, which is not installed")
ENCODERS = [
    ("alexnet", (48, 48), 3, {"preset": "small", "dim": 8}),
    ("causal_conv", (32, 1), 3, {}),
    ("compact", (50, 1), 3, {"statistics": 8, "width": 4, "depth": 2, "dim": 8}),
    ("conv", (60, 1), 3, {"dim": 8}),
    ("deep_conv_lstm", (40, 1), 3, {"filters": (8,), "dim": 8, "layers": 1}),
    ("deepsense", (4, 20), 6, {"depth": 1, "width": 8, "dim": 8}),
    ("gru", (12, 1), 3, {}),
    ("imu", (60, 1), 3, {"width": 8, "dim": 32}),
    ("mlp", (9, 1), 1, {}),
    ("resnet", (32, 32), 3, {"width": 8, "blocks": (1, 1), "dim": 16}),
    ("small_conv2d", (28, 28), 1, {"dim": 8}),
    ("swin", (8, 16), 3, {"width": 8, "depths": (2, 1), "dim": 8}),
    ("transformer", (16, 1), 3, {"width": 8, "depth": 1, "dim": 8}),
]


def test_every_family_is_here():
    assert {name for name, *_ in ENCODERS} == set(_FAMILIES)


@pytest.mark.parametrize(("name", "size", "channels", "options"), ENCODERS)
def test_an_encoder_finds_the_same(name, size, channels, options, rng):
    encoder, shape = backbone(name, size, channels, **options).encoder, (*size, channels)
    shapes = jax.eval_shape(encoder.init, jax.random.key(0), jnp.zeros((1, *shape)))["params"]
    # of about the scale that they are drawn with, none of them zero
    scale = lambda s: 0.5 * np.prod(s.shape[:-1], initial=4.0) ** -0.5
    params = jax.tree.map(
        lambda s: (scale(s) * rng.standard_normal(s.shape)).astype(np.float32), shapes
    )
    call = lambda given: {"pooled": apply(encoder, params, given["x"])["pooled"]}
    x = rng.standard_normal((3, *shape)).astype(np.float32)
    session = runtime.InferenceSession(to_onnx.convert(call, {"x": (shape, np.float32)}))
    (found,) = session.run(None, {"x": x})
    want = jax.jit(call)({"x": x})["pooled"]
    assert np.abs(want).max() > 0.01
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)

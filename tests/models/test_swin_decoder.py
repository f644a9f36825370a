import jax
import jax.numpy as jnp
import numpy as np

from mmalign.models.patches import Patching
from mmalign.models.swin_decoder import SwinDecoder, interleave
from mmalign.models.window_attention import Layers


def test_sub_tokens_unfold_where_their_token_was():
    # Token t holds the sub-tokens 4t, 4t+1 (upper row) and 4t+2, 4t+3 (lower row).
    x = np.arange(16).reshape(1, 2, 2, 4)
    want = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(interleave(x)[0, ..., 0], want)


def test_widths_of_sub_tokens_stay_together():
    x = np.arange(8).reshape(1, 1, 1, 8)
    np.testing.assert_array_equal(interleave(x)[0], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]])


def test_layers_and_widths_follow_the_encoder_backwards():
    patching = Patching((10, 20), (1, 1), (3, 3), (12, 12))
    decoder = SwinDecoder(patching, 2, Layers((3, 3), heads=4), width=16)
    init = lambda key: decoder.init(key, jnp.zeros((1, 5)))["params"]
    p = jax.tree.map(lambda x: x.shape, jax.eval_shape(init, jax.random.key(0)))
    assert p["unfold"]["kernel"] == (5, 3 * 6 * 64)
    assert p["expand_0"] == {
        "expand": {"kernel": (64, 128)},
        "norm": {"scale": (32,), "bias": (32,)},
    }
    assert p["expand_1"]["expand"]["kernel"] == (32, 64)
    assert p["stage_0"]["block_1"]["mlp_in"]["kernel"] == (32, 128)
    assert p["stage_1"]["block_1"]["mlp_in"]["kernel"] == (16, 64)
    assert p["head"]["kernel"] == (16, 16) and p["out"]["kernel"] == (16, 2)

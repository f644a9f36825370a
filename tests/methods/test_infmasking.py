"""InfMasking: which tokens its masks leave, and what stands for the others."""

import jax
import numpy as np
import pytest

from mmalign.methods.comm_network import Tokens, network
from mmalign.methods.infmasking import drawn_masks
from mmalign.methods.sensors import sensors

KEY = jax.random.key(5)


@pytest.mark.parametrize(
    ("ratio", "stay"),
    [
        (0.5, (0, 2, 5, 8, 12, 16, 18, 25, 64)),
        (0.7, (0, 1, 3, 4, 7, 9, 10, 15, 38)),
        (0.8, (0, 0, 1, 3, 4, 6, 7, 9, 25)),
    ],
)
def test_masks_leave_as_many_tokens_of_a_modality_as_published(ratio, stay):
    sizes = (1, 5, 10, 16, 24, 32, 36, 50, 128)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    masks = np.asarray(drawn_masks(KEY, owner, 2, 3, ratio))
    for i, count in enumerate(stay):
        assert (masks[..., owner == i].sum(axis=-1) == count).all()
    least = np.asarray(drawn_masks(KEY, owner, 2, 3, ratio, least=3))
    for i, (count, size) in enumerate(zip(stay, sizes)):
        assert (least[..., owner == i].sum(axis=-1) == min(max(count, 3), size)).all()


def test_every_token_stays_as_often_and_draws_differ():
    owner = np.repeat([0, 1], [10, 4])
    masks = np.asarray(drawn_masks(KEY, owner, 4, 2000, 0.7))
    np.testing.assert_allclose(masks[..., :10].mean(axis=(0, 1)), 0.3, atol=0.02)
    np.testing.assert_allclose(masks[..., 10:].mean(axis=(0, 1)), 0.25, atol=0.02)
    assert len({mask.tobytes() for mask in masks}) == 4
    assert len({row.tobytes() for row in masks[0]}) > 100
    apart = np.corrcoef(masks[0, :, 0], masks[0, :, 10])[0, 1]
    assert abs(apart) < 0.1  # modalities are drawn apart


def test_a_learned_token_stands_for_each_that_is_hidden(small):
    """Three tokens of four hidden are three of the learned one, not one of it."""
    front = sensors(small.options("infmasking"), small.modalities(2))
    net = network(front, small.modalities(2), width=8, depth=1, heads=2, converter=None,
                  head=(12, 10), replaced=False, token=True)  # fmt: skip
    rng = np.random.default_rng(0)
    params = small.all_random(jax.eval_shape(net.init, KEY, small.batch()))
    x, kept = rng.normal(size=(3, 4, 8)).astype(np.float32), np.array([[1, 0, 0, 0]] * 3, bool)
    tokens = Tokens(x, np.ones((3, 4), bool), np.array([0, 0, 1, 1]))
    stood_in = tokens._replace(x=np.where(kept[..., None], x, params["mask_token"]))
    found = net.read(params, tokens, kept, ~kept)
    np.testing.assert_allclose(found, net.read(params, stood_in, tokens.mask), atol=1e-5)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("weight must be 5 numbers", {"weight": (1.0, 1.0, 1.0)}),
        ("got 0, 0, 1.0 and 0.5", {"draws": 0}),
        ("and 1.0", {"mask_ratio": 1.0}),
        ("method.against must be 'same' or 'other', got 'cross'", {"against": "cross"}),
    ],
)
def test_what_does_not_fit_is_named(small, message, changes):
    with pytest.raises(ValueError, match=message):
        small.create("infmasking", **changes)

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models.patches import Patching

ACOUSTIC = Patching((10, 1600), (1, 40), (3, 3), (12, 480))
SEISMIC = Patching((10, 20), (1, 1), (3, 3), (12, 12))
HAR = Patching((9, 50), (1, 2), (3, 3), (12, 24))
SMALL = Patching((5, 7), (1, 2), (2, 2), (2, 4))


@functools.partial(jax.jit, static_argnums=(0, 2, 3, 4))
def draw(patching, key, batch, ratio, include_padding=False):
    return patching.draw_mask(key, batch, ratio, include_padding=include_padding)


@pytest.mark.parametrize(
    ("patching", "padded", "grid", "masked", "masked_real"),
    [
        (ACOUSTIC, (12, 1920), (12, 48), 48, 42),
        (SEISMIC, (12, 24), (12, 24), 24, 21),
        (HAR, (12, 72), (12, 36), 36, 20),
    ],
)
def test_published_grids_and_mask_counts(patching, padded, grid, masked, masked_real):
    assert patching.padded == padded and patching.grid == grid
    key = jax.random.key(0)
    both = jax.jit(
        lambda key: [patching.draw_mask(key, 5, 0.75, include_padding=i) for i in (True, False)]
    )
    for drawn, want in zip(map(np.asarray, both(key)), (masked, masked_real)):
        assert drawn.shape == (5, *grid) and drawn.dtype == bool
        blocks = drawn.reshape(5, grid[0] // 3, 3, grid[1] // 3, 3)
        np.testing.assert_array_equal(blocks.any((2, 4)), blocks.all((2, 4)))
        np.testing.assert_array_equal(blocks.all((2, 4)).sum((1, 2)), want)


def test_valid_patches_are_those_with_a_real_cell():
    want = np.zeros((6, 4), bool)
    want[:5] = True  # 7 columns end in the middle of the fourth patch
    np.testing.assert_array_equal(SMALL.valid, want)
    assert HAR.valid.sum() == 9 * 25


def test_blocks_without_a_real_cell_are_never_drawn_by_default():
    patching = Patching((9, 50), (1, 2), (3, 3), (12, 24))
    drawn = np.asarray(draw(patching, jax.random.key(1), 50, 1.0))
    np.testing.assert_array_equal(drawn[:, 9:], False)
    np.testing.assert_array_equal(drawn[:, :9, :27], True)  # 25 real patches and the block's rest
    np.testing.assert_array_equal(drawn[:, :, 27:], False)
    assert np.asarray(draw(patching, jax.random.key(1), 2, 1.0, True)).all()


def test_every_block_is_drawn_equally_often_and_rows_differ():
    drawn = np.asarray(draw(SEISMIC, jax.random.key(2), 4000, 0.5))
    share = drawn[:, ::3, ::3].mean(0)[:, :7]  # 4 x 7 blocks hold a real cell
    np.testing.assert_allclose(share, 0.5, atol=0.04)
    assert len(np.unique(drawn.reshape(4000, -1), axis=0)) > 3900


def test_the_number_of_hidden_blocks_is_the_floor():
    patching = Patching((100, 1), (1, 1), (1, 1), (1, 1))
    hidden = {0.0: 0, 0.29: 29, 0.999: 99, 1.0: 100}
    drawn = jax.jit(lambda key: [patching.draw_mask(key, 3, ratio) for ratio in hidden])
    for found, want in zip(drawn(jax.random.key(3)), hidden.values()):
        np.testing.assert_array_equal(np.asarray(found).sum((1, 2)), want)


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (7, 9)])
def test_any_size_is_cut_and_of_one_patch_half_is_none(size):
    patching = Patching(size, (4, 4) if size == (7, 9) else (1, 1), (1, 1), (4, 4))
    drawn = np.asarray(draw(patching, jax.random.key(3), 3, 0.5))
    np.testing.assert_array_equal(drawn.sum((1, 2)), patching.valid.sum() // 2)


def test_patchify_lays_a_patch_out_row_by_row_and_pads_with_zeros():
    patching = Patching((2, 3), (2, 2), (1, 1), (2, 2))
    x = jnp.arange(6.0).reshape(1, 2, 3, 1)
    want = [[[[0, 1, 3, 4], [2, 0, 5, 0]]]]
    np.testing.assert_array_equal(patching.patchify(x), want)


def test_unpatchify_undoes_patchify_and_cells_of_a_mask_are_those_of_its_patches(rng):
    x = rng.normal(size=(3, 5, 7, 2)).astype(np.float32)
    masked = rng.random((3, 6, 4)) < 0.5

    @jax.jit
    def there_and_back(x, masked):
        patches = SMALL.patchify(x)
        hidden = SMALL.unpatchify(jnp.where(masked[..., None], jnp.nan, patches))
        return patches, SMALL.unpatchify(patches), hidden, SMALL.cells(masked)

    patches, back, hidden, cells = there_and_back(x, masked)
    assert patches.shape == (3, 6, 4, SMALL.values(2))
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(cells, np.isnan(hidden[..., 0]))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"ratio must lie in \[0, 1\], got 1.5"):
        SMALL.draw_mask(jax.random.key(0), 2, 1.5)
    with pytest.raises(ValueError, match=r"multiple=\(3, 4\) must hold whole mask blocks"):
        _ = SMALL._replace(multiple=(3, 4)).grid
    with pytest.raises(ValueError, match=r"need \[batch, 5, 7, channels\], got \(1, 7, 5, 2\)"):
        SMALL.patchify(jnp.zeros((1, 7, 5, 2)))
    with pytest.raises(ValueError, match=r"need \[batch, 6, 4, a multiple of 2\]"):
        SMALL.unpatchify(jnp.zeros((1, 6, 4, 3)))

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.models.window_attention import (
    Layers,
    SwinBlock,
    SwinStage,
    WindowAttention,
    fit_window,
    merge,
    partition,
    region_bias,
    relative_index,
)


def test_merge_undoes_partition(rng):
    x = rng.normal(size=(2, 6, 10, 3))
    windows = partition(x, (3, 5))
    assert windows.shape == (2, 4, 15, 3)
    np.testing.assert_array_equal(windows[0, 1], x[0, :3, 5:].reshape(15, 3))
    np.testing.assert_array_equal(merge(windows, (3, 5), (6, 10)), x)


def test_the_bias_depends_on_the_offset_alone():
    h, w = window = (2, 3)
    index, offsets = relative_index(window), {}
    assert index.min() == 0 and index.max() == (2 * h - 1) * (2 * w - 1) - 1
    for i in range(h * w):
        for j in range(h * w):
            offset = (i // w - j // w, i % w - j % w)
            assert offsets.setdefault(offset, index[i, j]) == index[i, j]
    assert len(set(offsets.values())) == len(offsets) == (2 * h - 1) * (2 * w - 1)


def test_after_the_roll_only_former_neighbours_see_each_other():
    grid, window, shift = (6, 6), (3, 3), (1, 1)
    bias = region_bias(grid, window, shift)
    place = np.stack(np.meshgrid(range(6), range(6), indexing="ij"), -1)[None]
    place = partition(np.roll(place, (-1, -1), (1, 2)), window)[0]  # where each token came from
    apart = np.abs(place[:, :, None] - place[:, None]).max(-1)
    np.testing.assert_array_equal(bias == 0, apart < 3)
    assert set(np.unique(bias)) == {-100.0, 0.0}


@pytest.mark.parametrize(
    ("grid", "window", "want"),
    [
        ((12, 48), (3, 3), ((3, 3), (1, 1))),
        ((3, 12), (3, 3), ((3, 3), (0, 0))),  # as high as the window: no roll along the other axis
        ((2, 10), (3, 5), ((2, 5), (0, 0))),
        ((12, 20), (3, 5), ((3, 5), (1, 2))),
    ],
)
def test_windows_shrink_to_the_grid_and_roll_on_both_axes_or_none(grid, window, want):
    assert fit_window(grid, window, shifted=True) == want
    assert fit_window(grid, window, shifted=False) == (want[0], (0, 0))


def test_a_grid_that_does_not_divide_is_refused():
    with pytest.raises(
        ValueError, match=r"\(6, 7\) tokens does not divide into windows of \(3, 3\)"
    ):
        fit_window((6, 7), (3, 3), shifted=True)


def stage_with_and_without_shifting(grid, rng):
    x = rng.normal(size=(1, *grid, 8)).astype(np.float32)
    stages = [SwinStage(Layers((3, 3), 4), (0.0, 0.0), shifting=s) for s in (True, False)]
    shapes = jax.eval_shape(lambda key: stages[0].init(key, x, train=False), jax.random.key(0))
    variables = jax.tree.map(lambda p: rng.normal(size=p.shape).astype(np.float32), shapes)
    return jax.jit(lambda v: [s.apply(v, x, train=False) for s in stages])(variables)


def test_the_last_mod_stage_never_shifts(rng):
    np.testing.assert_array_equal(*stage_with_and_without_shifting((3, 12), rng))


def test_larger_grids_shift(rng):
    shifted, plain = stage_with_and_without_shifting((6, 6), rng)
    assert np.abs(shifted - plain).max() > 1e-3


def test_a_shifted_block_lets_former_neighbours_alone_see_each_other(rng):
    """Rows 0, 1 to 3, 4 to 5, and so columns: the first and the last share a window, rolled."""
    block, x = SwinBlock(Layers((3, 3), 2), shifted=True), rng.normal(size=(1, 6, 6, 4))
    x = x.astype(np.float32)
    shapes = jax.eval_shape(lambda key: block.init(key, x, train=False), jax.random.key(0))
    variables = jax.tree.map(lambda p: rng.normal(size=p.shape).astype(np.float32), shapes)
    part, tokens = np.array([0, 1, 1, 1, 2, 2]), [(0, 0), (2, 4), (5, 5), (0, 5), (3, 0)]
    other = np.repeat(x, len(tokens), axis=0)
    for i, (row, col) in enumerate(tokens):
        other[i, row, col] += 3 * rng.normal(size=4)
    apply = jax.jit(lambda x: block.apply(variables, x, train=False))
    whole = apply(np.concatenate([x, other]))
    moved = np.abs(whole[1:] - whole[:1]).max(axis=-1) > 1e-4
    for changed, (row, col) in zip(moved, tokens):
        near = np.outer(part == part[row], part == part[col])
        np.testing.assert_array_equal(changed, near)


def test_attention_is_that_of_the_formula(rng):
    x, region = rng.normal(size=(2, 3, 4, 6)), rng.normal(size=(3, 4, 4))
    layer = WindowAttention(Layers((3, 3), heads=2), (2, 2))
    as_jax = jnp.asarray(x, jnp.float32), jnp.asarray(region, jnp.float32)
    init = lambda key: layer.init(key, *as_jax, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0))["params"]
    p = jax.tree.map(lambda a: rng.normal(size=a.shape), shapes)
    apply = jax.jit(lambda p: layer.apply({"params": p}, *as_jax, train=False))
    got = apply(jax.tree.map(np.float32, p))
    index, want = relative_index((2, 2)), np.zeros((2, 3, 4, 6))
    for b, w in np.ndindex(2, 3):
        qkv = x[b, w] @ p["qkv"]["kernel"] + p["qkv"]["bias"]
        q, k, v = np.split(qkv, 3, axis=1)
        for head, cut in enumerate((slice(0, 3), slice(3, 6))):
            logits = (
                q[:, cut] @ k[:, cut].T / np.sqrt(3) + p["relative_bias"][index, head] + region[w]
            )
            weights = np.exp(logits - logits.max(1, keepdims=True))
            want[b, w, :, cut] = weights / weights.sum(1, keepdims=True) @ v[:, cut]
        want[b, w] = want[b, w] @ p["out"]["kernel"] + p["out"]["bias"]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads=4 does not divide the width 6"):
        WindowAttention(Layers((2, 2), 4), (2, 2)).init(
            jax.random.key(0), jnp.ones((1, 1, 4, 6)), None, train=False
        )

import jax
import numpy as np
import pytest

from mmalign.training.mesh import data_mesh, place, replicated, split, split_rows


def test_data_are_whole_on_every_device_and_placed_once():
    mesh = data_mesh()
    placed = place({"x": np.arange(6.0)}, replicated(mesh))
    assert len(placed["x"].addressable_shards) == len(jax.devices())
    again = place(placed, replicated(mesh))["x"]
    pointer = lambda x: x.addressable_shards[0].data.unsafe_buffer_pointer()
    assert pointer(again) == pointer(placed["x"])


def test_rows_are_split_along_axis_0():
    rows = jax.jit(lambda x: x, in_shardings=split(data_mesh()))(
        split_rows(np.arange(8), data_mesh())
    )
    assert [shard.data.tolist() for shard in rows.addressable_shards] == [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
    ]


@pytest.mark.parametrize(("size", "fits"), [(6, "4 or 8"), (3, "4"), (9, "8 or 12")])
def test_batch_that_does_not_divide_names_sizes_that_do(size, fits):
    with pytest.raises(ValueError, match=f"batch of {size} .* 4 devices; {fits} would do"):
        split_rows({"a": np.zeros(8), "b": np.zeros(size)}, data_mesh())

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
        split_rows(np.arange(16), data_mesh())
    )
    shards = [shard.data.tolist() for shard in rows.addressable_shards]
    assert shards == [[i, i + 1] for i in range(0, 16, 2)]


@pytest.mark.parametrize(("size", "fits"), [(12, "8 or 16"), (3, "8"), (17, "16 or 24")])
def test_batch_that_does_not_divide_names_sizes_that_do(size, fits):
    with pytest.raises(ValueError, match=f"batch of {size} .* 8 devices; {fits} would do"):
        split_rows({"a": np.zeros(8), "b": np.zeros(size)}, data_mesh())

"""Where arrays live: state and data whole on every device, the batch split along axis 0."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding


def data_mesh(devices: Sequence | None = None) -> Mesh:
    """Mesh with the one axis "data" over `devices`, by default all of all processes."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """Sharding of an array that every device holds whole."""
    return jax.NamedSharding(mesh, jax.P())


def split(mesh: Mesh) -> NamedSharding:
    """Sharding of an array whose axis 0 is divided over the devices."""
    return jax.NamedSharding(mesh, jax.P("data"))


def place(tree: Any, sharding: NamedSharding) -> Any:
    """The tree with this sharding; each process passes the same whole arrays."""
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def place_leaf(x):
        if isinstance(x, jax.Array) and x.sharding == sharding:
            return x
        x = np.asarray(x)
        # device_put would compare the array between processes at every call.
        return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

    return jax.tree.map(place_leaf, tree)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The tree whole on every device."""
    return place(tree, replicated(mesh))


def split_rows(batch: Any, mesh: Mesh, local: bool = False) -> Any:
    """The batch of NumPy arrays, ready for a program that takes it split along axis 0.

    local: each process passes its own share of axis 0, not the whole.
    Raises: ValueError if the batch cannot be split evenly.
    """
    devices = mesh.shape["data"]
    for size in {x.shape[0] for x in jax.tree.leaves(batch)}:
        size = size * jax.process_count() if local else size
        if size % devices:
            fits = f"{size // devices * devices} or " if size > devices else ""
            raise ValueError(
                f"a batch of {size} cannot be split over {devices} devices; "
                f"{fits}{(size // devices + 1) * devices} would do"
            )
    if jax.process_count() == 1:
        return batch  # jit places NumPy arrays itself, ten times faster than device_put
    if not local:
        return place(batch, split(mesh))
    join = lambda x: jax.make_array_from_process_local_data(split(mesh), x)
    return jax.tree.map(join, batch)

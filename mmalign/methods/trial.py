"""A method on a few windows: what tests of methods call, compiled once for all of them."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmalign.methods.contract import Method
from mmalign.methods.example_windows import read


class Trial(NamedTuple):
    """A method and what it is tried on. Arrays that it returns are on the host.

    names: of the modalities, in their order.
    variables: of `embed`; a loss has the parameters as "target", too, and no means.
    """

    method: Method
    names: tuple[str, ...]
    variables: Mapping[str, Any]
    batch: Mapping[str, Any]
    key: jax.Array

    def loss(self, batch: Mapping) -> tuple:
        """((value, aux), gradient by the parameters)."""
        variables = {name: x for name, x in self.variables.items() if name != "means"}
        variables["target"] = variables["params"]
        loss = programs(self.method).loss
        return jax.device_get(reading("loss", loss, variables, batch, self.key))

    def embed(self, batch: Mapping) -> dict[str, np.ndarray]:
        """{part: [b, d]}."""
        embed = programs(self.method).embed
        return jax.device_get(reading("embed", embed, self.variables, read(batch)))

    def common(self, batch: Mapping) -> dict[str, np.ndarray]:
        """{modality: [b, d]}."""
        common = programs(self.method).common
        return jax.device_get(reading("common", common, self.variables, read(batch)))

    def fuse(self, parts: Mapping, present: Mapping) -> dict[str, np.ndarray]:
        """{part: [b, d]}; it gets the modalities in another order than theirs."""
        names = self.names[::-1]
        arguments = ([x[m] for m in names] for x in (parts, present))
        fuse = programs(self.method).fuse
        return jax.device_get(fuse(names, self.variables, *arguments))


class Programs(NamedTuple):
    """A method's functions, compiled. They run slowly: compiling is what costs here.

    init: (key, batch) -> variables.
    loss: (variables, batch, key) -> ((value, aux), gradient by the parameters).
    embed, common: (variables, batch) -> parts.
    fuse: (names, variables, [[b, d]], [[b]]) -> parts; a dict would come out sorted by name.
    """

    init: Callable
    loss: Callable
    embed: Callable
    fuse: Callable
    common: Callable


@functools.lru_cache(maxsize=64)
def programs(method: Method) -> Programs:
    """See `Programs`."""
    quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

    def loss(variables, batch, key):
        def objective(params):
            value, aux = method.loss(variables | {"params": params}, batch, key)
            _check_returned(value, aux, variables.get("state"))
            return value, aux

        return jax.value_and_grad(objective, has_aux=True)(variables["params"])

    def fuse(names, variables, parts, present):
        assert method.fuse is not None  # or nobody calls this one
        return method.fuse(variables, dict(zip(names, parts)), dict(zip(names, present)))

    def common(variables, batch):
        assert method.common is not None
        return method.common(variables, batch)

    return Programs(
        quick(method.init), quick(loss), quick(method.embed), quick(fuse, static_argnums=0),
        quick(common),
    )  # fmt: skip


def reading(
    what: str, function: Callable, *args: Any, said: str = "which is not there for it"
) -> Any:
    """The result of a function of a batch.

    Raises: AssertionError if it reads a key that the batch lacks.
    """
    try:
        return function(*args)
    except KeyError as error:
        if error.args[0] in ("targets", "group", "row", "weight", "paired", "progress"):
            raise AssertionError(f"{what} reads {error.args[0]!r} of the batch, {said}") from error
        raise


def require(kept: Any, promise: str) -> None:
    """Raises AssertionError with the promise if it is not kept."""
    if not kept:
        raise AssertionError(promise)


def _check_returned(value, aux, state):
    """While it is traced: shapes of what `loss` returns."""
    value = jnp.asarray(value)
    require(
        value.shape == () and jnp.issubdtype(value.dtype, jnp.floating),
        f"loss must return one float, got shape {value.shape} of {value.dtype}",
    )
    metrics = aux.get("metrics")
    require(
        metrics and all(jnp.shape(x) == () for x in metrics.values()),
        f"loss must return metrics beside its value, each one number, got {aux}",
    )
    like = lambda tree: jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), tree)
    require(
        like(aux.get("state")) == like(state),
        "loss must return the next state, of the shapes of the one that init returns",
    )

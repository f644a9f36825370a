"""From a function to the bytes of an ONNX model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from mmalign.to_onnx import arithmetic, contractions, layout, loops
from mmalign.to_onnx.graph import Complex, Graph, Unsupported, Value

OPSET, FORMAT = 18, 8  # of 2022, which all runtimes since read
RULES = {**arithmetic.RULES, **layout.RULES, **contractions.RULES}
_CALLS = {  # what only wraps other operations, and the parameter that holds them
    "jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "remat2": "jaxpr",
    "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr",
}  # fmt: skip


def convert(
    function: Callable[[dict[str, jax.Array]], Mapping[str, jax.Array]],
    inputs: Mapping[str, tuple[tuple[int, ...], Any]],
) -> bytes:
    """The ONNX model of a function of batches of any size.

    Weights, and whatever else does not depend on the inputs, are in the file.

    Args:
      function: {name: [n, *shape]} -> {name: [n, ...]}, pure; it is traced once, for any n.
      inputs: {name: (shape without the batch, dtype)}, one or more.
    Returns: the file, of opset 18. Inputs and outputs are called as the function's.
    Raises: Unsupported, a ValueError that names the operation that cannot be written, such as a
      sort; ValueError where an input and an output have one name; ImportError without `onnx`.
    """
    (batch,) = jax.export.symbolic_shape("n")
    given = {
        name: jax.ShapeDtypeStruct((batch, *shape), dtype)
        for name, (shape, dtype) in inputs.items()
    }
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(given)
    if both := given.keys() & shapes:
        raise ValueError(f"inputs and outputs need different names, both have {sorted(both)}")
    order = sorted(given)  # jax sorts the names of a dict
    graph = Graph(batch, order[0], {*given, *shapes})
    found = [graph.name(x) for x in walk(graph, traced, order)]
    helper, outputs = graph.onnx.helper, [graph.info(name, shapes[name]) for name in sorted(shapes)]
    graph.nodes += [
        helper.make_node("Identity", [name], [output.name]) for name, output in zip(found, outputs)
    ]
    body = helper.make_graph(
        graph.nodes, "mmalign", [graph.info(name, given[name]) for name in given], outputs,
        initializer=graph.arrays,
    )  # fmt: skip
    model = helper.make_model(
        body, producer_name="mmalign", ir_version=FORMAT,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )  # fmt: skip
    graph.onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def walk(graph: Graph, traced: Any, inputs: Sequence[Value]) -> list[Value]:
    """Adds the operations of a jaxpr, closed or not; its outputs.

    What depends on nothing but known arrays is computed here, and only its result is in the model.
    """
    jaxpr, consts = getattr(traced, "jaxpr", traced), getattr(traced, "consts", ())
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))
    read = lambda x: np.asarray(x.val, x.aval.dtype) if hasattr(x, "val") else values[x]
    for eqn in jaxpr.eqns:
        found = _written(graph, eqn, [read(x) for x in eqn.invars])
        values.update(zip(eqn.outvars, found, strict=True))
    return [read(x) for x in jaxpr.outvars]


def _written(graph, eqn, inputs):
    """The outputs of one operation."""
    operation = eqn.primitive.name
    if operation in _CALLS:
        return walk(graph, eqn.params[_CALLS[operation]], inputs)
    known = not any(isinstance(x, str | Complex) for x in inputs) and operation != "dim_as_value"
    if known and not any(graph.free(d) for x in eqn.outvars for d in x.aval.shape):
        found = eqn.primitive.bind(*inputs, **eqn.params)
        return found if eqn.primitive.multiple_results else [found]
    if operation == "scan":
        return loops.scan(graph, eqn, inputs, walk)
    if operation not in RULES:
        raise Unsupported(f"operation {operation!r}")
    if operation not in layout.COMPLEX and any(isinstance(x, Complex) for x in inputs):
        raise Unsupported(f"operation {operation!r} of complex numbers")
    found = RULES[operation](graph, eqn, *inputs)
    return found if eqn.primitive.multiple_results else [found]

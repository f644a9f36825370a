"""Loops of a known length: recurrent networks."""

from collections.abc import Callable
from typing import Any

from mmalign.to_onnx.graph import Graph, Value


def scan(graph: Graph, eqn: Any, inputs: list[Value], walk: Callable) -> list[Value]:
    """ONNX's Scan; `walk` adds the operations of its body, which read names from around it.

    What is scanned has an axis more outside than in the body. Inputs are constants, what is
    carried, and what is scanned; outputs what is carried, and what is stacked.
    """
    body, direction = eqn.params["jaxpr"], int(eqn.params["reverse"])
    body = getattr(body, "jaxpr", body)
    scanned, stacked = _longer(eqn.invars, body.invars), _longer(eqn.outvars, body.outvars)
    consts = len(inputs) - scanned - (len(eqn.outvars) - stacked)
    own = [graph.fresh() for _ in inputs[consts:]]
    with graph.inside() as nodes:
        found = walk(graph, eqn.params["jaxpr"], [*inputs[:consts], *own])
        ends = [graph.add("Identity", x) for x in found]  # an output may be an input, or come twice
    infos = [
        [graph.info(name, x.aval) for name, x in zip(names, variables, strict=True)]
        for names, variables in ((own, body.invars[consts:]), (ends, body.outvars))
    ]
    made = graph.add(
        "Scan", *inputs[consts:], outputs=len(ends), num_scan_inputs=scanned,
        body=graph.onnx.helper.make_graph(nodes, graph.fresh(), *infos),
        scan_input_directions=[direction] * scanned, scan_output_directions=[direction] * stacked,
    )  # fmt: skip
    return [made] if len(ends) == 1 else made


def _longer(outside, inside):
    """How many have an axis more outside."""
    pairs = zip(outside, inside, strict=True)
    return sum(len(x.aval.shape) > len(y.aval.shape) for x, y in pairs)

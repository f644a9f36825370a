"""Operations on numbers one by one, and over axes."""

import numpy as np

from mmalign.to_onnx.graph import Graph, Unsupported

_SAME = {
    "abs": "Abs", "add": "Add", "add_any": "Add", "and": "And", "cos": "Cos", "div": "Div",
    "eq": "Equal", "erf": "Erf", "exp": "Exp", "floor": "Floor", "ge": "GreaterOrEqual",
    "gt": "Greater", "le": "LessOrEqual", "log": "Log", "logistic": "Sigmoid", "lt": "Less",
    "max": "Max", "min": "Min", "mul": "Mul", "neg": "Neg", "not": "Not", "or": "Or",
    "pow": "Pow", "sign": "Sign", "sin": "Sin", "sqrt": "Sqrt", "sub": "Sub", "tanh": "Tanh",
}  # fmt: skip
_LOGICAL = ("and", "or", "not")


def _other(eqn):
    """The error of what is for booleans alone here."""
    return Unsupported(f"operation {eqn.primitive.name!r} of {eqn.invars[0].aval.dtype}")


def _same(op):
    def rule(graph: Graph, eqn, *xs):
        if eqn.primitive.name in _LOGICAL and eqn.outvars[0].aval.dtype != bool:
            raise _other(eqn)
        return graph.add(op, *xs)

    return rule


def _passed(graph, eqn, x):
    return x


def _cast(graph, eqn, x):
    return graph.add("Cast", x, to=graph.element(eqn.params["new_dtype"]))


def _chosen(graph, eqn, which, *cases):
    if eqn.invars[0].aval.dtype != bool:
        raise _other(eqn)
    return graph.add("Where", which, cases[1], cases[0])


def _power(graph, eqn, x):
    return graph.add("Pow", x, np.asarray(eqn.params["y"], eqn.invars[0].aval.dtype))


def _reduced(op):
    def rule(graph, eqn, x):
        return graph.add(op, x, graph.integers(eqn.params["axes"]), keepdims=0)

    return rule


def _any(op):
    """Of booleans, which these reductions do not take in this opset."""

    def rule(graph, eqn, x):
        if eqn.invars[0].aval.dtype != bool:
            raise _other(eqn)
        x = graph.add("Cast", x, to=graph.element(np.int32))
        x = graph.add(op, x, graph.integers(eqn.params["axes"]), keepdims=0)
        return graph.add("Cast", x, to=graph.element(bool))

    return rule


def _place(op):
    def rule(graph, eqn, x):
        (axis,) = eqn.params["axes"]
        x = graph.add(op, x, axis=int(axis), keepdims=0)
        return graph.add("Cast", x, to=graph.element(eqn.params["index_dtype"]))

    return rule


RULES = {
    **{name: _same(op) for name, op in _SAME.items()},
    "argmax": _place("ArgMax"),
    "argmin": _place("ArgMin"),
    "clamp": lambda graph, eqn, low, x, high: graph.add("Min", graph.add("Max", x, low), high),
    "convert_element_type": _cast,
    "copy": _passed,
    "integer_pow": _power,
    "ne": lambda graph, eqn, x, y: graph.add("Not", graph.add("Equal", x, y)),
    "reduce_and": _any("ReduceMin"),
    "reduce_max": _reduced("ReduceMax"),
    "reduce_min": _reduced("ReduceMin"),
    "reduce_or": _any("ReduceMax"),
    "reduce_sum": _reduced("ReduceSum"),
    "rsqrt": lambda graph, eqn, x: graph.add("Reciprocal", graph.add("Sqrt", x)),
    "select_n": _chosen,
    "square": lambda graph, eqn, x: graph.add("Mul", x, x),
    "stop_gradient": _passed,
}

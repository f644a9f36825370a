"""Operations that move numbers about and change none."""

import math

import jax
import numpy as np

from mmalign.to_onnx.graph import Complex, Graph, Unsupported

_END = np.iinfo(np.int64).max


def _of_parts(rule):
    """The rule, applied to both parts of a complex tensor."""

    def of(graph, eqn, x, *more):
        if isinstance(x, Complex):
            return Complex(*(rule(graph, eqn, part, *more) for part in x))
        return rule(graph, eqn, x, *more)

    return of


def _broadcast(graph: Graph, eqn, x):
    have, shape = eqn.invars[0].aval.shape, eqn.params["shape"]
    dims = [1] * len(shape)
    for size, axis in zip(have, eqn.params["broadcast_dimensions"]):
        dims[axis] = size
    x = graph.reshape(x, dims) if dims != [*have] else x
    return graph.add("Expand", x, graph.shape(shape)) if dims != [*shape] else x


def _reshaped(graph, eqn, x):
    if eqn.params["dimensions"] is not None:
        x = graph.transpose(x, eqn.params["dimensions"])
    return graph.reshape(x, eqn.outvars[0].aval.shape)


def _sliced(graph, eqn, x):
    shape, steps = eqn.invars[0].aval.shape, eqn.params["strides"]
    bounds = zip(eqn.params["start_indices"], eqn.params["limit_indices"], shape)
    cut = [
        (axis, start, end, steps[axis] if steps else 1)
        for axis, (start, end, size) in enumerate(bounds)
        if start != 0 or end != size or (steps and steps[axis] != 1)
    ]
    if any(graph.free(bound) for _, start, end, _ in cut for bound in (start, end)):
        raise Unsupported("operation 'slice' of the batch")
    if not cut:
        return x
    axes, starts, ends, strides = (graph.integers(column) for column in zip(*cut))
    return graph.add("Slice", x, starts, ends, axes, strides)


def _reversed(graph, eqn, x):
    axes = eqn.params["dimensions"]
    starts, ends, steps = ([value] * len(axes) for value in (-1, -_END, -1))
    return graph.add("Slice", x, *map(graph.integers, (starts, ends, axes, steps)))


def _padded(graph, eqn, x, value):
    low, high, inside = zip(*eqn.params["padding_config"])
    if any(inside):
        raise Unsupported("operation 'pad' between samples")
    return graph.add("Pad", x, graph.integers([*low, *high]), value)


def _split(graph, eqn, x):
    sizes = graph.integers(eqn.params["sizes"])
    found = graph.add("Split", x, sizes, axis=eqn.params["axis"], outputs=len(sizes))
    return [found] if len(sizes) == 1 else found


def _stacked(graph, eqn, *xs):
    axis = eqn.params["axis"]
    xs = [graph.add("Unsqueeze", x, graph.integers([axis])) for x in xs]
    return graph.add("Concat", *xs, axis=axis)


def _gathered(graph, eqn, x, places):
    """By places that are known, the same of every window.

    Which numbers of a window are taken, jax says itself: it gathers their numbers.
    """
    shape, out = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    sizes, free, left = eqn.params["slice_sizes"], _free(graph, shape), _free(graph, out)
    whole = len(free) == len(left) == 1 and sizes[free[0]] == shape[free[0]]
    if isinstance(places, str) or not whole:
        raise Unsupported("operation 'gather' by places that the inputs choose, or of the batch")
    (axis,), (place,) = free, left
    others = [i for i in range(len(shape)) if i != axis]
    count, one = math.prod(shape[i] for i in others), (1,)
    numbers = np.arange(count, dtype=np.int32).reshape(shape[:axis] + one + shape[axis + 1 :])
    params = {**eqn.params, "slice_sizes": sizes[:axis] + one + sizes[axis + 1 :], "fill_value": -1}
    taken = np.asarray(jax.lax.gather_p.bind(numbers, places, **params)).squeeze(place)
    if taken.min(initial=0) < 0 or taken.max(initial=0) >= count:
        raise Unsupported("operation 'gather' beyond the end")
    x = graph.reshape(graph.transpose(x, [axis, *others]), [shape[axis], count])
    x = graph.add("Gather", x, taken.ravel().astype(np.int64), axis=1)
    order = [*range(1, len(out))]
    order.insert(place, 0)
    return graph.transpose(graph.reshape(x, [shape[axis], *taken.shape]), order)


def _number(graph, eqn):
    """The batch's size among the numbers."""
    number = graph.reshape(graph.size(eqn.params["dim"]), [])
    return graph.add("Cast", number, to=graph.element(eqn.outvars[0].aval.dtype))


def _free(graph, dims):
    """The axes that go by the batch."""
    return [axis for axis, d in enumerate(dims) if graph.free(d)]


_PARTS = {
    "broadcast_in_dim": _broadcast,
    "gather": _gathered,
    "reshape": _reshaped,
    "rev": _reversed,
    "slice": _sliced,
    "squeeze": lambda graph, eqn, x: graph.reshape(x, eqn.outvars[0].aval.shape),
    "transpose": lambda graph, eqn, x: graph.transpose(x, eqn.params["permutation"]),
}
RULES = {
    **{name: _of_parts(rule) for name, rule in _PARTS.items()},
    "concatenate": lambda graph, eqn, *xs: graph.add("Concat", *xs, axis=eqn.params["dimension"]),
    "dim_as_value": _number,
    "imag": lambda graph, eqn, x: x.imag,
    "pad": _padded,
    "real": lambda graph, eqn, x: x.real,
    "split": _split,
    "stack": _stacked,
    "tile": lambda graph, eqn, x: graph.add("Tile", x, graph.integers(eqn.params["reps"])),
}
COMPLEX = frozenset({*_PARTS, "real", "imag"})  # what takes complex tensors

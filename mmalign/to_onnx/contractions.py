"""Sums of products: matrices, convolutions, spectra; and pooling, which slides like them."""

import math
import string

import jax
import numpy as np

from mmalign.to_onnx.graph import Complex, Graph, Unsupported


def _product(graph: Graph, eqn, x, y):
    (of_x, of_y), (batch_x, batch_y) = eqn.params["dimension_numbers"]
    ranks = [len(v.aval.shape) for v in eqn.invars]
    if not batch_x and ranks[1] == 2 and (of_x, of_y) == ((ranks[0] - 1,), (0,)):
        return graph.add("MatMul", x, y)
    letters = iter(string.ascii_lowercase)
    left, right = [next(letters) for _ in range(ranks[0])], [""] * ranks[1]
    for a, b in zip([*batch_x, *of_x], [*batch_y, *of_y]):
        right[b] = left[a]
    right = [letter or next(letters) for letter in right]
    out = [left[a] for a in batch_x]
    out += [left[a] for a in range(ranks[0]) if a not in (*batch_x, *of_x)]
    out += [right[b] for b in range(ranks[1]) if b not in (*batch_y, *of_y)]
    return graph.add("Einsum", x, y, equation=f"{''.join(left)},{''.join(right)}->{''.join(out)}")


def _convolved(graph, eqn, x, kernel):
    given, (of_x, of_kernel, of_out) = eqn.params, eqn.params["dimension_numbers"]
    if given["batch_group_count"] != 1 or {*given["lhs_dilation"]} - {1}:
        raise Unsupported("operation 'conv_general_dilated' transposed")
    low, high = zip(*given["padding"])
    if min(*low, *high) < 0:
        raise Unsupported("operation 'conv_general_dilated' of a part of its input")
    y = graph.add(
        "Conv", graph.transpose(x, of_x), graph.transpose(kernel, of_kernel),
        strides=[*given["window_strides"]], pads=[*low, *high],
        dilations=[*given["rhs_dilation"]], group=given["feature_group_count"],
    )  # fmt: skip
    return graph.transpose(y, np.argsort(of_out))


def _largest(graph, eqn, x):
    """Of windows that slide over the axes between the first and the last."""
    given, rank = eqn.params, len(eqn.invars[0].aval.shape)
    columns = ("window_dimensions", "window_strides", "window_dilation", "base_dilation")
    sizes, steps, apart, base = ([*map(int, given[name])] for name in columns)
    low, high = zip(*given["padding"])
    outer = {sizes[i] for i in (0, -1)} | {steps[i] for i in (0, -1)} | {*base}
    if rank < 3 or outer != {1} or any((*low[:: rank - 1], *high[:: rank - 1])):
        raise Unsupported("operation 'reduce_window_max' over the first or the last axis")
    order = [0, rank - 1, *range(1, rank - 1)]
    y = graph.add(
        "MaxPool", graph.transpose(x, order), kernel_shape=sizes[1:-1], strides=steps[1:-1],
        dilations=apart[1:-1], pads=[*low[1:-1], *high[1:-1]],
    )  # fmt: skip
    return graph.transpose(y, np.argsort(order))


def _spectrum(graph, eqn, x):
    """Of real windows, along the last axis: as matrices, of two factors of their length.

    ONNX's own DFT is off by 1e-4 of the largest value in onnxruntime, at most lengths. A sample is
    many * i + j, a frequency k + few * l: sums over i, turned by j * k, then sums over j.
    References: Cooley and Tukey 1965, Mathematics of Computation 19.
    """
    (*rows, time), lengths = eqn.invars[0].aval.shape, eqn.params["fft_lengths"]
    if eqn.params["fft_type"] != jax.lax.FftType.RFFT or tuple(lengths) != (time,):
        raise Unsupported("operation 'fft' other than of real samples along one whole axis")
    few = max(d for d in range(1, math.isqrt(time) + 1) if time % d == 0)
    many = time // few
    x = graph.reshape(x, [*rows, few, many])
    x = Complex(*(graph.add("MatMul", part, x) for part in _turns(few, few, few)))
    x = _multiplied(graph, "Mul", x, _turns(few, many, time))
    x = _multiplied(graph, "MatMul", x, _turns(many, many, many))
    rank, half = len(rows), [graph.integers([i]) for i in (0, time // 2 + 1, len(rows))]
    parts = (graph.transpose(part, [*range(rank), rank + 1, rank]) for part in x)
    parts = (graph.reshape(part, [*rows, time]) for part in parts)
    return Complex(*(graph.add("Slice", part, *half) for part in parts))


def _turns(rows, columns, size):
    """Complex exponentials [rows, columns] of -2 pi i row column / size."""
    turn = np.outer(np.arange(rows), np.arange(columns)) % size * (-2 * np.pi / size)
    return Complex(np.cos(turn).astype(np.float32), np.sin(turn).astype(np.float32))


def _multiplied(graph, op, x, y):
    """A product of complex tensors."""
    of = lambda a, b: graph.add(op, a, b)
    real = graph.add("Sub", of(x.real, y.real), of(x.imag, y.imag))
    return Complex(real, graph.add("Add", of(x.real, y.imag), of(x.imag, y.real)))


RULES = {
    "conv_general_dilated": _convolved,
    "dot_general": _product,
    "fft": _spectrum,
    "reduce_window_max": _largest,
}

"""Nodes and weights of an ONNX graph while it is written."""

import contextlib
import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

Value = Any  # a known array, the name of a tensor, or a Complex


class Unsupported(ValueError):
    """Something of a function, an operation mostly, cannot be written."""

    def __init__(self, what: str):
        super().__init__(f"{what} has no form in ONNX here")


class Complex(NamedTuple):
    """A complex tensor, which ONNX does not have, as two."""

    real: Value
    imag: Value


class Graph:
    """Nodes in the order in which they run, and the arrays that they read.

    batch: the dimension that is free, of `jax.export.symbolic_shape`.
    sized: name of an input whose first dimension it is.
    taken: names of inputs and outputs.
    """

    def __init__(self, batch: Any, sized: str, taken: Collection[str]):
        """A graph that knows how large its batch is."""
        import onnx

        self.onnx, self.batch = onnx, batch
        self.nodes, self.arrays, self._known = [], [], {}
        self._fresh = (name for i in itertools.count() if (name := f"t{i}") not in taken)
        self._count = self.add("Shape", sized, start=0, end=1)

    def fresh(self) -> str:
        """A name that nothing else has."""
        return next(self._fresh)

    def add(self, op: str, *inputs: Value, outputs: int = 1, **attributes: Any) -> Any:
        """Adds a node; the name of its output, or a list of them where there are several."""
        names = [self.fresh() for _ in range(outputs)]
        read = [self.name(x) for x in inputs]
        self.nodes.append(self.onnx.helper.make_node(op, read, names, **attributes))
        return names[0] if outputs == 1 else names

    def name(self, value: Value) -> str:
        """The value as a tensor: what is known becomes an array of the model, once."""
        if isinstance(value, str):
            return value
        if isinstance(value, Complex):
            raise Unsupported("a complex tensor")
        array = np.asarray(value)
        self.element(array.dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.fresh()
            self.arrays.append(self.onnx.numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def element(self, dtype: Any) -> int:
        """ONNX's number of a dtype."""
        if np.dtype(dtype).name not in ("float32", "float64", "int32", "int64", "uint8", "bool"):
            raise Unsupported(f"dtype {np.dtype(dtype).name}")
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def integers(self, values: Sequence[int]) -> np.ndarray:
        """Axes, sizes and the like, as ONNX reads them."""
        return np.array([*values], np.int64)

    def free(self, dim: Any) -> bool:
        """Whether a dimension goes by the batch."""
        return not isinstance(dim, int | np.integer)

    def shape(self, dims: Sequence[Any]) -> Value:
        """Sizes as a tensor."""
        if not any(map(self.free, dims)):
            return self.integers(dims)
        return self.add("Concat", *map(self.size, dims), axis=0)

    def size(self, dim: Any) -> Value:
        """One size, as a tensor [1]."""
        if not self.free(dim):
            return self.integers([dim])
        times = self._times(dim)
        return self.add("Mul", self._count, self.integers([times])) if times > 1 else self._count

    def _times(self, dim):
        """How many times the batch a free dimension is."""
        whole = dim % self.batch == 0
        if not whole or self.free(dim // self.batch):
            raise Unsupported(f"a size of {dim}, where the batch is {self.batch},")
        return int(dim // self.batch)

    def reshape(self, x: Value, dims: Sequence[Any]) -> str:
        """The tensor in another shape."""
        if sum(map(self.free, dims)) <= 1 and math.prod(d for d in dims if not self.free(d)):
            return self.add("Reshape", x, self.integers([-1 if self.free(d) else d for d in dims]))
        return self.add("Reshape", x, self.shape(dims), allowzero=1)

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """The tensor with its axes in another order."""
        if [*order] == [*range(len(order))]:
            return x
        return self.add("Transpose", x, perm=[int(axis) for axis in order])

    @contextlib.contextmanager
    def inside(self) -> Iterator[list]:
        """What is added meanwhile goes into the list: nodes of a body that is run repeatedly."""
        outer, self.nodes = self.nodes, []
        try:
            yield self.nodes
        finally:
            self.nodes = outer

    def info(self, name: str, like: Any) -> Any:
        """Name, dtype and shape, as the inputs and outputs of a graph have them."""
        dims = [str(d) if self.free(d) else int(d) for d in like.shape]
        return self.onnx.helper.make_tensor_value_info(name, self.element(like.dtype), dims)

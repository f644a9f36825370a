"""ONNX models of JAX functions: what jax traces, written operation by operation.

One file per kind of operation. `onnx`, of the extra of that name, is imported when it is used.
"""

from mmalign.to_onnx.graph import Unsupported as Unsupported
from mmalign.to_onnx.model import convert as convert

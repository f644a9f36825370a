"""A trained run as one ONNX model."""

import jax
import numpy as np

from mmalign import to_onnx
from mmalign.data import feed
from mmalign.trained import Trained


def onnx_model(model: Trained) -> bytes:
    """The file of a model that maps windows, and which of them are there, to embeddings.

    For any number n of windows at a time. Normalisation, what stands for missing sensors and the
    weights are inside; the numbers are those of `Trained.embed`, to 1e-5 of the largest.

    Inputs: inputs/<modality>, float32 [n, *shape], finite where it is there, else any numbers; and
      present/<modality>, bool [n], of all modalities.
    Outputs: embeddings/<part>, float32 [n, d], the parts of `Trained.embed`.
    Returns: its bytes.
    Raises: ValueError that names an operation which cannot be written, see `to_onnx.convert`;
      ImportError without the extra `onnx`.
    """
    try:
        import onnx  # noqa: F401  of the extra
    except ImportError as error:
        raise ImportError("for exports with onnx=True: pip install 'mmalign[onnx]'") from error
    embed, variables = model.recipe.made().embed, jax.device_get(model.variables)

    def call(given):
        batch = {
            of: {m: given[f"{of}/{m}"] for m in model.modalities} for of in ("inputs", "present")
        }
        found = embed(variables, feed.normalise(batch, model.statistics))
        return {f"embeddings/{part}": z for part, z in found.items()}

    inputs = {f"inputs/{m}": (d.shape, np.float32) for m, d in model.modalities.items()}
    inputs |= {f"present/{m}": ((), np.bool_) for m in model.modalities}
    try:
        return to_onnx.convert(call, inputs)
    except to_onnx.Unsupported as error:
        raise ValueError(f"{error}; export without onnx=True: StableHLO holds it") from error

"""mmalign: self-supervised alignment of multimodal data.

from mmalign import losses          # pure functions, need jax and optax only
results = mmalign.run(config, workdir)
model = mmalign.load(workdir)
mmalign.export(workdir, folder)    # for programs without mmalign
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported inside, so that `from mmalign import losses` loads nothing else
    import pathlib

    from ml_collections import ConfigDict

    from mmalign.trained import Trained


def run(
    config: ConfigDict, workdir: str | os.PathLike, artifacts: str | os.PathLike | None = None
) -> dict:
    """Trains, evaluates and reports what `config` describes; see `mmalign.walk.run`.

    A config with a block `compare` is a grid of such runs; see `mmalign.compare.run`.
    """
    from mmalign import compare, walk

    chosen = compare if "compare" in config else walk
    return chosen.run(config, workdir, artifacts)


def export(
    workdir: str | os.PathLike, folder: str | os.PathLike, *, stage: str | None = None,
    onnx: bool = False,
) -> pathlib.Path:  # fmt: skip
    """Writes a trained run for programs without mmalign; see `mmalign.exported.export`."""
    from mmalign import exported

    return exported.export(workdir, folder, stage=stage, onnx=onnx)


def load(workdir: str | os.PathLike, stage: str | None = None) -> Trained:
    """A trained run, ready to embed windows; see `mmalign.trained.load`."""
    from mmalign import trained

    return trained.load(workdir, stage)

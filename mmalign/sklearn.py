"""A trained run as a transformer of scikit-learn: windows in, embeddings out."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from ml_collections import ConfigDict
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

import mmalign
from mmalign.described import RUN


class Embedder(TransformerMixin, BaseEstimator):
    """Embeds windows by a run, for pipelines and grids of scikit-learn.

    X is what `Trained.embed` takes, {modality: [n, *shape]}, or an array [n, numbers] of all
    modalities of the run, flattened, side by side, in the order of `model_.modalities`; NaN marks
    what is missing.

    Args:
      workdir: of the run. config: trains it there first, where there is none; None: it is there.
      stage: as `mmalign.load` takes it. part: of the embedding, "joint" or a modality.
      batch_size: windows at a time.
    """

    def __init__(
        self, workdir: str | os.PathLike = "", *, config: ConfigDict | None = None,
        stage: str | None = None, part: str = "joint", batch_size: int = 256,
    ):  # fmt: skip
        """Keeps what it is given, as scikit-learn wants it."""
        self.workdir = workdir
        self.config = config
        self.stage = stage
        self.part = part
        self.batch_size = batch_size

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Loads the run; learns nothing of X."""
        if self.config is not None and not (pathlib.Path(self.workdir) / RUN).exists():
            mmalign.run(self.config, self.workdir)
        self.model_ = mmalign.load(self.workdir, self.stage)
        return self

    def transform(self, X: Mapping[str, np.ndarray] | np.ndarray) -> np.ndarray:
        """[n, d]: the part of the embedding.

        Raises: ValueError as `Trained.embed` does, for an array of another width, or no such part.
        """
        check_is_fitted(self)
        z = self.model_.embed(self._by_modality(X), batch_size=self.batch_size)
        if self.part not in z:
            raise ValueError(f"part must be one of {', '.join(z)}, got {self.part!r}")
        return z[self.part]

    def __sklearn_tags__(self) -> Any:
        """That NaN is allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _by_modality(self, X):
        if isinstance(X, Mapping):
            return X
        X, modalities = np.asarray(X), self.model_.modalities
        sizes = [int(np.prod(d.shape)) for d in modalities.values()]
        if X.ndim != 2 or X.shape[1] != sum(sizes):
            of = ", ".join(f"{m}: {size}" for m, size in zip(modalities, sizes))
            raise ValueError(f"X must be [n, {sum(sizes)}] ({of}), got {X.shape}")
        parts = np.split(X, np.cumsum(sizes)[:-1], axis=1)
        return {m: x.reshape(-1, *d.shape) for x, (m, d) in zip(parts, modalities.items())}

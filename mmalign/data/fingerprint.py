"""A short name for what a data set holds, so that what was computed from it can be found again."""

import hashlib
import json

import numpy as np

from mmalign.data.dataset import Dataset

PIECE = 1 << 24  # bytes that are read at once


def fingerprint(dataset: Dataset) -> str:
    """Hex digest (SHA-256) of everything in a data set that a training or an evaluation reads.

    That is every array by its name, type, shape and values, the modalities' order (joint embeddings
    concatenate in it), their kinds and rates, the windows' stride, kind and size of the targets.
    Names of classes, units, citations and the data set's own name change nothing.

    Arrays may be memory maps; none is copied as a whole.
    """
    digest = hashlib.sha256()
    rates = dataset.description.rate_hz
    about = {
        "modalities": [[m, kind, rates.get(m)] for m, kind in dataset.kinds.items()],
        "targets": sorted([task, kind, size] for task, (kind, size, _) in dataset.tasks.items()),
    }
    if dataset.description.stride_s is not None:
        about["stride_s"] = dataset.description.stride_s
    digest.update(json.dumps(about).encode())
    for name, x in _arrays(dataset):
        header = json.dumps([name, x.dtype.str, x.shape])
        digest.update(f"\n{header}\n".encode())
        _update(digest, x)
    return digest.hexdigest()


def _arrays(dataset):
    """Yields (name, array) in an order of its own."""
    for field in ("inputs", "present", "valid", "targets", "factors"):
        for name, x in sorted(getattr(dataset, field).items()):
            yield f"{field}/{name}", np.asarray(x)
    for field in ("group", "split", "recording", "position", "source", "untold"):
        column = getattr(dataset, field)
        if column is not None:
            yield field, np.asarray(column)


def _update(digest, x):
    rows = max(1, PIECE // max(1, x[:1].nbytes))
    for start in range(0, len(x), rows):
        piece = np.ascontiguousarray(x[start : start + rows])  # no copy where it is contiguous
        digest.update(piece.reshape(-1).view(np.uint8))

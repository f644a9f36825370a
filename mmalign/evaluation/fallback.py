"""A joint embedding for methods that embed each modality apart."""

import numpy as np

from mmalign.data.dataset import TRAIN


def side_by_side(parts, dataset, present=None):
    """The modalities' embeddings beside each other; where one is absent, its mean in training.

    The mean is the neutral answer to a missing sensor: a linear probe of standardised features then
    sees zeros there, as it does in `raw_features`.

    Args:
      parts: {modality: [n, d]}, as `embed_all` returns them.
      dataset: Dataset; `split`, `present` and the order of its modalities are read.
      present: {modality: bool [n]}, what is there; None: what the data set has.
    Returns: float32 [n, sum of d].
    """
    there = dataset.present if present is None else present
    out = []
    for m in dataset.modalities:
        seen = parts[m][np.asarray(dataset.present[m]) & (dataset.split == TRAIN)]
        mean = seen.mean(axis=0, dtype=float)
        out.append(np.where(np.asarray(there[m])[:, None], parts[m], mean).astype(np.float32))
    return np.concatenate(out, axis=1)

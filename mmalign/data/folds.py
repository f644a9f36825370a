"""Leave-subjects-out folds of any data set."""

import dataclasses

import numpy as np

from mmalign import options
from mmalign.data.dataset import TEST, TRAIN, UNKNOWN, Dataset


def hold_out(dataset: Dataset, folds: int, fold: int, *, seed: int = 0, of: str = "all") -> Dataset:
    """The data set with the subjects of one fold as its test, in place of its own split.

    The subjects are shuffled once and dealt out, so that folds differ by one subject at most and
    everyone is tested once. As many folds as subjects leave one subject out.

    Args:
      dataset: Dataset, of known subjects.
      folds: number of folds, 2 to the number of subjects.
      fold: 0 to folds - 1.
      seed: of the shuffle; the same for all folds of an experiment.
      of: "all" subjects, or "train": those of the training split alone, and all other windows are
        left out. Settings that were chosen on such folds have not seen the test.
    Raises: ValueError where a subject is unknown or the numbers do not fit.
    """
    if options.one_of("folds_of", of, ("all", "train")) == "train":
        dataset = dataset.select(dataset.split == TRAIN)
    unknown = int(np.sum(dataset.group == UNKNOWN))
    if unknown:
        raise ValueError(
            f"folds hold out subjects, but {unknown} of {len(dataset)} windows are of nobody known"
        )
    subjects = np.unique(dataset.group)
    if not 2 <= folds <= len(subjects):
        raise ValueError(f"folds must be 2 to {len(subjects)}, the number of subjects, got {folds}")
    if not 0 <= fold < folds:
        raise ValueError(f"fold must be 0 to {folds - 1} with {folds} folds, got {fold}")
    tested = np.random.default_rng(seed).permutation(subjects)[fold::folds]
    split = np.where(np.isin(dataset.group, tested), TEST, TRAIN).astype(np.int8)
    return dataclasses.replace(dataset, split=split)

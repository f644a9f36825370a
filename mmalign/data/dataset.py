"""What a data set is: aligned windows per modality, what is known of each, a description."""

import dataclasses
from collections.abc import Mapping

import numpy as np

TRAIN, TEST = 0, 1  # values of `split`
UNKNOWN = -1  # of `label` and `group`; also the row of an absent window


@dataclasses.dataclass(frozen=True)
class Description:
    """What a reader of the numbers must know; `rate_hz`, `unit`, `channels` per modality."""

    name: str
    rate_hz: Mapping[str, float]
    unit: Mapping[str, str]
    channels: Mapping[str, tuple[str, ...]]
    class_names: tuple[str, ...] = ()
    citation: str = ""
    licence: str = ""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Windows of several modalities; row i of every array belongs to window i.

    inputs: {modality: float32 [n, time, channels]}; time may differ between modalities.
    present: {modality: bool [n]}; where False the input is zeros and must not be read.
    label: int32 [n] in [0, classes) or -1 = unknown.
    group: int32 [n], the subject; splits never cut through one. -1 = unknown.
    split: int8 [n], TRAIN or TEST.
    recording, position: int32 [n], the recording a window was cut from and its place in time there;
      consecutive windows of one recording are neighbours.
    factors: {name: float32 [n, k]}, the generating factors where they are known (synthetic data).
    """

    inputs: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]
    label: np.ndarray
    group: np.ndarray
    split: np.ndarray
    recording: np.ndarray
    position: np.ndarray
    description: Description
    factors: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self):
        return len(self.label)

    @property
    def modalities(self):
        """Names, in the order in which joint embeddings concatenate them."""
        return tuple(self.inputs)

    @property
    def num_classes(self):
        """Number of classes; 0 where nothing is labelled."""
        return len(self.description.class_names) or int(self.label.max(initial=-1)) + 1

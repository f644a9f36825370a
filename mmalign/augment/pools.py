"""Augmentations by name, for each kind of modality, and which of them a policy draws by default."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from mmalign.augment import image, sequence, series, simclr, spectrogram, steps, vector, warps

_STEPS: Mapping[str, Callable] = {
    "drop": steps.drop,
    "drop_block": steps.drop_block,
    "crop": steps.crop,
    "shuffle": steps.shuffle,
    "self_mix": steps.self_mix,
    "corrupt": steps.corrupt,
}
SERIES: Mapping[str, Callable] = {
    "permutation": series.permutation,
    "negation": series.negation,
    "time_warp": warps.time_warp,
    "horizontal_flip": series.horizontal_flip,
    "magnitude_warp": warps.magnitude_warp,
    "scaling": series.scaling,
    "jitter": series.jitter,
    "channel_shuffle": series.channel_shuffle,
    "rotation": series.rotation,
    "time_shift": series.time_shift,
    **_STEPS,
}
TRIADS = ("rotation",)  # those for channels that are vectors in space
SPECTROGRAM: Mapping[str, Callable] = {
    "phase_shift": spectrogram.phase_shift,
    "frequency_mask": spectrogram.frequency_mask,
    "time_mask": spectrogram.time_mask,
}
# The same, for a method whose encoders read plain series.
SERIES_ONLY: Mapping[str, Callable] = {
    **SERIES,
    "phase_shift": series.phase_shift,
    "frequency_mask": series.frequency_mask,
    "time_mask": series.time_mask,
}
IMAGE: Mapping[str, Callable] = {
    "random_resized_crop": image.random_resized_crop,
    "horizontal_flip": image.horizontal_flip,
    "brightness_contrast": image.brightness_contrast,
    "grayscale": image.grayscale,
    "jitter": image.jitter,
    "colour_jitter": simclr.colour_jitter,
    "gaussian_blur": simclr.gaussian_blur,
    "simclr": simclr.simclr,
}
VECTOR: Mapping[str, Callable] = {
    "jitter": vector.jitter,
    "feature_dropout": vector.feature_dropout,
}
SEQUENCE: Mapping[str, Callable] = {
    "jitter": sequence.jitter,
    "token_dropout": sequence.token_dropout,
    **_STEPS,
}

# The pool of FOCAL, of its contrastive baselines and of InfoMAE.
POOL = (
    "permutation",
    "negation",
    "time_warp",
    "horizontal_flip",
    "magnitude_warp",
    "scaling",
    "phase_shift",
)


class Kind(NamedTuple):
    """What a policy has for modalities of a kind.

    table: {name: augmentation}. pool: drawn from where a config names none. ndim: of a batch.
    """

    table: Mapping[str, Callable]
    pool: tuple[str, ...]
    ndim: int


KINDS = {
    "series": Kind(SERIES_ONLY, POOL, 3),
    # without grayscale, which is for three channels
    "image": Kind(
        IMAGE, ("random_resized_crop", "horizontal_flip", "brightness_contrast", "jitter"), 4
    ),
    "vector": Kind(VECTOR, tuple(VECTOR), 2),
    "sequence": Kind(SEQUENCE, ("jitter", "token_dropout"), 3),
}

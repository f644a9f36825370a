"""Augmentations: pure, jittable, one key per example.

`series` and `spectrogram` hold `f(key, x, *, knobs) -> x` on one example; `policy` draws from a
pool of them for a batch of several modalities; `mix` is mixup and CutMix.
`latent` draws which latents of which modality a view keeps.
"""

from mmalign.augment import series as series
from mmalign.augment import spectrogram as spectrogram
from mmalign.augment.latent import LatentMask as LatentMask
from mmalign.augment.latent import draw_latent_masks as draw_latent_masks
from mmalign.augment.latent import draw_time_mask as draw_time_mask
from mmalign.augment.latent import hide as hide
from mmalign.augment.latent import latent_mask as latent_mask
from mmalign.augment.mixing import mix as mix
from mmalign.augment.policy import POOL as POOL
from mmalign.augment.policy import Plan as Plan
from mmalign.augment.policy import Policy as Policy
from mmalign.augment.policy import augment as augment
from mmalign.augment.spectrogram import interval_fft as interval_fft
from mmalign.augment.spectrogram import interval_ifft as interval_ifft
